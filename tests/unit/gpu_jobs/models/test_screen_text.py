"""The reader of on-screen text, from the wheel alone."""

from __future__ import annotations

import socket
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw

from common.errors import ConfigError
from common.index_version import MANIFESTS
from gpu_jobs.models import screen_text
from gpu_jobs.models.screen_text import RapidOcrReader
from tests.unit.gpu_jobs.stages.examples import slide


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader loads and reads while every connection is refused."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    lines = RapidOcrReader().read(slide(["Hello world"]))
    assert [line.text for line in lines] == ["Hello world"]


def test_other_models_are_refused(tmp_path: Path) -> None:
    """A model file with another hash, or none at all, is a configuration error."""
    (tmp_path / "det.onnx").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="sha256"):
        screen_text._verified(tmp_path, "det.onnx", screen_text.DETECTOR[1])
    with pytest.raises(ConfigError, match="not in the rapidocr wheel"):
        screen_text._verified(tmp_path, "rec.onnx", screen_text.RECOGNISER[1])


def test_the_manifest_names_these_models() -> None:
    """The index version hangs on the very files that are loaded."""
    (record,) = (m for m in MANIFESTS["offline"] if m.role == "screen_text")
    assert record.name == screen_text.NAME
    assert record.sha256 == f"{screen_text.DETECTOR[1]}+{screen_text.RECOGNISER[1]}"


def test_the_alphabet_has_no_hangul() -> None:
    """What the README says of this profile is true: the recogniser cannot write Hangul."""
    path = screen_text._wheel_models() / screen_text.RECOGNISER[0]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    alphabet = session.get_modelmeta().custom_metadata_map["character"]
    assert len(alphabet.split()) > 18_000
    assert not [c for c in alphabet if unicodedata.name(c, "").startswith("HANGUL")]


def test_hangul_is_not_read_as_something_else() -> None:
    """Syllables drawn by their strokes give no line rather than a wrong one."""
    image = Image.new("RGB", (1280, 720), (20, 30, 60))
    draw = ImageDraw.Draw(image)
    for place in range(8):
        _syllable(draw, 120 + place * 110, 300, 90, place)
    assert RapidOcrReader().read(np.asarray(image)) == ()


@pytest.mark.parametrize(
    ("text", "confidence", "kept"),
    [
        ("Exit B2", 0.61, True),
        ("出口", 0.95, True),
        ("出口", 0.7, False),
        ("1", 0.8, False),
        ("7", 0.97, True),
        ("mmm", 0.66, False),
        ("一", 0.99, False),
        ("一月", 0.99, True),
        ("■ ·", 0.99, False),
        ("", 1.0, False),
    ],
)
def test_short_lines_need_more_confidence(text: str, confidence: float, kept: bool) -> None:
    """What is easily read off an edge counts only when the reader is sure."""
    assert screen_text._is_text(text, confidence) is kept


def _syllable(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, kind: int) -> None:
    """Draw 이, 나, 다 or 미."""
    white, half = (255, 255, 255), size * 0.5
    consonants = (
        lambda: draw.ellipse((x, y, x + half, y + half), outline=white, width=7),
        lambda: draw.line((x, y, x, y + half, x + half, y + half), fill=white, width=7),
        lambda: draw.line(
            (x + half, y, x, y, x, y + half, x + half, y + half), fill=white, width=7
        ),
        lambda: draw.rectangle((x, y, x + half, y + half), outline=white, width=7),
    )
    consonants[kind % 4]()
    draw.line((x + size * 0.72, y - 8, x + size * 0.72, y + size * 0.7), fill=white, width=7)
    if kind % 4 in (1, 2):
        draw.line((x + size * 0.72, y + 28, x + size, y + 28), fill=white, width=7)
