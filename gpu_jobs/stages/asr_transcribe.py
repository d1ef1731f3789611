"""Stage `asr_transcribe`: what is said, and when.

Subtitles are the transcript where the video has them; every track, in every language. Without them
the profile's speech model listens. If it has none, the transcript is empty and says why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from common.domain import AudioExtract, Cue, CueTrack, Segment, Transcript, Word
from common.encoders import scripts
from gpu_jobs.media import flac
from gpu_jobs.models import Models, SpeechModel


def run(
    *,
    audio_extract: AudioExtract,
    models: Models,
    names: tuple[str, ...],
    progress: Callable[[float], None],
) -> Transcript:
    """Turn cues into segments with words, or have the speech model listen.

    Args:
        audio_extract: subtitle tracks, and the sound.
        models: the speech model, or the reason why there is none.
        names: of the user's people, which are likely to be said.
        progress: takes the share of the sound that is done, 0–1.

    Returns:
        Segments ordered by start: of all tracks, a cue that two tracks of one language share kept
        once; or, without cues, what the model heard. `note` says why there are none.

    Raises:
        ContractError: `artifact_corrupt`; the sound is not the media lane's.
        TransientError: `stage_failed`; the speech model failed.
    """
    found = {
        (segment.start_ms, segment.end_ms, segment.language, segment.text): segment
        for track in audio_extract.cue_tracks
        for segment in _segments(track)
    }
    segments = tuple(found[key] for key in sorted(found))
    if segments:
        return Transcript(segments=segments, source="subtitles")
    speech = models.speech
    if speech is None:
        return Transcript(segments=(), source="", note=models.speech_note)
    if not audio_extract.flac:
        return Transcript(segments=(), source="", note="no_sound")
    return _listen(speech, audio_extract.flac, names, progress)


def _listen(
    speech: SpeechModel,
    sound: bytes,
    names: tuple[str, ...],
    progress: Callable[[float], None],
) -> Transcript:
    segments = speech.transcribe(flac.samples(sound), hotwords=names, on_progress=progress)
    note = "" if segments else "no_speech_found"
    return Transcript(segments=segments, source=speech.name, note=note)


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
