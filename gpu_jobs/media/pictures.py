"""The video track while its packets stream by."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av

from common.domain import Media, Probe
from common.errors import InputError
from gpu_jobs.media import source
from gpu_jobs.media.probe import is_complete
from gpu_jobs.media.scenes import SceneBuilder, milliseconds

#: So many undecodable packets are tolerated in any file …
_MAX_BAD_PACKETS: Final = 16
#: … and this share of a long one.
_MAX_BAD_SHARE: Final = 0.1


class PictureTrack:
    """Decodes the video track and hands its frames, in time order, to the scenes.

    Args:
        stream: the video stream.
        offset: container time of media time 0, in seconds.
        media: for its limits.
        probe: what `upload_validate` found.
    """

    def __init__(self, stream: Any, offset: Fraction, media: Media, probe: Probe) -> None:
        self._stream = stream
        self._offset = offset
        self._limits = media.limits
        self._frame_length = 1 / Fraction(probe.video.frames_per_second)
        self._last: Fraction | None = None
        #: Ends of what the packets announce and of what was decoded, in seconds.
        self._announced_end = self._end = Fraction(0)
        self._packets = self._bad_packets = 0
        self.builder = SceneBuilder(
            frames_per_second=probe.video.frames_per_second,
            rotation_deg=probe.video.rotation_deg,
            aspect=stream.codec_context.sample_aspect_ratio,
        )
        source.prepare_video(stream, media.limits)

    def decode(self, packet: Any | None) -> None:
        """Decode one packet (None: flush the decoder); undecodable ones are counted."""
        if packet is not None and packet.size:
            self._packets += 1
            if not packet.is_discard:
                self._announced_end = max(self._announced_end, self._time(packet, self._end))
        try:
            frames = self._stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            # Whatever FFmpeg calls it (a picture beyond `max_pixels` is an invalid argument).
            if isinstance(error, MemoryError):
                raise
            self._bad_packets += 1
            self._check_damage()
            return
        for frame in frames:
            self._frame(frame)

    def finish(self, other_end_ms: int) -> int:
        """End the last scene.

        Args:
            other_end_ms: end of the longest other track; the last picture stays until then.

        Returns:
            Duration of the video in ms.

        Raises:
            InputError: `too_many_decode_errors`.
        """
        announced_ms = milliseconds(self._announced_end)
        if self._last is None or not is_complete(self.end_ms, announced_ms):
            raise InputError(
                "too_many_decode_errors", f"{self.end_ms} of {announced_ms} ms decoded"
            )
        duration_ms = max(self.end_ms, other_end_ms, 1)
        self.builder.finish(duration_ms)
        return duration_ms

    @property
    def end_ms(self) -> int:
        """End of the last decoded frame."""
        return milliseconds(self._end)

    def _frame(self, frame: Any) -> None:
        time = self._time(frame, self._end)
        if time < 0 or (self._last is not None and time <= self._last):
            # Preroll that is not shown, or a timestamp that runs backwards.
            return
        length = (frame.duration or 0) * frame.time_base if frame.time_base else Fraction(0)
        end = time + (length or self._frame_length)
        if milliseconds(end) > self._limits.max_duration_ms + 1000:
            raise InputError("duration_too_long", f"a picture until {milliseconds(end)} ms")
        if frame.width * frame.height > self._limits.max_pixels:
            raise InputError("frame_too_large", f"{frame.width} x {frame.height} pixels")
        self.builder.add(time, frame)
        self._last = time
        self._end = end

    def _time(self, timed: Any, otherwise: Fraction) -> Fraction:
        """Presentation time of a packet or frame in seconds; AVI may have none."""
        if timed.pts is None or not timed.time_base:
            return otherwise
        return Fraction(timed.pts * timed.time_base) - self._offset

    def _check_damage(self) -> None:
        bad = self._bad_packets
        if bad > _MAX_BAD_PACKETS and bad > self._packets * _MAX_BAD_SHARE:
            raise InputError("too_many_decode_errors", f"{bad} of {self._packets} packets")
