"""Cloud Scheduler's stand-in: publishes to the sweep topic at a fixed interval."""

from __future__ import annotations

import threading

from common import log
from common.bus import Bus
from common.errors import HeimdexError
from common.messages import SWEEP_TOPIC


class Scheduler:
    """Rings the sweep until stopped.

    Args:
        bus: where to publish.
        interval_s: pause between rings.
    """

    def __init__(self, bus: Bus, *, interval_s: float) -> None:
        self._bus = bus
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin; the first ring comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self._bus.publish(SWEEP_TOPIC, b"{}", {}, effect="sweep.ring")
            except HeimdexError as error:
                log.event("sweep.ring_failed", severity="WARNING", code=error.code)
