"""What a file is, by its first bytes."""

from __future__ import annotations

import pytest

from common.errors import InputError
from gpu_jobs.media.sniff import Container, check_content_type, sniff_bytes

REFUSED = {
    "empty": (b"", "empty_file"),
    "one byte": (b"\x00", "not_video"),
    "zeros": (bytes(65536), "not_video"),
    "html": (b"<!DOCTYPE html><html><body>video</body></html>", "not_video"),
    "json": (b'{"video": true}', "not_video"),
    "zip": (b"PK\x03\x04" + bytes(60), "not_video"),
    "gzip": (b"\x1f\x8b\x08" + bytes(60), "not_video"),
    "elf": (b"\x7fELF" + bytes(60), "not_video"),
    "pdf": (b"%PDF-1.7\n", "not_video"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_video"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "not_video"),
    "gif": (b"GIF89a" + bytes(60), "not_video"),
    "webp": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "not_video"),
    "heic": (b"\x00\x00\x00\x18ftypheic" + bytes(60), "not_video"),
    "mp3 with tag": (b"ID3\x04" + bytes(60), "no_video_stream"),
    "mp3 bare": (b"\xff\xfb\x90\x64" + bytes(60), "no_video_stream"),
    "wav": (b"RIFF\x10\x00\x00\x00WAVEfmt ", "no_video_stream"),
    "flac": (b"fLaC" + bytes(60), "no_video_stream"),
    "ffconcat": (b"ffconcat version 1.0\nfile good.mkv\n", "external_reference"),
    "ffconcat after blanks": (b"\xef\xbb\xbf\n# c\nffconcat version 1.0\n", "external_reference"),
    "concat without a head": (b"file '/etc/passwd'\n", "external_reference"),
    "m3u8": (b"#EXTM3U\n#EXT-X-VERSION:3\nfile.ts\n", "external_reference"),
    "m3u8 in utf-16": ("\ufeff#EXTM3U\nx.ts\n".encode("utf-16-le"), "external_reference"),
    "sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\n", "external_reference"),
    "sdp with crlf": (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "external_reference"),
    "dash": (b"<?xml version='1.0'?>\n<MPD type='static'>", "external_reference"),
    "smil": (b"<smil><body/></smil>", "external_reference"),
    "pls": (b"[playlist]\nFile1=http://127.0.0.1/\n", "external_reference"),
    "url": (b"http://127.0.0.1/x.mp4\n", "external_reference"),
    "subfile": (b"subfile,,start,0,end,9,,:/etc/passwd", "external_reference"),
    "ffmetadata": (b";FFMETADATA1\ntitle=x\n", "container_not_allowed"),
    "ass": (b"[Script Info]\nTitle: x\n", "container_not_allowed"),
    "flv": (b"FLV\x01\x05" + bytes(60), "container_not_allowed"),
    "ogg": (b"OggS\x00\x02" + bytes(60), "container_not_allowed"),
    "asf": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(60), "container_not_allowed"),
    "mpeg-ps": (b"\x00\x00\x01\xba" + bytes(60), "container_not_allowed"),
    "mpeg-ts": ((b"\x47" + bytes(187)) * 5, "container_not_allowed"),
    "m2ts": ((bytes(4) + b"\x47" + bytes(187)) * 5, "container_not_allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_by_name(name: str) -> None:
    """Each kind of file that is no accepted video has its code."""
    head, code = REFUSED[name]
    with pytest.raises(InputError) as raised:
        sniff_bytes(head)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\x00\x00\x00\x18ftypisom", Container.MP4),
        (b"\x00\x00\x00\x14ftypqt  ", Container.MP4),
        (b"\x00\x00\x00\x18ftyp3gp4", Container.MP4),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", Container.MP4),
        (b"\x1a\x45\xdf\xa3\x01", Container.MATROSKA),
        (b"RIFF\x10\x00\x00\x00AVI LIST", Container.AVI),
    ],
)
def test_accepted_containers_are_recognised(head: bytes, container: Container) -> None:
    """MP4, MOV, 3GP, Matroska, WebM and AVI are known by their first bytes."""
    assert sniff_bytes(head) is container


@pytest.mark.parametrize(
    ("declared", "container"),
    [
        ("video/mp4", Container.MP4),
        ("video/quicktime", Container.MP4),
        ("video/webm; codecs=vp9", Container.MATROSKA),
        ("VIDEO/X-MATROSKA", Container.MATROSKA),
        ("application/octet-stream", Container.AVI),
    ],
)
def test_a_fitting_content_type_passes(declared: str, container: Container) -> None:
    """MP4 and MOV are one family, Matroska and WebM another; unknown types say nothing."""
    check_content_type(declared, container)


def test_a_lying_content_type_is_named() -> None:
    """An MP4 declared as WebM is refused."""
    with pytest.raises(InputError) as raised:
        check_content_type("video/webm", Container.MP4)
    assert raised.value.code == "type_mismatch"
