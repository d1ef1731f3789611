"""The one decode of an upload: sound, cues, shots and pictures from a single reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cv2

from common.domain import (
    AudioExtract,
    DecodePass,
    Media,
    Probe,
    SampledFrames,
    Scenes,
)
from common.errors import InputError
from gpu_jobs.media import source
from gpu_jobs.media.failures import media_error
from gpu_jobs.media.language import primary_language
from gpu_jobs.media.pictures import PictureTrack
from gpu_jobs.media.scenes import milliseconds
from gpu_jobs.media.sniff import sniff
from gpu_jobs.media.sound import RATE_HZ, SoundExtract
from gpu_jobs.media.subtitles import EmbeddedTrack, read_subtitle_file

_PROGRESS_STEP: Final = 0.01


def read(media: Media, probe: Probe, progress: Callable[[float], None]) -> DecodePass:
    """See `gpu_jobs.stages.decode_pass.run`."""
    # The small pictures are not worth handing out to threads, and FFmpeg uses the others.
    cv2.setNumThreads(1)
    try:
        with source.open_media(media.path, sniff(media.path), media.limits) as opened:
            return _Reading(opened, media, probe, progress).run()
    except Exception as error:
        raise media_error(error, damaged="too_many_decode_errors") from error


class _Reading:
    """The tracks of one open file."""

    def __init__(
        self, opened: Any, media: Media, probe: Probe, progress: Callable[[float], None]
    ) -> None:
        self._opened = opened
        self._media = media
        self._probe = probe
        self._progress = progress
        self._reported = 0.0
        self._flushed = False
        self._offset = source.start_offset(opened)
        self._video = source.video_stream(opened)
        self._pictures = PictureTrack(self._video, self._offset, media, probe)
        self._sound = self._open_sound()
        self._texts = {
            stream.index: EmbeddedTrack(
                codec=source.codec_name(stream), language=primary_language(stream.language)
            )
            for stream in source.text_streams(opened)
        }

    def run(self) -> DecodePass:
        sound = [source.audio_stream(self._opened)] if self._sound else []
        texts = [self._opened.streams[index] for index in self._texts]
        self._demux([self._video, *sound, *texts])
        flac = self._sound.finish() if self._sound else b""
        sound_ms = self._sound.duration_ms if self._sound and flac else 0
        # Encoders pad the end of the sound; the container knows better where it ends.
        duration_ms = self._pictures.finish(min(sound_ms, self._probe.duration_ms))
        self._progress(1.0)
        builder = self._pictures.builder
        return DecodePass(
            audio_extract=self._audio_extract(flac, sound_ms, duration_ms),
            scene_detect=Scenes(scenes=tuple(builder.scenes), duration_ms=duration_ms),
            vision_sample_frames=SampledFrames(frames=tuple(builder.frames)),
        )

    def _open_sound(self) -> SoundExtract | None:
        stream = source.audio_stream(self._opened)
        if stream is None or source.decoder_name(stream) not in source.AUDIO_DECODERS:
            return None
        return SoundExtract(stream, self._offset, self._media.limits.max_duration_ms)

    def _demux(self, streams: list[Any]) -> None:
        # Each stream ends with an empty packet, which flushes its decoder.
        for packet in source.packets(self._opened, *streams):
            self._packet(packet)
        if not self._flushed:
            # The rest cannot be read. `upload_validate` read the same packets and found enough.
            self._pictures.decode(None)

    def _packet(self, packet: Any) -> None:
        if packet.stream_index == self._video.index:
            self._flushed |= not packet.size
            self._pictures.decode(packet)
            self._report()
        elif packet.stream_index in self._texts:
            self._cue(packet)
        elif self._sound is not None:
            self._sound.decode(packet)

    def _cue(self, packet: Any) -> None:
        if packet.size and packet.pts is not None:
            start = packet.pts * packet.time_base - self._offset
            length = (packet.duration or 0) * packet.time_base
            self._texts[packet.stream_index].add(
                bytes(packet), start_ms=milliseconds(start), length_ms=milliseconds(length)
            )

    def _report(self) -> None:
        done = min(self._pictures.end_ms / max(self._probe.duration_ms, 1), 1.0)
        if done >= self._reported + _PROGRESS_STEP:
            self._reported = done
            self._progress(done)

    def _audio_extract(self, flac: bytes, sound_ms: int, duration_ms: int) -> AudioExtract:
        warnings = ["audio_unreadable"] if self._probe.audio and not flac else []
        tracks = []
        for file in self._media.subtitles:
            try:
                tracks.append(read_subtitle_file(file, duration_ms=duration_ms))
            except InputError as error:
                warnings.append(error.code)
        tracks += [track.finish(duration_ms=duration_ms) for track in self._texts.values()]
        return AudioExtract(
            flac=flac,
            sample_rate_hz=RATE_HZ,
            duration_ms=sound_ms,
            cue_tracks=tuple(track for track in tracks if track.cues),
            warnings=tuple(dict.fromkeys(warnings)),
        )
