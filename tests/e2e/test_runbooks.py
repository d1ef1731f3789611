"""The local commands of the runbooks, run as they are written, on a local cloud."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from common.bus import Bus
from common.config import Settings
from common.messages import DEAD_LETTER_TOPIC, RunDied, encode
from local.client import ApiError, Client, sign_in
from local.cloud import Cloud
from local.environment import ARTIFACTS_BUCKET, PROJECT, UPLOADS_BUCKET
from tests.docs.commands import ROOT, Block, all_blocks
from tests.e2e.conftest import INDEX_TIMEOUT_S, wait_for_end
from tests.media import SubtitleSpec, write_clip

# A minute and more of starting the operator's command again and again.
pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.deep]

_BLOCKS = all_blocks("local")
#: Whom `python -m local` acts as.
_USER = "you@example.com"
_SAID = "the lighthouse keeper lost his keys"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Somebody at a terminal in the repository, with a local cloud running."""

    environment: Mapping[str, str]
    client: Client

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a block as a shell does that stops at the first failure."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=INDEX_TIMEOUT_S,
        )

    def local(self, *arguments: str) -> Any:
        """What `python -m local …` answers, whether it succeeds or not."""
        return _json(self.run(shlex.join([sys.executable, "-m", "local", *arguments, "--json"])))

    def admin(self, *arguments: str) -> Any:
        """What the operator's command answers."""
        state = ["--state", self.environment["STATE"]]
        words = [sys.executable, "-m", "local.admin", *state, *arguments, "--json"]
        return _json(self.run(shlex.join(words)))

    def settle(self) -> None:
        """Wait until nothing is processed: a drill does not begin in the middle of something."""
        for video in ("VIDEO", "FAILED_VIDEO"):
            wait_for_end(self.client, self.environment[video])

    def search(self, query: str) -> Any:
        """What search finds."""
        return self.client.search(query)["hits"]


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def desk(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A library with an indexed and a failed video, and a dead letter about the latter."""
    place = tmp_path_factory.mktemp("desk")
    (place / "state").mkdir()
    (place / "state" / "cloud").symlink_to(cloud.logs.parent)
    environment = _environment(place)
    endpoints = cloud.address.endpoints
    found = Desk(
        environment=environment,
        client=Client(endpoints, sign_in(endpoints, _USER, "a local password")),
    )
    video, bad = place / "video.mp4", place / "bad.mp4"
    cues = ((200, 1800, _SAID),)
    write_clip(video, subtitles=(SubtitleSpec(language="eng", codec="mov_text", cues=cues),))
    bad.write_bytes(bytes(4096))
    indexed, failed = found.local("upload", str(video)), found.local("upload", str(bad))
    assert (indexed["state"], failed["state"]) == ("indexed", "failed")
    facts = {
        "VIDEO": indexed["video_id"],
        "FAILED_VIDEO": failed["video_id"],
        "QUERY": _SAID,
        "LETTER": _letter(cloud, found, failed["video_id"]),
    }
    return Desk(environment=environment | facts, client=found.client)


def _environment(place: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    programs = place / "bin"
    programs.mkdir()
    # The tests' own environment, as it is: `make` is not to install anything into it.
    venv = Path(sys.prefix)
    make = programs / "make"
    make.write_text(
        f"#!/bin/sh\nexec {shutil.which('make')} -o {venv}/.installed-demo -o {venv}/bin/python "
        f'"$@" VENV={venv}\n'
    )
    make.chmod(0o755)
    return kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "STATE": str(place / "state"),
        "HEIMDEX_STATE": str(place / "state"),
        "WORK": str(place),
    }


def _letter(cloud: Cloud, desk: Desk, video_id: str) -> str:
    """The id of a recorded dead letter that says that the video's run died."""
    told = desk.admin("explain", video_id)
    run = told["runs"][0]
    died = RunDied(
        user_id=UUID(told["video"]["user_id"]),
        run_id=UUID(run["id"]),
        lane=run["lane"],
        error_code=run["error_code"],
    )
    settings = Settings(
        project=PROJECT,
        uploads_bucket=UPLOADS_BUCKET,
        artifacts_bucket=ARTIFACTS_BUCKET,
        pubsub_endpoint=cloud.address.pubsub_endpoint,
    )
    with Bus.connect(settings) as bus:
        bus.publish(DEAD_LETTER_TOPIC, encode(died).encode(), {}, effect="test.dead_letter")
    deadline = time.monotonic() + INDEX_TIMEOUT_S
    while True:
        letters = desk.admin("dead-letters")["dead_letters"]
        if mine := [letter for letter in letters if letter["run_id"] == run["id"]]:
            return str(mine[0]["id"])
        assert time.monotonic() < deadline, "the letter was not recorded"
        time.sleep(0.3)


@pytest.mark.parametrize("block", _BLOCKS, ids=lambda block: block.where)
def test_the_commands_of_a_runbook_succeed(block: Block, desk: Desk) -> None:
    """Each block of local commands ends without an error, in the order of the page."""
    desk.settle()
    done = desk.run(block.text.replace(".venv/bin/python", shlex.quote(sys.executable)))
    assert done.returncode == 0, f"{block.where}\n{done.stdout}\n{done.stderr}"


def test_a_restored_ledger_finds_what_the_lost_one_found(desk: Desk) -> None:
    """Back up, lose, restore: lost means nothing answers, restored that every hit is the same."""
    desk.settle()
    before = desk.search(_SAID)
    assert before[0]["video_id"] == desk.environment["VIDEO"]
    backup = shlex.join([sys.executable, "-m", "local.backup"])
    file = shlex.quote(f"{desk.environment['WORK']}/again.dump")
    assert desk.run(f"{backup} save {file} && {backup} lose").returncode == 0
    with pytest.raises(ApiError):
        desk.search(_SAID)
    assert desk.run(f"{backup} restore {file}").returncode == 0
    assert desk.search(_SAID) == before


def test_a_damaged_backup_is_refused(desk: Desk) -> None:
    """What pg_restore cannot read is an error, not an empty ledger that looks restored."""
    desk.settle()
    backup = shlex.join([sys.executable, "-m", "local.backup"])
    whole = Path(desk.environment["WORK"]) / "whole.dump"
    torn = Path(desk.environment["WORK"]) / "torn.dump"
    assert desk.run(f"{backup} save {whole}").returncode == 0
    torn.write_bytes(whole.read_bytes()[:200])
    refused = desk.run(f"{backup} restore {torn}")
    assert refused.returncode == 1
    assert "pg_restore" in refused.stderr
    assert desk.run(f"{backup} restore {whole}").returncode == 0
    assert desk.search(_SAID)
