"""Language codes of containers as BCP 47 primary languages."""

from __future__ import annotations

import re
from typing import Final

#: ISO 639-2 codes (bibliographic and terminological) with their ISO 639-1 equivalent.
#: Source: https://www.loc.gov/standards/iso639-2/php/code_list.php
_PAIRS: Final = """
afr:af alb:sq sqi:sq amh:am ara:ar arm:hy hye:hy aze:az baq:eu eus:eu bel:be ben:bn bos:bs
bul:bg bur:my mya:my cat:ca chi:zh zho:zh cze:cs ces:cs dan:da dut:nl nld:nl eng:en epo:eo
est:et fin:fi fre:fr fra:fr geo:ka kat:ka ger:de deu:de gle:ga glg:gl gre:el ell:el guj:gu
heb:he hin:hi hrv:hr hun:hu ice:is isl:is ind:id ita:it jpn:ja kan:kn kaz:kk khm:km kir:ky
kor:ko lao:lo lat:la lav:lv lit:lt mac:mk mkd:mk mal:ml mar:mr may:ms msa:ms mlt:mt mon:mn
nep:ne nob:nb nno:nn nor:no pan:pa per:fa fas:fa pol:pl por:pt pus:ps rum:ro ron:ro rus:ru
sin:si slo:sk slk:sk slv:sl som:so spa:es srp:sr swa:sw swe:sv tam:ta tel:te tgl:tl tha:th
tib:bo bod:bo tur:tr ukr:uk urd:ur uzb:uz vie:vi wel:cy cym:cy xho:xh yid:yi yor:yo zul:zu
"""
_TWO_LETTERS: Final = dict(pair.split(":") for pair in _PAIRS.split())
_CODE: Final = re.compile(r"[a-z]{2,3}")
#: "Undetermined", "multiple", "no linguistic content", "not coded": nothing is known.
_UNKNOWN: Final = frozenset({"und", "mul", "zxx", "mis"})


def primary_language(code: str | None) -> str:
    """The primary language of an ISO 639 code or BCP 47 tag, lower case, or "" if unknown.

    A three-letter code without a two-letter equivalent is BCP 47 as it is ("haw").
    """
    primary = re.split(r"[-_]", (code or "").strip().lower())[0]
    if not _CODE.fullmatch(primary) or primary in _UNKNOWN:
        return ""
    return _TWO_LETTERS.get(primary, primary)
