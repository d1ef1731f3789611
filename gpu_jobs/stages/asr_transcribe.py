"""Stage `asr_transcribe`: what is said, and when.

Subtitles are the transcript where the video has them; every track, in every language. The offline
profile has no speech model, so without subtitles the transcript is empty and says why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from common.domain import AudioExtract, Cue, CueTrack, Segment, Transcript, Word
from common.encoders import scripts
from gpu_jobs.models import Models


def run(*, audio_extract: AudioExtract, models: Models) -> Transcript:
    """Turn cues into segments with words.

    Args:
        audio_extract: with the subtitle tracks.
        models: for the reason why there is no speech model.

    Returns:
        Segments of all tracks ordered by start. A cue that two tracks of one language share is
        kept once.
    """
    found = {
        (segment.start_ms, segment.end_ms, segment.language, segment.text): segment
        for track in audio_extract.cue_tracks
        for segment in _segments(track)
    }
    segments = tuple(found[key] for key in sorted(found))
    if not segments:
        return Transcript(segments=(), source="", note=models.speech_note)
    return Transcript(segments=segments, source="subtitles")


def _segments(track: CueTrack) -> Iterator[Segment]:
    for cue in track.cues:
        text = " ".join(unicodedata.normalize("NFC", cue.text).split())
        if text and cue.end_ms > cue.start_ms:
            yield Segment(
                start_ms=cue.start_ms,
                end_ms=cue.end_ms,
                text=text,
                language=track.language or scripts.language(text),
                words=_words(cue, text),
            )


def _words(cue: Cue, text: str) -> tuple[Word, ...]:
    """Subtitles have no word times: the cue's time is shared out by the words' lengths."""
    words = text.split()
    total = sum(len(word) for word in words)
    length_ms = cue.end_ms - cue.start_ms
    result, spoken = [], 0
    for word in words:
        start_ms = cue.start_ms + length_ms * spoken // total
        spoken += len(word)
        end_ms = cue.start_ms + length_ms * spoken // total
        result.append(Word(start_ms=start_ms, end_ms=end_ms, text=word))
    return tuple(result)
