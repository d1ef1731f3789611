"""Words that carry no meaning of their own in a query.

They are in the index (a quoted phrase may need them) but never asked for alone.
"""

from __future__ import annotations

from typing import Final

#: Function words. A query of these alone finds nothing by words.
_ENGLISH = """
    a about all also am an and any are as at be been being but by can could did do does doing
    for from had has have having he her here hers him his how i if in into is it its just like me
    my no nor not of off on or our ours out over own she should so some such than that the their
    them then there these they this those through to too up us very was we were what when where
    which while who whom whose why will with would you your yours
    anybody anyone anything somebody someone something
    dont doesnt didnt isnt arent wasnt werent wont cant couldnt im ive id youre hes shes theyre
"""
_KOREAN = """
    이 그 저 것 거 걸 게 수 좀 더 및 등 또 또는 그리고 그런데 하지만 와 과 의 를 을 은 는 가
    에서 에게 에 로 으로 도 만 무슨 어떤 누가 언제 어디 어디서 어떻게 왜 뭐 무엇 있는 있다 있어
    봐 봐서 보는 하는 하다 한 할 되는 된 나오는 나온 나와 보이는 보여줘 찾아줘 말하는
"""
#: Words about searching rather than about the moment. They count only if nothing else is asked.
_ASKING = """
    clip clips find moment moments part place scene scenes screen search show text video videos
    장면 영상 부분 동영상 비디오 순간 곳 글자 글씨 화면 찾기 검색
"""

STOP_WORDS: Final = frozenset((_ENGLISH + _KOREAN).split())
ASKING_WORDS: Final = frozenset(_ASKING.split())
