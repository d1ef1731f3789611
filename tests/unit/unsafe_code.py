"""Calls that can run what they read, found in source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Modules whose loading functions run what they are given.
_MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
)
#: Calls that are refused whatever their arguments.
_CALLS = frozenset(
    {
        "eval",
        "exec",
        "os.popen",
        "os.system",
        "pandas.read_pickle",
        "pd.read_pickle",
        "torch.hub.load",
        "yaml.full_load",
        "yaml.load_all",
        "yaml.unsafe_load",
        "yaml.unsafe_load_all",
    }
)
#: Keywords that switch a protection off, and the only value that keeps it on.
_KEYWORDS: dict[str, bool] = {
    "allow_pickle": False,
    "shell": False,
    "trust_remote_code": False,
    "use_safetensors": True,
    "weights_only": True,
}
#: Calls that are safe only with a keyword.
_NEED = {
    "np.load": "allow_pickle",
    "numpy.load": "allow_pickle",
    "torch.load": "weights_only",
}


def unsafe(source: str) -> list[str]:
    """What a module does that could run what it reads, each as e.g. `12: torch.load`."""
    found = [f"{node.lineno}: {what}" for node, what in _found(ast.parse(source))]
    return sorted(found, key=lambda each: int(each.split(":")[0]))


def _found(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, each.name) for each in node.names if _is_refused(each.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_refused(node.module):
            yield node, node.module
        elif isinstance(node, ast.Call):
            yield from ((node, what) for what in _of_call(node))


def _is_refused(module: str) -> bool:
    return module.split(".")[0] in _MODULES


def _of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if name in _CALLS:
        yield name
    if name == "yaml.load" and "SafeLoader" not in ast.unparse(node):
        yield name
    if (needed := _NEED.get(name)) is not None and needed not in given:
        yield f"{name} without {needed}"
    if _is(given.get("verify"), False):
        yield "verify=False"
    for keyword, safe in _KEYWORDS.items():
        if keyword in given and not _is(given[keyword], safe):
            yield f"{keyword}={ast.unparse(given[keyword])}"


def _is(value: ast.expr | None, wanted: bool) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted
