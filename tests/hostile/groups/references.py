"""15–31: texts that make a player read something else, and formats that nobody records in."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from tests.hostile.case import Case, Maker, Place, text

_REFERENCE: Final = "external_reference"
_ATTACHED: Final = 500_000_000
_CONTAINER: Final = "container_not_allowed"
_PLAYLIST: Final = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n"

_MPD: Final = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="{profile}"
 mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="1"><BaseURL>http://{honeypot}/x.mp4</BaseURL>
<BaseURL>file://{canary}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""


def _mpd(profile: str) -> Maker:
    return text(_MPD.replace("{profile}", profile))


def _pattern(place: Place) -> None:
    """A still picture, as image2 reads them by pattern."""
    picture = np.full((64, 64, 3), 90, np.uint8)
    place.path.write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    place.path.with_name("video%d.jpg").write_bytes(place.path.read_bytes())


CASES: Final = (
    Case(
        number=15,
        name="concat relative",
        make=text("ffconcat version 1.0\nfile {sibling}\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=16,
        name="concat absolute",
        make=text("# a comment first\nffconcat version 1.0\nfile {canary}\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=17,
        name="concat http",
        make=text("ffconcat version 1.0\nfile http://{honeypot}/x.mp4\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=18,
        name="concat subfile",
        make=text("ffconcat version 1.0\nfile subfile,,start,0,end,99,,:{secret}\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=19,
        name="hls http",
        make=text(_PLAYLIST + "http://{honeypot}/x.ts\n#EXT-X-ENDLIST\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=20,
        name="hls file",
        make=text(_PLAYLIST + "file://{canary}\n#EXT-X-ENDLIST\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=21,
        name="hls of itself",
        make=text(_PLAYLIST + "{self}\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=22,
        name="hls nested",
        make=text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{sibling}\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=23,
        name="dash",
        make=_mpd("urn:mpeg:dash:profile:isoff-on-demand:2011"),
        expected=_REFERENCE,
    ),
    Case(
        number=24,
        name="sdp",
        make=text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
        expected=_REFERENCE,
    ),
    Case(
        number=25,
        name="image pattern",
        make=_pattern,
        expected="not_video",
        why="A file is what its bytes are, a JPEG; its name, which the server makes, says nothing.",
        suffix="%d.jpg",
    ),
    Case(
        number=26,
        name="lavfi graph",
        make=text("movie={canary}[out0]"),
        expected="not_video",
        why="A filter graph has no signature; it is a text like any other.",
    ),
    Case(
        number=27,
        name="ffmetadata",
        make=text(";FFMETADATA1\ntitle=x\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=9\n"),
        expected=_CONTAINER,
    ),
    Case(
        number=28,
        name="tedcaptions",
        make=text('{"captions":[{"duration":1000,"content":"x","startTime":0}]}'),
        expected=_CONTAINER,
    ),
    Case(
        number=29,
        name="imf",
        make=text(
            '<?xml version="1.0"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/'
            '2067-3/2013"><Id>urn:uuid:1</Id></CompositionPlaylist>'
        ),
        expected=_CONTAINER,
    ),
    Case(
        number=30,
        name="webm dash manifest",
        make=_mpd("urn:mpeg:dash:profile:webm-on-demand:2012"),
        expected=_REFERENCE,
        why="The manifest is a DASH playlist; the demuxer of that name is never the forced one.",
    ),
    Case(
        number=31,
        name="ass with a font",
        make=text("[Script Info]\nScriptType: v4.00+\n\n[Fonts]\nfontname: x.ttf\n!!!!\n"),
        expected=_CONTAINER,
    ),
)
