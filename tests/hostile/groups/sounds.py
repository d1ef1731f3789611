"""89–94: sound without words, of odd shape, too long or damaged."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from tests import sounds
from tests.hostile.case import ACCEPTED, Case, Golden, Maker, Place
from tests.hostile.clips import clip

_RATE: Final = 16_000


def _film(samples: npt.NDArray[np.float32], *, layout: str = "mono", rate: int = _RATE) -> Maker:
    """A still picture with a sound, (channels, n)."""

    def make(place: Place) -> None:
        with av.open(str(place.path), "w", format="matroska") as output:
            video: Any = output.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            sound: Any = output.add_stream("pcm_s16le", rate=rate, layout=layout)
            pictures = max(1, samples.shape[1] * 2 // rate)
            for number in range(pictures):
                picture = av.VideoFrame(64, 64, "yuv420p")
                picture.pts, picture.time_base = number, Fraction(1, 2)
                output.mux(video.encode(picture))
            output.mux(video.encode(None))
            data = (samples.T * 32_000).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), "s16", layout)
            frame.sample_rate, frame.pts = rate, 0
            output.mux(sound.encode(frame))
            output.mux(sound.encode(None))

    return make


def _damaged(place: Place) -> None:
    """AAC of which every packet is noise; the pictures are good."""
    random = np.random.default_rng(94)
    place.path.write_bytes(clip(audio_codec="aac"))
    data = bytearray(place.path.read_bytes())
    with av.open(str(place.path)) as media:
        packets: list[tuple[int, int]] = [(p.pos, p.size) for p in media.demux(audio=0) if p.pos]
    for position, size in packets:
        data[position : position + size] = random.bytes(size)
    place.path.write_bytes(data)


CASES: Final = (
    Case(
        number=89,
        name="silence",
        make=_film(sounds.silence(3)[None]),
        expected=ACCEPTED,
        suffix="mkv",
        golden=Golden(duration_ms=3000),
    ),
    Case(
        number=90,
        name="noise",
        make=_film(sounds.noise(20)[None]),
        expected=ACCEPTED,
        suffix="mkv",
        golden=Golden(duration_ms=20_000),
    ),
    Case(
        number=90,
        name="ten minutes of noise",
        make=lambda place: _film(sounds.noise(600)[None])(place),
        expected=ACCEPTED,
        suffix="mkv",
        golden=Golden(duration_ms=600_000),
        deep=True,
    ),
    Case(
        number=91,
        name="music alone",
        make=_film(sounds.chords(5)[None]),
        expected=ACCEPTED,
        suffix="mkv",
        golden=Golden(duration_ms=5000),
    ),
    Case(
        number=92,
        name="96 kHz in 8 channels",
        make=_film(np.tile(sounds.melody(2), (8, 6)), layout="7.1", rate=96_000),
        expected=ACCEPTED,
        suffix="mkv",
        golden=Golden(duration_ms=2000),
    ),
    Case(
        number=93,
        name="sound longer than the pictures",
        make=lambda place: _write(place, clip(audio_ms=4000)),
        expected=ACCEPTED,
        golden=Golden(duration_ms=4000, frame_ms=60),
    ),
    Case(
        number=94,
        name="damaged aac",
        make=_damaged,
        expected=ACCEPTED,
        warnings=("audio_unreadable",),
    ),
)


def _write(place: Place, data: bytes) -> None:
    place.path.write_bytes(data)
