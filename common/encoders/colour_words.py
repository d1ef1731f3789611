"""Words of colour and light, Korean and English, and the axes they name.

Only words that can be answered from pixels are here. Everything else ("zebra", "car", "바다") is
not understood, and saying so is the point: the visual leg abstains on it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Understood:
    """A word of the query and the axis of the colour space it names."""

    #: As typed, NFC and lower case.
    word: str
    axis: str


#: English words, whole.
_ENGLISH: Final = {
    "red": "red reddish crimson scarlet maroon burgundy vermilion",
    "orange": "orange orangish tangerine",
    "yellow": "yellow yellowish mustard",
    "green": "green greenish emerald lime",
    "teal": "teal turquoise cyan aqua aquamarine",
    "light_blue": "azure",
    "blue": "blue bluish cobalt",
    "navy": "navy indigo",
    "purple": "purple purplish violet lavender lilac mauve",
    "pink": "pink pinkish magenta fuchsia",
    "brown": "brown brownish",
    "beige": "beige cream ivory",
    "black": "black blackish",
    "grey": "grey gray greyish grayish silver",
    "white": "white whitish",
    "dark": "dark darker darkest darkness gloomy dim dimly unlit",
    "night": "night nighttime nightfall midnight nocturnal",
    "bright": "bright brighter brightest brightly",
    "day": "daytime daylight noon midday sunny sunlight sunshine sunlit",
    "sunset": "sunset sunsets sunrise dusk",
    "neon": "neon",
    "vivid": "colorful colourful vivid multicolored multicoloured",
    "monochrome": "monochrome monochromatic grayscale greyscale",
}
#: Phrases, tried before single words. The empty axis says "known, and not about light".
_PHRASE_AXES: Final = (
    (r"black[ -]and[ -]white|black[ -]white|b\s?&\s?w", "monochrome"),
    (r"golden hour", "sunset"),
    (r"(?:navy|dark|deep|midnight) blue", "navy"),
    (r"(?:sky|light|pale|baby) blue", "light_blue"),
    (r"(?:at|by|in the|during the|broad|clear) day(?:time|light)?", "day"),
    (r"good ?night|last night|tonight", ""),
    (r"bright (?:idea|smile|future|side)s?", ""),
    (r"해가? (?:질|지는) ?(?:녘|무렵|때)?\w*", "sunset"),
)
#: "dark red" is a red, not a dark scene; "bright green" and "light green" are greens.
_ENGLISH_MODIFIERS: Final = frozenset(
    ["dark", "darker", "deep", "light", "lighter", "pale", "bright", "brightly", "vivid", "neon"]
)
_ENGLISH_NEGATIONS: Final = frozenset(["no", "not", "non", "without", "never", "isn't", "aren't"])

#: Korean words, each a pattern that must match from the start of an eojeol (spaced unit). Endings
#: and particles follow freely unless the pattern ends in `$`.
_JOSA: Final = "(?:에|에는|엔|에도|에서|의|이|을|까지|마다|처럼|만|인)?$"
_KOREAN: Final = (
    ("navy", r"남색|군청|곤색|네이비|진청|진파랑"),
    ("teal", r"청록|옥색|민트색|민트빛|터키석색|비취색"),
    ("light_blue", r"하늘색|하늘빛|연파랑|연청|소라색|스카이블루"),
    ("red", r"(?:새|시)?(?:빨간|빨강|빨갛|빨개|뻘건|뻘겋)|붉|불그|적색|다홍|진홍|선홍|레드"),
    ("orange", r"주황|오렌지|귤색"),
    ("yellow", r"(?:샛|연)?(?:노란|노랑|노랗|누런|누렇)|황색|옐로"),
    ("green", r"(?:진|연)?(?:초록|녹색)|연두|풀색|에메랄드"),
    ("blue", r"(?:새|시)?(?:파란(?!만장)|파랑|파랗|퍼런|퍼렇)|청색|블루"),
    ("blue_or_green", r"푸르|푸른|푸릇"),
    ("purple", r"연?보라(?:색|빛)|보랏빛|연보라|보라$|자주(?:색|빛)|자줏빛|퍼플|라벤더색"),
    ("pink", r"(?:진|연)?분홍|핑크|자홍"),
    ("brown", r"(?:진|연|적|황)?갈색|밤색|고동색|브라운"),
    ("beige", r"베이지|살색|살구색|크림색|아이보리|상아색"),
    (
        "black",
        r"검은|검정(?!고시)|검게|검고|검다|까만|까맣|까망|새까|시커|시꺼|거먼|꺼먼|흑색|블랙",
    ),
    ("grey", r"(?:진|연)?회색|회색빛|잿빛|쥐색|은색|은빛|그레이"),
    ("white", r"흰|(?:새)?(?:하얀|하양|하얗)|허연|백색|순백|화이트"),
    ("monochrome", r"흑백|무채색"),
    ("dark", r"어두운|어두워|어두웠|어두컴|어둡|어둠|어둑|깜깜|캄캄|컴컴|껌껌|침침|암흑"),
    (
        "night",
        r"(?:한|오늘|어젯|지난|그날)?밤(?:중|하늘|거리|길|바다|풍경|시간|늦게)?" + _JOSA,
    ),
    ("night", r"야간|야경|심야|자정"),
    ("day", r"(?:한|대)?낮(?:시간)?" + _JOSA),
    ("day", r"대낮|한낮|정오|햇살|햇빛|햇볕|화창|쨍쨍"),
    ("bright", r"밝은|밝게|밝고|밝다|환한|환하|눈부신|눈부시"),
    ("sunset", r"노을|저녁노을|저녁놀|석양|일몰|일출|해돋이|해넘이|해질|해지는|황혼"),
    ("neon", r"네온"),
    ("vivid", r"알록달록|다채로|형형색색|컬러풀|총천연색|오색"),
)
_KOREAN_PATTERNS: Final = tuple((axis, re.compile(pattern)) for axis, pattern in _KOREAN)
_KOREAN_MODIFIER: Final = re.compile(r"어두운|짙은|진한|밝은|연한|옅은|환한")
_KOREAN_DEEP: Final = re.compile(r"어두운|짙은|진한")
_KOREAN_COLOUR_NOUN: Final = re.compile(
    r"\S*(?:색|빛|빨강|파랑|노랑|검정|하양|분홍|초록|보라|주황)"
)
#: 밝은 미소 is a smile, not light.
_KOREAN_FIGURATIVE: Final = re.compile(r"미소|표정|얼굴|목소리|웃음|분위기|성격|미래")
_KOREAN_NEGATION: Final = re.compile(r"않|아닌|아니|없|말고")

_ENGLISH_WORDS: Final = {word: axis for axis, words in _ENGLISH.items() for word in words.split()}
_COLOUR_AXES: Final = frozenset(list(_ENGLISH)[:15])
_PHRASES: Final = tuple((re.compile(rf"\b(?:{p})\b"), axis) for p, axis in _PHRASE_AXES)


def understand(text: str) -> tuple[Understood, ...]:
    """The words of colour and light in a text, in order; one per axis.

    A word that is negated ("not red", "빨갛지 않은") says nothing, rather than the opposite.

    Args:
        text: Korean, English or both, in any normalisation.

    Returns:
        What was understood; empty when no word was.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    found = [*_english(plain), *_korean(plain.split())]
    unique = {each.axis: each for each in reversed(found)}
    return tuple(each for each in found if unique[each.axis] is each)


def _english(text: str) -> list[Understood]:
    """English words, and the phrases of both languages."""
    found = []
    for pattern, axis in _PHRASES:
        for match in pattern.finditer(text):
            if axis and not _negated(re.findall(r"[a-z']+", text[: match.start()])):
                found.append(Understood(word=match.group(), axis=axis))
        text = pattern.sub(" ", text)
    words = re.findall(r"[a-z']+", text)
    for place, word in enumerate(words):
        axis = _ENGLISH_WORDS.get(word, "")
        following = words[place + 1] if place + 1 < len(words) else ""
        modifies = word in _ENGLISH_MODIFIERS and _ENGLISH_WORDS.get(following) in _COLOUR_AXES
        if axis and not modifies and not _negated(words[:place]):
            found.append(Understood(word=word, axis=axis))
    return found


def _negated(before: list[str]) -> bool:
    return any(word in _ENGLISH_NEGATIONS for word in before[-2:])


def _korean(words: list[str]) -> list[Understood]:
    found = []
    for place, raw in enumerate(words):
        word = raw.strip("\"'“”‘’.,!?()[]")
        axis = _korean_axis(word)
        if axis and not _says_nothing(words, place):
            before = words[place - 1] if place else ""
            if axis == "blue" and _KOREAN_DEEP.fullmatch(before):
                axis = "navy"
            found.append(Understood(word=word, axis=axis))
    return found


def _korean_axis(word: str) -> str:
    return next((axis for axis, pattern in _KOREAN_PATTERNS if pattern.match(word)), "")


def _says_nothing(words: list[str], place: int) -> bool:
    """Whether the word is negated, figurative, or only shades the colour noun that follows."""
    after = words[place + 1 : place + 3]
    if any(_KOREAN_NEGATION.match(word) for word in after):
        return True
    if not after or not _KOREAN_MODIFIER.fullmatch(words[place]):
        return False
    shades = _KOREAN_COLOUR_NOUN.match(after[0]) and _korean_axis(after[0]) in _COLOUR_AXES
    return bool(shades or _KOREAN_FIGURATIVE.match(after[0]))
