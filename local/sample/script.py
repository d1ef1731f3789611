"""What the sample video shows and says, and which moments its searches must find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.sample import pictures
from local.sample.pictures import Draw


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One take of the sample."""

    duration_ms: int
    picture: Callable[[Draw], None]
    english: str
    korean: str


@dataclass(frozen=True, kw_only=True)
class KnownMoment:
    """A search and the span of the shot that must come first; None: nothing must be found."""

    kind: str
    query: str
    shot: int | None


SHOTS: tuple[Shot, ...] = (
    Shot(
        duration_ms=6_000,
        picture=pictures.red_car_at_night,
        english="Somebody parked right in front of our building again.",
        korean="누가 또 우리 건물 앞에 주차했네요.",
    ),
    Shot(
        duration_ms=6_000,
        picture=pictures.green_field_at_noon,
        english="Grandmother planted potatoes here when she was a girl.",
        korean="할머니가 어렸을 때 여기에 감자를 심으셨대요.",
    ),
    Shot(
        duration_ms=6_000,
        picture=pictures.slide("QUARTERLY REVENUE", "Up 12 percent in Seoul"),
        english="Let us look at how the company did.",
        korean="회사 실적을 살펴보겠습니다.",
    ),
    Shot(
        duration_ms=6_000,
        picture=pictures.orange_sunset,
        english="The ferry to the island leaves in ten minutes.",
        korean="섬으로 가는 배가 십 분 뒤에 떠납니다.",
    ),
    Shot(
        duration_ms=6_000,
        picture=pictures.slide("EMERGENCY EXIT", "Stairwell B, second floor", ink=(10, 90, 50)),
        english="Please remember where to go if the alarm rings.",
        korean="경보가 울리면 어디로 가야 하는지 기억해 주세요.",
    ),
    Shot(
        duration_ms=6_000,
        picture=pictures.white_snow,
        english="My fingers are freezing, I forgot my gloves.",
        korean="손가락이 얼 것 같아요, 장갑을 두고 왔어요.",
    ),
    Shot(
        duration_ms=5_000,
        picture=pictures.blue_boat,
        english="He learned to sail from his uncle.",
        korean="그는 삼촌에게 항해를 배웠어요.",
    ),
    Shot(
        duration_ms=5_000,
        picture=pictures.purple_stage,
        english="The band is about to play their last song.",
        korean="밴드가 마지막 노래를 부르려고 합니다.",
    ),
    # The long take: no cut for 22 s, so it is found by windows.
    Shot(
        duration_ms=22_000,
        picture=pictures.brown_forest,
        english="We walked for hours and never met another person.",
        korean="몇 시간을 걸었지만 아무도 만나지 못했어요.",
    ),
)

#: One search of each kind. None shares the words of the moment by accident: the speech query is
#: a paraphrase, the colour query is in no subtitle, the Korean one is a noun with a particle.
KNOWN_MOMENTS: tuple[KnownMoment, ...] = (
    KnownMoment(kind="speech", query="it is so cold and my hands hurt", shot=5),
    KnownMoment(kind="on-screen text", query="emergency exit", shot=4),
    KnownMoment(kind="colour and light", query="a red car at night", shot=0),
    KnownMoment(kind="Korean", query="감자를 심은 할머니", shot=1),
    KnownMoment(kind="nonsense", query="quantum zebra tax legislation", shot=None),
)


def span_ms(shot: int) -> tuple[int, int]:
    """Start and end of a shot in the sample, ms."""
    start = sum(s.duration_ms for s in SHOTS[:shot])
    return start, start + SHOTS[shot].duration_ms
