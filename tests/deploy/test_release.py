"""The steps of a release, with stand-ins for gcloud, docker and terraform that note their calls.

What is proven is which commands are run, in which order, and what happens when one fails; not that
Google Cloud does what they ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local import release
from local.release import main

_IMAGE = "asia-docker.pkg.dev/p/heimdex-jobs/jobs"
_DIGEST = f"{_IMAGE}@sha256:{'a' * 64}"

Calls = Callable[[], list[list[str]]]
Answer = Callable[..., None]

_PROGRAM = """#!{python}
import json, sys
from pathlib import Path
here = Path(__file__).parent
line = [Path(__file__).name, *sys.argv[1:]]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(line) + "\\n")
for words, out, err, code in json.loads((here / "answers").read_text()):
    if words in " ".join(line):
        sys.stdout.write(out); sys.stderr.write(err); sys.exit(code)
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with programs that note how they are called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gcloud", "docker", "terraform"):
        (folder / name).write_text(_PROGRAM.format(python=sys.executable))
        (folder / name).chmod(0o755)
    (folder / "answers").write_text("[]")
    (folder / "calls").touch()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(release, "RELEASE", tmp_path / "build" / "release.json")
    monkeypatch.setattr(release, "SMOKED", tmp_path / "build" / "smoke.ok")
    monkeypatch.setattr(release, "BUNDLES", tmp_path / "build" / "functions")
    for name in ("APPLY", "ENV", "FIRST", "FUNCTIONS", "IMAGES", "MODELS_REGION", "PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REGION", "REVISION", "SOURCES_BUCKET", "STATE_BUCKET", "TAG"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def calls(programs: Path) -> Calls:
    """What was called so far."""
    return lambda: [json.loads(line) for line in (programs / "calls").read_text().splitlines()]


@pytest.fixture
def answer(programs: Path) -> Answer:
    """Make calls that contain the words print something, or fail."""

    def add(words: str, out: str = "", *, err: str = "", code: int = 0) -> None:
        known = json.loads((programs / "answers").read_text())
        (programs / "answers").write_text(json.dumps([*known, [words, out, err, code]]))

    return add


@pytest.fixture
def given(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what make exports."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_all


def _recorded() -> object:
    return json.loads(release.RELEASE.read_text())


def test_a_check_builds_the_image_and_keeps_it(calls: Calls, given: Callable[..., None]) -> None:
    """Without APPLY nothing is pushed."""
    given(IMAGES="r", APPLY="false")
    assert main(["images"]) == 0
    assert [call[:2] for call in calls()] == [["docker", "build"]]
    assert not release.RELEASE.exists()


def test_a_release_names_its_image_by_digest(
    calls: Calls, answer: Answer, given: Callable[..., None]
) -> None:
    """As the registry has it, for Terraform to read."""
    answer("docker inspect", f"{_DIGEST}\n")
    given(IMAGES="asia-docker.pkg.dev/p/heimdex-jobs", TAG="abc", APPLY="true")
    assert main(["images"]) == 0
    assert [call[1] for call in calls()] == ["build", "push", "inspect"]
    assert f"{_IMAGE}:abc" in calls()[1]
    assert _recorded() == {"job_image": _DIGEST}


def test_bundles_are_named_by_their_content(calls: Calls, given: Callable[..., None]) -> None:
    """And recorded, also in a check, so that the plan shows which functions would change."""
    release.BUNDLES.mkdir(parents=True)
    (release.BUNDLES / "api.zip").write_bytes(b"x")
    name = "functions/api/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881.zip"
    assert main(["upload-bundles"]) == 0
    assert calls() == []
    assert _recorded() == {"function_sources": {"api": name}}
    given(SOURCES_BUCKET="s", APPLY="true")
    assert main(["upload-bundles"]) == 0
    (call,) = calls()
    assert call[:3] == ["gcloud", "storage", "cp"]
    assert "--no-clobber" in call
    assert call[-1] == f"gs://s/{name}"


def test_the_plan_is_of_what_was_built_and_the_apply_of_the_plan(
    calls: Calls, given: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable of the release is lost on the way, and nothing is planned anew."""
    release._record(job_image=_DIGEST)
    given(ENV="dev", STATE_BUCKET="b", APPLY="true")
    assert main(["tf-plan"]) == 0
    init, plan = calls()
    assert init[:3] == ["terraform", "-chdir=terraform/envs/dev", "init"]
    assert "-backend-config=bucket=b" in init
    assert f"-var-file={release.RELEASE}" in plan
    assert "-lock=false" not in plan
    planned = next(each for each in plan if each.startswith("-out=")).removeprefix("-out=")
    existed = Path(planned).exists()
    try:
        Path(planned).parent.mkdir(exist_ok=True)
        Path(planned).touch()
        assert main(["tf-apply"]) == 0
    finally:
        if not existed:
            Path(planned).unlink()
    assert calls()[-1] == [*init[:2], "apply", "-input=false", planned]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_environments_take_what_a_release_records(environment: str) -> None:
    """A value for a variable that nobody declared would be dropped with a warning."""
    declared = (release.ROOT / "terraform" / "envs" / environment / "variables.tf").read_text()
    for variable in ("function_sources", "job_image"):
        assert f'variable "{variable}"' in declared


def test_a_check_plans_without_the_lock_and_applies_nothing(
    calls: Calls, given: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A branch may be planned while another is released."""
    given(ENV="dev", STATE_BUCKET="b")
    assert main(["tf-plan"]) == 0
    assert "-lock=false" in calls()[-1]
    before = calls()
    for command in ("tf-apply", "migrate-job", "models-job", "scan", "settle"):
        assert main([command]) == 0
    assert calls() == before
    assert capsys.readouterr().out.count("skipped") == 5


def test_the_database_is_migrated_by_the_release(calls: Calls, given: Callable[..., None]) -> None:
    """The job gets the release's image first, and is waited for."""
    release._record(job_image=_DIGEST)
    given(REGION="asia-northeast3", APPLY="true")
    assert main(["migrate-job"]) == 0
    _, update, execute = calls()
    assert update[1:5] == ["run", "jobs", "update", "heimdex-migrate"]
    assert f"--image={_DIGEST}" in update
    assert execute[1:5] == ["run", "jobs", "execute", "heimdex-migrate"]
    assert "--wait" in execute


def test_a_failed_migration_ends_the_release(
    answer: Answer, given: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """With gcloud's own words."""
    release._record(job_image=_DIGEST)
    answer("jobs execute", err="Execution failed: exit code 1", code=1)
    given(REGION="r", APPLY="true")
    assert main(["migrate-job"]) == 1
    assert "exit code 1" in capsys.readouterr().err


@pytest.mark.parametrize(("first", "code"), [("true", 0), ("false", 1)])
def test_the_first_release_has_no_job_to_migrate_with(
    answer: Answer, given: Callable[..., None], first: str, code: int
) -> None:
    """Said once, on purpose; otherwise a job that is missing is an error."""
    answer("jobs describe", err="Cannot find job [heimdex-migrate]", code=1)
    given(REGION="r", APPLY="true", FIRST=first)
    assert main(["migrate-job"]) == code


def test_a_refusal_is_not_taken_for_a_missing_job(
    answer: Answer, given: Callable[..., None]
) -> None:
    """Whoever may not look does not get to skip the migration."""
    answer("jobs describe", err="PERMISSION_DENIED", code=1)
    given(REGION="r", APPLY="true", FIRST="true")
    assert main(["migrate-job"]) == 1


@pytest.mark.parametrize(("found", "code"), [("LOW\nHIGH\n", 0), ("LOW\nCRITICAL\n", 1)])
def test_a_critical_weakness_ends_the_release(
    answer: Answer, given: Callable[..., None], found: str, code: int
) -> None:
    """Lesser ones are counted and shown."""
    release._record(job_image=_DIGEST)
    answer("list-vulnerabilities", found)
    answer("images scan", "projects/p/scans/1\n")
    given(APPLY="true")
    assert main(["scan"]) == code


def test_models_are_mirrored_by_their_job(calls: Calls, given: Callable[..., None]) -> None:
    """Unless the profile has none."""
    given(APPLY="true", PROFILE="offline")
    assert main(["models-job"]) == 0
    assert calls() == []
    given(PROFILE="gpu", MODELS_REGION="asia-southeast1")
    assert main(["models-job"]) == 0
    assert calls()[0][1:5] == ["run", "jobs", "execute", "heimdex-models"]


def test_traffic_goes_back_to_the_revision_before(
    calls: Calls, answer: Answer, given: Callable[..., None]
) -> None:
    """Of each function; or to the one that is named."""
    answer("revisions list", "heimdex-start-jobs-00003-c\nheimdex-start-jobs-00002-b\n")
    given(REGION="r", FUNCTIONS="start_jobs")
    assert main(["rollback"]) == 0
    assert "--to-revisions=heimdex-start-jobs-00002-b=100" in calls()[-1]
    assert "heimdex-start-jobs" in calls()[-1]
    given(REVISION="heimdex-start-jobs-00001-a")
    assert main(["rollback"]) == 0
    assert "--to-revisions=heimdex-start-jobs-00001-a=100" in calls()[-1]


def test_a_first_revision_has_nothing_to_go_back_to(
    answer: Answer, given: Callable[..., None]
) -> None:
    """An error, not traffic to nowhere."""
    answer("revisions list", "heimdex-api-00001-a\n")
    given(REGION="r", FUNCTIONS="api")
    assert main(["rollback"]) == 1


def test_a_release_that_does_not_answer_is_taken_back(
    calls: Calls, answer: Answer, given: Callable[..., None]
) -> None:
    """Both public functions, and the build fails; one that answers stays."""
    answer("revisions list", "new\nold\n")
    given(REGION="r", APPLY="true")
    assert main(["settle"]) == 1
    moved = [call[4] for call in calls() if "update-traffic" in call]
    assert moved == ["heimdex-api", "heimdex-search"]
    before = calls()
    release.SMOKED.parent.mkdir(parents=True, exist_ok=True)
    release.SMOKED.touch()
    assert main(["settle"]) == 0
    assert calls() == before


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("images", "IMAGES"),
        ("tf-plan", "ENV"),
        ("rollback", "REGION"),
        ("migrate-job", "REGION"),
        ("models-job", "MODELS_REGION"),
        ("scan", "make images"),
        ("upload-bundles", "make package"),
    ],
)
def test_what_is_missing_is_said(
    given: Callable[..., None], capsys: pytest.CaptureFixture[str], command: str, missing: str
) -> None:
    """By the name of the variable, or what to run first."""
    given(APPLY="true")
    assert main([command]) == 1
    assert missing in capsys.readouterr().err


def test_a_missing_program_is_named(
    programs: Path, given: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a traceback."""
    (programs / "docker").unlink()
    given(IMAGES="r")
    assert main(["images"]) == 1
    assert "docker is not installed" in capsys.readouterr().err


def test_it_needs_no_library_of_ours() -> None:
    """A build step with nothing but Python can run it."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import sys; sys.path.insert(0, '.'); import local.release",
        ],
        cwd=release.ROOT,
        check=False,
    )
    assert done.returncode == 0
