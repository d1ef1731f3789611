"""Every durable effect has a name: a lint over the production code, and proof that it can fail."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_PRODUCTION = ("common", "functions", "gpu_jobs")
#: Calls of Google's and the database's libraries that another process can see after this one dies.
_DURABLE = frozenset(
    {
        # Postgres
        "commit",
        # Cloud Storage
        "upload_from_string",
        "upload_from_filename",
        "upload_from_file",
        "create_resumable_upload_session",
        "delete_blob",
        "delete_blobs",
        "copy_blob",
        "rename_blob",
        "compose",
        "rewrite",
        "create_bucket",
        # Pub/Sub
        "acknowledge",
        "modify_ack_deadline",
        # Cloud Run
        "run_job",
    }
)
#: The same, where the name alone says too little: method → what it is called on.
_DURABLE_ON = {
    "publish": re.compile(r"publisher"),
    "delete": re.compile(r"\bblob|\bbucket\("),
    "patch": re.compile(r"\bblob|\bbucket\("),
    "begin": re.compile(r"engine|owner"),
    "execution_options": re.compile(r"engine|connection"),
}
#: Who may talk to the libraries at all; everything else goes through these.
_ADAPTERS = {
    "google.cloud.storage": {
        "common/signing.py",
        "common/storage.py",
        "common/storage_errors.py",
        # It only makes the client that the store is made of.
        "gpu_jobs/models/mirror.py",
    },
    "google.pubsub_v1": {"common/bus.py"},
    "google.cloud.pubsub_v1": set(),
    "google.cloud.run_v2": {"common/jobs.py"},
    "pg8000": set(),
    "psycopg": set(),
}
_NAME = re.compile(r"[a-z_]+\.[a-z_]+")


def _helpers(tree: ast.Module) -> set[str]:
    """What the module calls `common.effects.effect`."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "common.effects"
        for alias in node.names
        if alias.name == "effect"
    }


def _is_durable(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    called_on = ast.unparse(call.func.value)
    pattern = _DURABLE_ON.get(call.func.attr)
    return call.func.attr in _DURABLE or (pattern is not None and bool(pattern.search(called_on)))


def unnamed(tree: ast.Module) -> Iterator[str]:
    """Durable calls that are not inside `with effect(…)`."""
    helpers = _helpers(tree)

    def visit(node: ast.AST, named: bool) -> Iterator[str]:
        if isinstance(node, ast.With):
            contexts = [item.context_expr for item in node.items]
            named = named or any(
                isinstance(x, ast.Call) and isinstance(x.func, ast.Name) and x.func.id in helpers
                for x in contexts
            )
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            # It may be called from anywhere.
            named = False
        if isinstance(node, ast.Call) and _is_durable(node) and not named:
            yield f"line {node.lineno}: {ast.unparse(node.func)}"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, named)

    yield from visit(tree, False)


def foreign_imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Libraries with durable effects that a module may not use by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for library, allowed in _ADAPTERS.items():
            if path not in allowed and any(f"{m}.".startswith(f"{library}.") for m in modules):
                yield f"line {node.lineno}: {library}"


def bad_names(tree: ast.Module) -> Iterator[str]:
    """Names of effects that are not dotted words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "effect":
            value = node.value
            if (
                isinstance(value, ast.Constant)
                and isinstance(value.value, str)
                and not _NAME.fullmatch(value.value)
            ):
                yield f"line {value.lineno}: {value.value!r}"


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for part in _PRODUCTION:
        for path in sorted((REPOSITORY / part).rglob("*.py")):
            yield path.relative_to(REPOSITORY).as_posix(), ast.parse(path.read_text())


def test_every_durable_effect_has_a_name() -> None:
    """No commit, object, message, ack or execution is made outside `common.effects.effect`."""
    assert [f"{path} {found}" for path, tree in _modules() for found in unnamed(tree)] == []


def test_adapters_alone_use_the_libraries() -> None:
    """What can have durable effects is imported by the adapters and nobody else."""
    assert [
        f"{path} {found}" for path, tree in _modules() for found in foreign_imports(path, tree)
    ] == []


def test_names_are_dotted_words() -> None:
    """A name says of what and what, as `run.claim`."""
    assert [f"{path} {found}" for path, tree in _modules() for found in bad_names(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        "connection.commit()",
        "with engine.begin() as tx:\n    tx.execute(x)",
        "with effect(name):\n    def later():\n        connection.commit()",
        "blob.upload_from_string(data)",
        "bucket.blob(name).delete()",
        "self._client.bucket(b).delete_blob(name)",
        "self._publisher.publish(topic, data)",
        "subscriber.acknowledge(subscription=s, ack_ids=[a])",
        "client.run_job(name=name)",
        "with other(name):\n    client.run_job(name=name)",
        "blob.compose([a, b])",
    ],
)
def test_the_lint_notices(code: str) -> None:
    """Each kind of durable effect without a name is found."""
    tree = ast.parse(f"from common.effects import effect\n{code}")
    assert len(list(unnamed(tree))) == 1


def test_the_lint_notices_imports_and_names() -> None:
    """A library used past its adapter, and a name that is no name, are found."""
    tree = ast.parse("from google.cloud import storage\nwrite(effect='Run Claim')")
    assert len(list(foreign_imports("functions/api/main.py", tree))) == 1
    assert list(foreign_imports("common/storage.py", tree)) == []
    assert len(list(bad_names(tree))) == 1


def test_a_name_with_an_alias_counts() -> None:
    """Modules that have another `effect` call the helper differently."""
    code = "from common.effects import effect as durable\nwith durable(name):\n    c.commit()"
    assert list(unnamed(ast.parse(code))) == []


@pytest.mark.parametrize(
    ("crash", "printed"),
    [("before:a.b", ""), ("after:a.b", "1"), ("before:a.b@2", "1"), ("before:c.d", "11")],
)
def test_a_process_dies_at_the_point(crash: str, printed: str) -> None:
    """HEIMDEX_CRASH kills by SIGKILL before or after the named effect, the nth time if asked."""
    code = (
        "from common.effects import effect\n"
        "for _ in range(2):\n"
        "    with effect('a.b'):\n"
        "        print(1, end='', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(REPOSITORY), "HEIMDEX_CRASH": crash, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == printed
    assert done.returncode == (0 if crash == "before:c.d" else -signal.SIGKILL)
