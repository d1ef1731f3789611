"""The reader of on-screen text, from the wheel alone."""

from __future__ import annotations

import socket
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw

from common.errors import ConfigError
from common.index_version import MANIFESTS
from gpu_jobs.models import screen_text
from gpu_jobs.models.screen_text import RapidOcrReader
from tests.checkpoints import recogniser
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


@pytest.mark.parametrize("alphabet_in", ["model", "file"])
def test_a_korean_recogniser_is_read_with_its_own_alphabet(
    tmp_path: Path, alphabet_in: str
) -> None:
    """Letters, the blank between two equal ones, and spaces come out in the alphabet's order."""
    recogniser.write(tmp_path, alphabet_in=alphabet_in)
    reader = RapidOcrReader(recogniser=tmp_path)
    # The slide is blue; turned round, its channels are those of a red one.
    blue = slide(["Hello world"])
    (line,) = reader.read(blue)
    assert (line.text, line.confidence) == (recogniser.BLUE, 0.97)
    assert [line.text for line in reader.read(blue[:, :, ::-1])] == [recogniser.RED]


def test_lines_lie_where_the_wheel_finds_them(tmp_path: Path) -> None:
    """A recogniser of one's own changes what is read, not where."""
    recogniser.write(tmp_path)
    picture = slide(["Hello world", "Second line"])
    own, wheels = (
        [line.box for line in reader.read(picture)]
        for reader in (RapidOcrReader(recogniser=tmp_path), RapidOcrReader())
    )
    assert own == wheels
    assert len(own) == 2


def test_a_published_recogniser_keeps_to_the_form(tmp_path: Path) -> None:
    """The wheel's own passes every check when it is given as a directory, and reads the same."""
    published = screen_text._wheel_models() / screen_text.RECOGNISER[0]
    (tmp_path / "published.onnx").symlink_to(published)
    picture = slide(["Hello world"])
    assert RapidOcrReader(recogniser=tmp_path).read(picture) == RapidOcrReader().read(picture)


def test_another_recogniser_has_another_name(tmp_path: Path) -> None:
    """What sidecars say read a line tells the recognisers apart."""
    recogniser.write(tmp_path)
    assert RapidOcrReader(recogniser=tmp_path).name == "rapidocr-korean_tiny"
    assert RapidOcrReader().name == screen_text.NAME


def test_a_recogniser_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its alphabet in a file, where RapidOCR could look for one to download."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    recogniser.write(tmp_path, alphabet_in="file")
    assert RapidOcrReader(recogniser=tmp_path).read(slide(["Hello world"]))


def _nothing(directory: Path) -> None:
    """Leave the directory empty."""


def _no_model(directory: Path) -> None:
    (directory / "korean.onnx").write_bytes(b"\x08\x07no model")


def _detector(directory: Path) -> None:
    wheel = screen_text._wheel_models() / screen_text.DETECTOR[0]
    (directory / "det.onnx").write_bytes(wheel.read_bytes())
    (directory / "dict.txt").write_text("가\n나\n", "utf-8")


def _two(directory: Path) -> None:
    recogniser.write(directory)
    (directory / "other.onnx").write_bytes((directory / "korean_tiny.onnx").read_bytes())


def _fewer_letters(alphabet_in: str) -> Callable[[Path], None]:
    letters = recogniser.ALPHABET[:-1]
    return lambda directory: recogniser.write(directory, alphabet_in=alphabet_in, letters=letters)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (_nothing, "one recogniser"),
        (_two, "one recogniser"),
        (_no_model, "korean.onnx does not load"),
        (_detector, "det.onnx"),
        (lambda directory: recogniser.write(directory, alphabet_in=""), "has no alphabet"),
        (_fewer_letters("model"), r"gives \(1, 40, 12\), its alphabet \(1, n, 11\)"),
        (_fewer_letters("file"), r"gives \(1, 40, 12\), its alphabet \(1, n, 11\)"),
    ],
)
def test_a_wrong_recogniser_is_refused(
    tmp_path: Path, prepare: Callable[[Path], None], says: str
) -> None:
    """Files that do not belong together are refused before a letter is read wrong."""
    prepare(tmp_path)
    with pytest.raises(ConfigError, match=says):
        RapidOcrReader(recogniser=tmp_path)
