"""The committed calibrations are what the pairs and the method give."""

from __future__ import annotations

import json

import pytest

from common.encoders import minilm
from functions.search.calibration import CALIBRATIONS_PATH
from local.calibration.__main__ import entry, rendered


def test_refitting_gives_what_is_committed() -> None:
    """Pairs, method and numbers: none was changed without `make calibrate`."""
    committed = json.loads(CALIBRATIONS_PATH.read_text(encoding="utf-8"))[minilm.NAME]
    fitted = entry(minilm.load())
    for name in ("curve", "chance"):
        # One in the last place, for processors that add in another order.
        for knot, expected in zip(fitted.pop(name), committed.pop(name), strict=True):
            assert knot == pytest.approx(expected, abs=0.011)
    for sample, percentiles in fitted.pop("measured").items():
        assert percentiles == pytest.approx(committed["measured"][sample], abs=0.011)
    del committed["measured"]
    assert fitted == committed


def test_the_file_is_written_as_it_is_committed() -> None:
    """Another model's entry is not rewritten by a fit of this one."""
    text = CALIBRATIONS_PATH.read_text(encoding="utf-8")
    assert rendered(json.loads(text)) == text
