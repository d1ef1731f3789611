"""The look at the boxes of an MP4 file."""

from __future__ import annotations

import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from gpu_jobs.media.boxes import MAX_BOXES, check_boxes


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box with a 32-bit length."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def track(*, entry: bytes = b"avc1", reference: bytes = b"") -> bytes:
    """A track with one sample entry and one data reference ("": in this file)."""
    flags = 0 if reference else 1
    dref = box(b"dref", struct.pack(">II", 0, 1), box(b"url ", struct.pack(">I", flags), reference))
    stsd = box(b"stsd", struct.pack(">II", 0, 1), box(entry, bytes(70)))
    media = box(b"minf", box(b"dinf", dref), box(b"stbl", stsd))
    return box(b"trak", box(b"mdia", media))


def check(path: Path, data: bytes, *, max_streams: int = 16) -> None:
    """Write the boxes and look at them."""
    path.write_bytes(data)
    check_boxes(path, max_streams=max_streams)


FTYP = box(b"ftyp", b"isom", bytes(4))


def test_a_plain_file_passes(tmp_path: Path) -> None:
    """An index with a track in this file is fine, with 64-bit lengths too."""
    long_mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + 100) + bytes(100)
    check(tmp_path / "m", FTYP + long_mdat + box(b"moov", track()))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (FTYP, "truncated"),
        (FTYP + box(b"mdat", bytes(10)), "truncated"),
        (FTYP + struct.pack(">I4s", 3, b"free"), "truncated"),
        (FTYP + box(b"moov", track(entry=b"encv")), "encrypted"),
        (FTYP + box(b"moov", track(entry=b"drmi")), "encrypted"),
        (FTYP + box(b"moov", track(reference=b"file:///etc/passwd\0")), "external_reference"),
        (FTYP + box(b"moov", box(b"rmra", bytes(20))), "external_reference"),
        (FTYP + box(b"moov", box(b"cmov", bytes(20))), "container_not_allowed"),
        (FTYP + box(b"moov", track() * 17), "too_many_streams"),
        (FTYP + box(b"free") * (MAX_BOXES + 1), "container_not_allowed"),
    ],
)
def test_each_offence_has_its_code(tmp_path: Path, data: bytes, code: str) -> None:
    """Missing index, protection, references to elsewhere, and absurd structures are named."""
    with pytest.raises(InputError) as raised:
        check(tmp_path / "m", data)
    assert raised.value.code == code


def test_absurd_nesting_is_refused(tmp_path: Path) -> None:
    """Twenty thousand boxes inside each other do not exhaust the reader."""
    data = b""
    for _ in range(2_000):
        data = box(b"moov", data)
    with pytest.raises(InputError) as raised:
        check(tmp_path / "m", FTYP + data)
    assert raised.value.code == "container_not_allowed"


@given(st.binary(max_size=300))
def test_any_bytes_pass_or_have_a_code(data: bytes) -> None:
    """No bytes inside an index make the reader fail in another way."""
    with tempfile.TemporaryDirectory() as directory, suppress(InputError):
        check(Path(directory) / "m", FTYP + box(b"moov", data))
