"""Loading the models of a profile."""

from __future__ import annotations

import subprocess
import sys

from gpu_jobs import models


def test_parts_are_loaded_once() -> None:
    """A part is made when first used, and stays."""
    loaded = models.OfflineModels()
    assert loaded.text is loaded.text
    assert loaded.image is loaded.image
    assert loaded.tagger is loaded.tagger


def test_loading_is_light() -> None:
    """Until text is read, neither OpenCV nor torch is in memory."""
    code = (
        "import sys; from gpu_jobs import models; models.OfflineModels().image;"
        "bad = {'torch', 'cv2', 'rapidocr'} & set(sys.modules); sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
