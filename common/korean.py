"""Korean particles (josa): what is appended to a noun or a name without changing it.

A particle is only recognised where the sound before it allows it ("이" after a final consonant,
"가" after a vowel), which keeps whole words such as 나이, 효과 and 가을 from losing their end.
"""

from __future__ import annotations

import re
from typing import Final

_FIRST_SYLLABLE = 0xAC00
_LAST_SYLLABLE = 0xD7A3
_FINALS = 28
_FINAL_RIEUL = 8

#: Follow a syllable with a final consonant.
_AFTER_CONSONANT: Final = re.compile(
    "이|은|을|과|아|이랑|이나|이야|이여|이라|이란|이라고|이고|이며|이에요|으로|으로는|으로도"
)
#: Follow a syllable without one.
_AFTER_VOWEL: Final = re.compile("가|는|를|와|야|여|랑|나|라|란|라고|고|며|예요")
#: Follow a syllable without one, or with ㄹ.
_AFTER_VOWEL_OR_RIEUL: Final = re.compile("로|로는|로도")
_ANYWHERE: Final = re.compile(
    "의|에|엔|에는|에도|에서|에선|에서는|에서도|에게|에게서|에게는|한테|한테서|께|께서"
    "|도|만|만이|까지|부터|처럼|보다|마다|조차|밖에|하고|들|들이|들은|들을|들과|들의"
)
_LONGEST: Final = 3
#: Endings of address that only names take.
_NAME_ENDING: Final = re.compile("이|씨|님|네|양|군")
#: Particles that may be cut even when one syllable is all that is left of the word ("밤에" → "밤").
#: The others end too many two-syllable nouns (지도, 회의, 도로, 불만).
_AFTER_ONE_SYLLABLE: Final = re.compile("이|가|은|는|을|를|와|과|에|엔|에는|에도|에서|에서는|으로")

#: Endings of 하다 after a noun (도착하는, 운전합니다), of the copula and of polite statements.
_ENDING: Final = re.compile(
    "(?:했습니다|합니다|했어요|하는|하다|한다|했다|했던|해요|하고|하며|하면서|습니다|입니다|니다"
    "|이에요|예요|이다)$"
)


def without_particle(word: str) -> str:
    """The word without its longest particle, or the word itself.

    Args:
        word: Hangul syllables, NFC.
    """
    for length in range(min(_LONGEST, len(word) - 1), 0, -1):
        noun, particle = word[:-length], word[-length:]
        if len(noun) == 1 and not _AFTER_ONE_SYLLABLE.fullmatch(particle):
            continue
        if is_particle(particle, after=noun):
            return noun
    return word


def without_ending(word: str) -> str:
    """The word without a common verbal ending, if at least two syllables are left, or the word.

    Args:
        word: Hangul syllables, NFC.
    """
    root = _ENDING.sub("", word)
    return root if len(root) > 1 else word


def is_particle(particle: str, *, after: str) -> bool:
    """Whether `particle` can follow `after`; what is not Hangul (KTX가) takes either form."""
    if _ANYWHERE.fullmatch(particle):
        return True
    final = _final_consonant(after)
    if _AFTER_CONSONANT.fullmatch(particle):
        return final != 0
    if _AFTER_VOWEL.fullmatch(particle):
        return not final
    rieul = _AFTER_VOWEL_OR_RIEUL.fullmatch(particle) is not None
    return rieul and final in (None, 0, _FINAL_RIEUL)


def is_name_ending(ending: str, *, after: str) -> bool:
    """Whether `ending` is what Korean hangs on a name: 민지가, 민준이랑, 민지씨는, 민지야.

    Args:
        ending: what follows the name in the same word; "" is no ending and fits.
        after: the name.
    """
    if not ending:
        return True
    for length in range(1, len(ending) + 1):
        head, rest = ending[:length], ending[length:]
        if (_NAME_ENDING.fullmatch(head) or is_particle(head, after=after)) and is_name_ending(
            rest, after=after + head
        ):
            return True
    return False


def _final_consonant(text: str) -> int | None:
    """Index of the last syllable's final consonant, 0 for none; None if it is not Hangul."""
    code = ord(text[-1])
    if not _FIRST_SYLLABLE <= code <= _LAST_SYLLABLE:
        return None
    return (code - _FIRST_SYLLABLE) % _FINALS
