"""What keeps out what Whisper makes up.

Trained on subtitles, Whisper writes what subtitles say where nobody speaks: a closing line, or one
phrase for ever. Before it is asked, the sound must have a level and speech in it; what it
answers must pass every guard here. Thresholds are those of the Whisper paper (arXiv 2212.04356,
section 4.5) unless a comment says otherwise.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

#: Below this no word can be understood: 16-bit sound has 30 dB left, and a phone's own noise is
#: there. Quiet speech was still found at -57 dBFS.
MIN_LEVEL_DBFS: Final = -65.0
MAX_COMPRESSION_RATIO: Final = 2.4
MIN_LOG_PROBABILITY: Final = -1.0
MAX_NO_SPEECH: Final = 0.6
#: Half-way to the threshold: with other evidence against it, text must be surer than this.
SURE_LOG_PROBABILITY: Final = -0.5
#: A quarter of a sentence's words being wrong is common in real speech; half is not.
SURE_WORD_PROBABILITY: Final = 0.5
#: People say things twice, and three times for emphasis.
MAX_LOOPS: Final = 3
#: Clips in a row with the same text.
MAX_RUN: Final = 2
#: Letters of a phrase that people do repeat ("네", "no"), if the model is sure of it.
_SHORT_ANSWER: Final = 3

#: Beginnings of lines that end or credit subtitles, as `_letters` leaves them.
_CLOSINGS: Final = (
    "시청해주셔서감사합니다",
    "시청해주셔서고맙습니다",
    "지금까지시청해주셔서",
    "끝까지시청해주셔서",
    "오늘도시청해주셔서",
    "영상시청해주셔서",
    "구독과좋아요",
    "구독좋아요",
    "다음영상에서만나요",
    "다음시간에만나요",
    "한글자막by",
    "한국어자막by",
    "자막제공",
    "이시각세계였습니다",
    "thanksforwatching",
    "thankyouforwatching",
    "thankyousomuchforwatching",
    "pleasesubscribe",
    "likeandsubscribe",
    "subtitlesby",
    "subtitlescreatedby",
    "captionsby",
    "captioningby",
    "transcriptionby",
    "transcribedby",
    "translatedby",
    "amaraorg",
)
#: "MBC 뉴스 김철수입니다."
_NEWS: Final = re.compile(r"(mbc|kbs|sbs|ytn|jtbc)뉴스")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Text and how sure the model is of it."""

    text: str
    #: Mean natural logarithm of the tokens' probabilities, 0 at most.
    avg_logprob: float
    #: 0–1, of the clip.
    no_speech_probability: float
    #: 0–1, mean of the words; 1 if there are no words.
    word_probability: float = 1.0

    @property
    def poor(self) -> bool:
        """Whether the model itself has doubts."""
        return (
            self.avg_logprob < SURE_LOG_PROBABILITY
            or self.no_speech_probability > MAX_NO_SPEECH
            or self.word_probability < SURE_WORD_PROBABILITY
        )


def audible(samples: npt.NDArray[np.float32]) -> bool:
    """Whether the sound has a level at which speech can be.

    Args:
        samples: (n,) in [-1, 1].
    """
    if not samples.size:
        return False
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return power > 10 ** (MIN_LEVEL_DBFS / 10)


def too_repetitive(heard: Evidence) -> bool:
    """Whether the text compresses better than speech does."""
    data = heard.text.encode()
    return len(data) / len(zlib.compress(data)) > MAX_COMPRESSION_RATIO


def too_unsure(heard: Evidence) -> bool:
    """Whether the model guessed the tokens."""
    return heard.avg_logprob < MIN_LOG_PROBABILITY


def nobody_speaks(heard: Evidence) -> bool:
    """Whether the model hears no speech, and is not sure of its text either."""
    return heard.no_speech_probability > MAX_NO_SPEECH and heard.avg_logprob < SURE_LOG_PROBABILITY


def loops(heard: Evidence) -> bool:
    """Whether most of the text is one phrase, four times in a row or more.

    Short loops compress too little for `too_repetitive`. "네 네 네 네" is said by people too.
    """
    words = [letters for word in heard.text.split() if (letters := _letters(word))]
    phrases = (_looped(words, period) for period in range(1, len(words) // (MAX_LOOPS + 1) + 1))
    phrase = next(filter(None, phrases), "")
    return len(phrase) > _SHORT_ANSWER or (bool(phrase) and heard.poor)


def invented_closing(heard: Evidence) -> bool:
    """Whether a line that ends subtitles has poor evidence; clearly spoken ones are kept."""
    text = _letters(heard.text)
    known = text.startswith(_CLOSINGS) or _NEWS.match(text) is not None
    return known and heard.poor


#: What a clip's text must pass.
CLIP_GUARDS: Final[Mapping[str, Callable[[Evidence], bool]]] = MappingProxyType(
    {
        "compression": too_repetitive,
        "log_probability": too_unsure,
        "no_speech": nobody_speaks,
        "loop": loops,
    }
)
#: What each sentence of it must pass.
SENTENCE_GUARDS: Final[Mapping[str, Callable[[Evidence], bool]]] = MappingProxyType(
    {"closing": invented_closing}
)


def objection(heard: Evidence, guards: Mapping[str, Callable[[Evidence], bool]]) -> str:
    """The name of the first guard that stops the text, or ""."""
    return next((name for name, stops in guards.items() if stops(heard)), "")


def repeated(heard: Sequence[Evidence]) -> tuple[bool, ...]:
    """Which clips say, three times in a row or more, the same as their neighbours.

    Short answers ("네", "no") that the model is sure of are what people do say again and again.

    Args:
        heard: texts of clips in the order of time.

    Returns:
        For each clip whether it is to be dropped.
    """
    drop: list[bool] = []
    for letters, group in groupby(heard, lambda each: _letters(each.text)):
        run = list(group)
        long = len(run) > MAX_RUN
        drop += [long and (len(letters) > _SHORT_ANSWER or each.poor) for each in run]
    return tuple(drop)


def _looped(words: Sequence[str], period: int) -> str:
    """The phrase of that many words that is there too often, and makes up most of the text."""
    length = longest = end = 0
    for place in range(period, len(words)):
        length = length + 1 if words[place] == words[place - period] else 0
        if length > longest:
            longest, end = length, place + 1
    looping = longest + period
    if looping <= MAX_LOOPS * period or 2 * looping <= len(words):
        return ""
    return "".join(words[end - period : end])


def _letters(text: str) -> str:
    """Letters and digits only, without case: what is the same said is the same here."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())
