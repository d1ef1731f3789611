"""Cuts, found by PySceneDetect's detector on our own thumbnails and timestamps."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detectors import AdaptiveDetector

from gpu_jobs.media.planes import Picture

#: PySceneDetect's default shortest scene, in frames …
_MIN_SCENE_FRAMES: Final = 15
#: … which is 62 ms at 240 and 15 s at 1 frame per second: bounded to what it means at 24 to 60.
_MIN_SCENE_S: Final = (0.25, 0.625)


class ShotDetector:
    """Feeds frames to `AdaptiveDetector` and answers with the times of cuts.

    Args:
        frames_per_second: average rate; decides nothing but the shortest scene.
    """

    def __init__(self, frames_per_second: float) -> None:
        self._rate = Fraction(frames_per_second).limit_denominator(1001)
        low, high = _MIN_SCENE_S
        # Half a frame less, so that 15 frames are enough however their times are rounded.
        shortest = (_MIN_SCENE_FRAMES - 0.5) / float(self._rate)
        self._detector = AdaptiveDetector(min_scene_len=min(max(shortest, low), high))
        #: A cut is reported when this many later frames have been seen.
        self.delay_frames: int = self._detector.event_buffer_length

    def process(self, time: Fraction, picture: Picture) -> list[Fraction]:
        """Take the next frame.

        Args:
            time: its presentation time in seconds, ≥ 0 and later than the one before.
            picture: BGR thumbnail; always of the same size.

        Returns:
            Times of the first frames of new shots, at most `delay_frames` ago.
        """
        timecode = FrameTimecode(
            Timecode(pts=time.numerator, time_base=Fraction(1, time.denominator)), fps=self._rate
        )
        cuts = self._detector.process_frame(timecode, picture)
        return [Fraction(cut.pts) * cut.time_base for cut in cuts]
