"""On-screen text, each line once per scene."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from common.domain import SampledFrames, ScreenText
from gpu_jobs.models import Models, OfflineModels, ReadLine
from gpu_jobs.stages import text_read
from tests.unit.gpu_jobs.stages.examples import frame, frames, models, slide


class CountingReader:
    """Reads lines from a list, one entry per picture that it is shown."""

    name = "counting"

    def __init__(self, *readings: tuple[ReadLine, ...]) -> None:
        self.readings = list(readings)
        self.shown = 0

    def read(self, picture: npt.NDArray[np.uint8]) -> tuple[ReadLine, ...]:
        self.shown += 1
        return self.readings.pop(0)


def with_reader(reader: CountingReader) -> Models:
    """Offline models that read text with `reader`."""
    chosen = OfflineModels()
    chosen.ocr = reader
    return chosen


def read(sampled: SampledFrames, use: Models | None = None) -> ScreenText:
    """Run the stage without watching its progress."""
    return text_read.run(
        vision_sample_frames=sampled, models=use or models(), progress=lambda _: None
    )


def line(text: str, confidence: float = 0.9, y: float = 0.1) -> ReadLine:
    """A line at a height."""
    return ReadLine(text=text, box=(0.1, y, 0.5, 0.08), confidence=confidence)


def test_slides_are_read() -> None:
    """Latin text and digits on a slide are read, with their place and time."""
    lines = ["Quarterly revenue grew 12%", "Meeting room 4B at 15:30"]
    found = read(frames(frame(slide(lines), scene=3, time_ms=1_234))).lines
    assert [each.text for each in found] == lines
    assert {(each.scene_ordinal, each.time_ms) for each in found} == {(3, 1_234)}
    x, y, width, height = found[0].box
    assert 0.04 < x < 0.08
    assert 0.05 < y < 0.11
    assert 0.3 < width < 0.6
    assert 0.04 < height < 0.12


def test_pictures_without_text_have_none() -> None:
    """Noise gives no lines and no warnings."""
    noise = np.random.default_rng(1).normal(90, 20, (360, 640, 3)).clip(0, 255).astype(np.uint8)
    assert read(frames(frame(noise))).lines == ()


def test_a_line_that_stays_is_kept_once_per_scene() -> None:
    """The best reading of a line counts, once in each scene that shows it."""
    pictures = [slide([str(n)]) for n in range(3)]
    reader = CountingReader(
        (line("Total: 42", 0.8),), (line("total:  42", 0.95),), (line("Total: 42", 0.7),)
    )
    sampled = frames(
        frame(pictures[0], scene=0, time_ms=0),
        frame(pictures[1], scene=0, time_ms=500),
        frame(pictures[2], scene=1, time_ms=900),
    )
    found = read(sampled, with_reader(reader)).lines
    assert [(each.scene_ordinal, each.time_ms, each.confidence) for each in found] == [
        (0, 500, 0.95),
        (1, 900, 0.7),
    ]


def test_misreadings_of_a_line_are_one_line() -> None:
    """Two readings that differ by a letter, in the same place, are one line."""
    reader = CountingReader((line("Welcome to Seoul", 0.9),), (line("Welcome to Seou1", 0.8),))
    sampled = frames(frame(slide(["a"])), frame(slide(["b"]), time_ms=500))
    same = read(sampled, with_reader(reader)).lines
    # A digit in one and not in the other: better to keep both than to lose a number.
    assert len(same) == 2
    reader = CountingReader((line("Welcome to Seoul", 0.9),), (line("Welcome to Seoui", 0.8),))
    assert [each.text for each in read(sampled, with_reader(reader)).lines] == ["Welcome to Seoul"]


def test_numbers_keep_lines_apart() -> None:
    """Lines such as "Page 1" and "Page 2" in the same place are two lines."""
    reader = CountingReader((line("Page 1"),), (line("Page 2"),))
    sampled = frames(frame(slide(["a"])), frame(slide(["b"]), time_ms=500))
    assert [each.text for each in read(sampled, with_reader(reader)).lines] == ["Page 1", "Page 2"]


def test_the_same_words_elsewhere_are_alike_only_when_equal() -> None:
    """Lines that are alike but in different places are two lines."""
    reader = CountingReader((line("Welcome to Seoul"), line("Welcome to Seoui", y=0.6)))
    assert len(read(frames(frame(slide(["a"]))), with_reader(reader)).lines) == 2


def test_frames_that_look_the_same_are_read_once() -> None:
    """A still slide is not read again: noise is no difference, one more letter is."""
    reader = CountingReader((line("still"),), (line("still"),))
    sampled = frames(
        frame(slide(["Room 4B at 15:30"], seed=1), scene=0, time_ms=0),
        frame(slide(["Room 4B at 15:30"], seed=2), scene=1, time_ms=500),
        frame(slide(["Room 4B at 15:3"], seed=3), scene=1, time_ms=900),
    )
    found = read(sampled, with_reader(reader)).lines
    assert reader.shown == 2
    assert [(each.scene_ordinal, each.time_ms) for each in found] == [(0, 0), (1, 500)]


def test_a_change_of_small_print_is_seen() -> None:
    """A changed line of 16 px letters makes a frame be read again."""
    reader = CountingReader((line("one"),), (line("two"),))
    sampled = frames(
        frame(slide(["Name: Kim", "x"], size_px=16)),
        frame(slide(["Name: Lee", "x"], size_px=16), time_ms=500),
    )
    read(sampled, with_reader(reader))
    assert reader.shown == 2


def test_pages_of_small_print_are_bounded() -> None:
    """At most 40 lines per scene are kept, and none is longer than 200 characters."""
    many = tuple(line(f"{chr(65 + n % 26) * 3}{n} " + "x" * 300, 0.9, y=n / 100) for n in range(60))
    found = read(frames(frame(slide(["a"]))), with_reader(CountingReader(many))).lines
    assert len(found) == 40
    assert max(len(each.text) for each in found) == 200


def test_progress_reaches_one() -> None:
    """Progress is told after every frame, up to 1."""
    told: list[float] = []
    text_read.run(
        vision_sample_frames=frames(frame(slide(["a"])), frame(slide(["b"]), time_ms=500)),
        models=with_reader(CountingReader((), ())),
        progress=told.append,
    )
    assert told == [0.5, 1.0]


def test_no_frames_give_no_lines() -> None:
    """A video without frames has no text."""
    assert read(frames(), with_reader(CountingReader())).lines == ()
