"""`python3 -m local.release COMMAND`: the steps of a release that talk to Google Cloud.

Each runs `gcloud`, `docker` or `terraform` and prints what it runs. It needs nothing but Python's
own library, so that a build step without our requirements can run it. With `APPLY` other than
"true" (a build of any branch but an environment's) what would change something is skipped, and
says so.

What a release is made of goes into `build/release.auto.tfvars.json`, which `terraform plan` reads:
the sources of the functions by the hash of their content, and the jobs' image by its digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
RELEASE: Final = ROOT / "build" / "release.auto.tfvars.json"
#: Left by `make smoke` when it passed.
SMOKED: Final = ROOT / "build" / "smoke.ok"
BUNDLES: Final = ROOT / "build" / "functions"
_PREFIX: Final = "heimdex"


class ReleaseError(Exception):
    """The release cannot go on; the message says what is missing."""


# --- what is built -------------------------------------------------------------------------------


def images(given: Mapping[str, str]) -> None:
    """Build the jobs' image, and push it if this is an environment's branch."""
    name = f"{_need(given, 'IMAGES')}/jobs:{given.get('TAG') or 'local'}"
    _run("docker", "build", "--file", "gpu_jobs/Dockerfile", "--tag", name, ".")
    if not _applies(given, f"push {name}"):
        return
    _run("docker", "push", name)
    digest = _run("docker", "inspect", "--format", "{{index .RepoDigests 0}}", name).strip()
    if "@sha256:" not in digest:
        raise ReleaseError(f"docker knows no digest of {name}")
    _record(job_image=digest)


def scan(given: Mapping[str, str]) -> None:
    """Look for known weaknesses in the pushed image; those that are critical end the release."""
    if not _applies(given, "scan the image"):
        return
    image = str(_recorded().get("job_image") or "")
    if not image:
        raise ReleaseError("no image was pushed: make images")
    found = _run(
        *("gcloud", "artifacts", "docker", "images", "scan", image, "--remote"),
        "--format=value(response.scan)",
    )
    severities = _run(
        *("gcloud", "artifacts", "docker", "images", "list-vulnerabilities", found.strip()),
        "--format=value(vulnerability.effectiveSeverity)",
    ).split()
    print({each: severities.count(each) for each in sorted(set(severities))})
    if "CRITICAL" in severities:
        raise ReleaseError(f"{severities.count('CRITICAL')} critical weaknesses in {image}")


def upload_bundles(given: Mapping[str, str]) -> None:
    """Put each function's source where Terraform finds it, named by its content."""
    archives = sorted(BUNDLES.glob("*.zip"))
    if not archives:
        raise ReleaseError("there are no bundles: make package")
    sources = {}
    for archive in archives:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        sources[archive.stem] = f"functions/{archive.stem}/{digest}.zip"
    _record(function_sources=sources)
    if not _applies(given, "upload the bundles"):
        return
    bucket = _need(given, "SOURCES_BUCKET")
    for archive in archives:
        # The same name is the same content: what is there already stays.
        target = f"gs://{bucket}/{sources[archive.stem]}"
        _run("gcloud", "storage", "cp", "--no-clobber", str(archive), target)


# --- what is deployed ----------------------------------------------------------------------------


def tf_plan(given: Mapping[str, str]) -> None:
    """Plan an environment with what was built, into `build/ENV.plan`."""
    environment, root = _environment(given)
    state = _need(given, "STATE_BUCKET")
    terraform = ("terraform", f"-chdir={root}")
    _run(*terraform, "init", "-input=false", f"-backend-config=bucket={state}")
    plan = ("plan", "-input=false", f"-out={ROOT / 'build' / environment}.plan")
    # A check of another branch only reads, and does not hold the lock that a release needs.
    lock = () if given.get("APPLY") == "true" else ("-lock=false",)
    built = (f"-var-file={RELEASE}",) if RELEASE.exists() else ()
    (ROOT / "build").mkdir(exist_ok=True)
    _run(*terraform, *plan, *lock, *built)


def tf_apply(given: Mapping[str, str]) -> None:
    """Apply exactly what was planned."""
    environment, root = _environment(given)
    if not _applies(given, f"apply to {environment}"):
        return
    plan = ROOT / "build" / f"{environment}.plan"
    if not plan.exists():
        raise ReleaseError(f"there is no plan of {environment}: make tf-plan")
    _run("terraform", f"-chdir={root}", "apply", "-input=false", str(plan))


def migrate_job(given: Mapping[str, str]) -> None:
    """Migrate the database with the release's own image, before anything else of it is deployed."""
    if not _applies(given, "migrate"):
        return
    region = _need(given, "REGION")
    job = f"{_PREFIX}-migrate"
    if not _exists("run", "jobs", "describe", job, f"--region={region}"):
        if given.get("FIRST") == "true":
            print(f"there is no {job} yet: the first apply makes it")
            return
        raise ReleaseError(f"there is no job {job} in {region}: apply once with FIRST=true")
    image = str(_recorded().get("job_image") or "")
    if not image:
        raise ReleaseError("no image was pushed: make images")
    _run("gcloud", "run", "jobs", "update", job, f"--region={region}", f"--image={image}")
    _run("gcloud", "run", "jobs", "execute", job, f"--region={region}", "--wait")


def models_job(given: Mapping[str, str]) -> None:
    """Fill the bucket of models; what is there already is not fetched again."""
    if given.get("PROFILE") == "offline":
        print("the offline profile fetches no models")
        return
    if not _applies(given, "mirror the models"):
        return
    region = _need(given, "MODELS_REGION")
    _run("gcloud", "run", "jobs", "execute", f"{_PREFIX}-models", f"--region={region}", "--wait")


def rollback(given: Mapping[str, str]) -> None:
    """Send all traffic of each function to a revision, by default to the one before the last."""
    region = _need(given, "REGION")
    functions = _need(given, "FUNCTIONS").split()
    revision = given.get("REVISION", "")
    if revision and len(functions) != 1:
        raise ReleaseError("REVISION is of one function: name it in FUNCTIONS")
    for function in functions:
        service = f"{_PREFIX}-{function.replace('_', '-')}"
        target = revision or _revision_before(service, region)
        _run(
            *("gcloud", "run", "services", "update-traffic", service),
            *(f"--region={region}", f"--to-revisions={target}=100"),
        )


def settle(given: Mapping[str, str]) -> None:
    """Roll back what serves people, if the smoke test of this release did not pass."""
    if not _applies(given, "settle"):
        return
    if SMOKED.exists():
        print("the smoke test passed: the release stays")
        return
    rollback({**given, "REVISION": "", "FUNCTIONS": given.get("FUNCTIONS") or "api search"})
    raise ReleaseError("the smoke test failed; traffic is back on the revisions before")


def _revision_before(service: str, region: str) -> str:
    listed = _run(
        *("gcloud", "run", "revisions", "list", f"--service={service}", f"--region={region}"),
        *("--sort-by=~metadata.creationTimestamp", "--limit=2", "--format=value(metadata.name)"),
    ).split()
    if len(listed) < 2:
        raise ReleaseError(f"{service} has no revision before this one")
    return listed[1]


# --- how -----------------------------------------------------------------------------------------


def _need(given: Mapping[str, str], name: str) -> str:
    if value := given.get(name, ""):
        return value
    raise ReleaseError(f"say {name}=…")


def _environment(given: Mapping[str, str]) -> tuple[str, str]:
    name = _need(given, "ENV")
    root = f"terraform/envs/{name}"
    if not (ROOT / root).is_dir():
        raise ReleaseError(f"there is no {root}")
    return name, root


def _applies(given: Mapping[str, str], what: str) -> bool:
    if given.get("APPLY") == "true":
        return True
    print(f"skipped: {what} (APPLY is not true)")
    return False


def _exists(*command: str) -> bool:
    try:
        _run("gcloud", *command)
    except ReleaseError as error:
        # gcloud says so in words only.
        if "Cannot find" in str(error) or "NOT_FOUND" in str(error) or "not found" in str(error):
            return False
        raise
    return True


def _run(*command: str) -> str:
    """Run a command, showing it and its output; returns its standard output."""
    if shutil.which(command[0]) is None:
        raise ReleaseError(f"{command[0]} is not installed")
    print(f"+ {shlex.join(command)}", flush=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode:
        tail = (done.stderr or done.stdout).strip()[-400:]
        raise ReleaseError(f"{shlex.join(command[:4])} … ended with {done.returncode}: {tail}")
    return done.stdout


def _recorded() -> dict[str, Any]:
    return dict(json.loads(RELEASE.read_text(encoding="utf-8"))) if RELEASE.exists() else {}


def _record(**facts: object) -> None:
    RELEASE.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_recorded() | facts, indent=2, sort_keys=True)
    RELEASE.write_text(text + "\n", encoding="utf-8")


COMMANDS: Final[Mapping[str, Callable[[Mapping[str, str]], None]]] = {
    "images": images,
    "scan": scan,
    "upload-bundles": upload_bundles,
    "tf-plan": tf_plan,
    "tf-apply": tf_apply,
    "migrate-job": migrate_job,
    "models-job": models_job,
    "rollback": rollback,
    "settle": settle,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command with the variables of the environment; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m local.release", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(arguments).command
    try:
        COMMANDS[command](os.environ)
    except ReleaseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
