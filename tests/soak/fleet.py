"""Workers in processes of their own, of which a random one is killed every so often.

One process imports everything and forks the workers: a dead one is replaced in milliseconds.

python -m tests.soak.fleet WORKERS-PER-LANE SECONDS-BETWEEN-KILLS
"""

from __future__ import annotations

import ctypes
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from common.bus import Bus
from common.config import load
from common.database import Database
from common.domain import LANES, Lane
from common.ledger.outbox import Outbox
from common.ledger.policy import LeasePolicy
from common.storage import ObjectStore
from tests.schedules.stages import PIPELINE
from tests.tiny_pipeline import Rig

_LOOK_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1


class Fleet:
    """Keeps the workers of both lanes alive, and kills some.

    Args:
        per_lane: workers of each lane.
        kill_every_s: pause between kills.
    """

    def __init__(self, *, per_lane: int, kill_every_s: float) -> None:
        self._wanted = [lane for lane in LANES for _ in range(per_lane)]
        self._kill_every_s = kill_every_s
        self._running: dict[int, Lane] = {}
        self._random = random.Random(0)
        # What opens nothing before it is used is made once for all.
        self._settings = load()
        self._db = Database.connect(self._settings)
        self._store = ObjectStore.connect(self._settings)

    def run(self) -> None:
        """Until the standard input ends; says "kill" for each."""
        kill_at = time.monotonic() + self._kill_every_s
        while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
            self._reap()
            for lane in LANES:
                missing = self._wanted.count(lane) - list(self._running.values()).count(lane)
                for _ in range(missing):
                    self._fork(lane)
            if time.monotonic() >= kill_at:
                kill_at += self._kill_every_s
                os.kill(self._random.choice(sorted(self._running)), signal.SIGKILL)
                print("kill", flush=True)
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in list(self._running):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self._running[pid]

    def _fork(self, lane: Lane) -> None:
        # No thread runs here and no channel is open yet, so that forking is safe.
        pid = os.fork()
        if pid:
            self._running[pid] = lane
            return
        try:
            # Whatever becomes of this process, its workers do not stay.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            random.seed()
            self._work(lane)
        finally:
            os._exit(1)

    def _work(self, lane: Lane) -> None:
        """A worker as `gpu_jobs.main` wires it, but for its stages."""
        policy = LeasePolicy.of(self._settings)
        with tempfile.TemporaryDirectory() as scratch:
            rig: Any = Rig(db=self._db, directory=Path(scratch), pipeline=PIPELINE, policy=policy)
            rig.store = self._store
            rig.bus = Bus.connect(self._settings)
            rig.outbox = Outbox(self._db, rig.bus)
            rig.worker(lane, idle_exit_s=3_600.0).run()


def main(arguments: Sequence[str]) -> None:
    """Run a fleet."""
    per_lane, kill_every_s = arguments
    Fleet(per_lane=int(per_lane), kill_every_s=float(kill_every_s)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
