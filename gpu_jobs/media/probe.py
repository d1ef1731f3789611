"""What the container says, checked against the limits and against its own packets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av

from common.domain import AudioStream, Media, MediaLimits, Probe, SubtitleStream, VideoStream
from common.errors import InputError
from gpu_jobs.media import source
from gpu_jobs.media.boxes import check_boxes
from gpu_jobs.media.failures import media_error
from gpu_jobs.media.language import primary_language
from gpu_jobs.media.sniff import Container, check_content_type, sniff

#: A file that holds less than this of what it declares is cut off.
MIN_COMPLETE: Final = 0.95
#: Containers round durations up to a packet or two; below this nothing is missing.
_SLACK_MS: Final = 250
#: "Ten minutes" exported by an editor is ten minutes and a few packets.
_LIMIT_SLACK_MS: Final = 500
#: A decodable stream shows a picture within its first packets, even after a damaged start.
_MAX_PACKETS_TO_FIRST_FRAME: Final = 300


def probe(media: Media) -> Probe:
    """See `gpu_jobs.stages.upload_validate.run`."""
    container = sniff(media.path)
    check_content_type(media.content_type, container)
    if container is Container.MP4:
        check_boxes(media.path, max_streams=media.limits.max_streams)
    try:
        with source.open_media(media.path, container, media.limits) as opened:
            return _probe_opened(opened, container, media.limits)
    except Exception as error:
        raise media_error(error) from error


def is_complete(found_ms: int, declared_ms: int) -> bool:
    """Whether `found_ms` of media is all of `declared_ms`, but for rounding."""
    return declared_ms - found_ms <= max(_SLACK_MS, declared_ms * (1 - MIN_COMPLETE))


def _probe_opened(opened: Any, container: Container, limits: MediaLimits) -> Probe:
    video = source.video_stream(opened)
    _check_size(video.codec_context.width, video.codec_context.height, limits)
    declared_ms = _declared_ms(opened, video, container, limits)
    if declared_ms > limits.max_duration_ms + _LIMIT_SLACK_MS:
        raise InputError("duration_too_long", f"{declared_ms} ms declared")
    audio, texts = source.audio_stream(opened), source.text_streams(opened)
    scan = _Scan(video=video, offset=source.start_offset(opened), limits=limits)
    scan.run(opened)
    if scan.frame is None:
        code = "too_many_decode_errors" if scan.video_packets else "truncated"
        raise InputError(code, f"no picture in {scan.video_packets} packets")
    if not is_complete(scan.end_ms, declared_ms):
        raise InputError("truncated", f"{scan.end_ms} of {declared_ms} ms")
    return Probe(
        container=container.name.lower(),
        duration_ms=scan.end_ms,
        video=_video(video, scan),
        audio=_audio(audio) if audio is not None else None,
        subtitles=tuple(_subtitle(stream) for stream in texts),
    )


def _declared_ms(opened: Any, video: Any, container: Container, limits: MediaLimits) -> int:
    """Duration by the container's own account, from media time 0; 0 if it gives none."""
    declared_ms = (opened.duration or 0) * 1000 // av.time_base
    if container is Container.MATROSKA:
        # Counted from timestamp 0, wherever the first packet is.
        return max(0, declared_ms - round(source.start_offset(opened) * 1000))
    if container is Container.AVI:
        # Without its index FFmpeg goes by the file's size, so ask the header's count of frames too.
        counted_ms = int(video.frames * 1000 / (video.average_rate or 1))
        # Some recorders leave nonsense there.
        return max(declared_ms, counted_ms if counted_ms <= limits.max_duration_ms else 0)
    return int(declared_ms)


def _check_size(width_px: int, height_px: int, limits: MediaLimits) -> None:
    if width_px * height_px > limits.max_pixels:
        raise InputError("frame_too_large", f"{width_px} x {height_px} pixels")


@dataclass(kw_only=True)
class _Scan:
    """One reading of all packets, with the first picture decoded on the way."""

    video: Any
    offset: Fraction
    limits: MediaLimits
    video_packets: int = 0
    #: Of all tracks, and of the pictures alone.
    end_ms: int = 0
    video_end_ms: int = 0
    frame: Any | None = None

    def run(self, opened: Any) -> None:
        source.prepare_video(self.video, self.limits, threads=1)
        for packet in source.packets(opened):
            self._packet(packet)
        # If the rest could not be read; whether too much is missing shows in the times.
        self._decode_first(None)
        self._check_rate()

    def _packet(self, packet: Any) -> None:
        if packet.has_sidedata("encryption_info"):
            raise InputError("encrypted", f"track {packet.stream_index}")
        if packet.stream_index == self.video.index:
            if packet.size:
                self.video_packets += 1
            self._decode_first(packet)
        # Discarded packets lie outside the edit list: decoded, but never shown.
        if packet.size and packet.pts is not None and not packet.is_discard:
            self._note_time(packet)

    def _note_time(self, packet: Any) -> None:
        start_ms = round((packet.pts * packet.time_base - self.offset) * 1000)
        end_ms = start_ms + round((packet.duration or 0) * packet.time_base * 1000)
        self.end_ms = max(self.end_ms, end_ms)
        if packet.stream_index == self.video.index:
            self.video_end_ms = max(self.video_end_ms, end_ms)
        # Not by its start alone: the last picture may claim to stay for a year.
        if end_ms > self.limits.max_duration_ms + _LIMIT_SLACK_MS:
            raise InputError("duration_too_long", f"a packet until {end_ms} ms")
        if self.video_packets > self.limits.max_frames_per_second * max(
            self.limits.max_duration_ms // 1000, 1
        ):
            raise InputError("too_many_frames", f"over {self.video_packets} pictures")

    def _decode_first(self, packet: Any | None) -> None:
        if self.frame is not None or self.video_packets > _MAX_PACKETS_TO_FIRST_FRAME:
            return
        try:
            frames = self.video.decode(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return
        if frames:
            self.frame = frames[0]
            _check_size(self.frame.width, self.frame.height, self.limits)

    def _check_rate(self) -> None:
        if self.video_packets > self.limits.max_frames_per_second * max(self.end_ms, 1000) / 1000:
            raise InputError(
                "too_many_frames", f"{self.video_packets} pictures in {self.end_ms} ms"
            )

    @property
    def frames_per_second(self) -> float:
        if self.video_packets > 1 and self.video_end_ms > 0:
            rate = self.video_packets * 1000 / self.video_end_ms
            return min(rate, self.limits.max_frames_per_second)
        return 1.0


def _video(stream: Any, scan: _Scan) -> VideoStream:
    frame = scan.frame
    assert frame is not None
    rotation_deg = source.clockwise_rotation(frame)
    aspect = stream.codec_context.sample_aspect_ratio
    width_px, height_px = source.display_size(frame.width, frame.height, aspect, rotation_deg)
    return VideoStream(
        codec=source.codec_name(stream),
        width_px=width_px,
        height_px=height_px,
        rotation_deg=rotation_deg,
        frames_per_second=round(scan.frames_per_second, 3),
    )


def _audio(stream: Any) -> AudioStream:
    context = stream.codec_context
    return AudioStream(
        codec=source.codec_name(stream),
        sample_rate_hz=context.sample_rate if context is not None else 0,
        channels=context.channels if context is not None else 0,
        language=primary_language(stream.language),
    )


def _subtitle(stream: Any) -> SubtitleStream:
    return SubtitleStream(
        index=stream.index,
        codec=source.codec_name(stream),
        language=primary_language(stream.language),
    )
