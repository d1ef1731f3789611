"""Photos of all accepted kinds become one bare, upright JPEG; the others say that they will not."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.domain import Media, MediaLimits, Photo
from common.errors import InputError
from gpu_jobs.media.photo import MAX_SIDE_PX, normalise
from tests import heic

Picture = npt.NDArray[np.uint8]
#: Colours of the corners of `corners`: clockwise from the top left.
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)


def corners(width: int = 320, height: int = 192) -> Picture:
    """A picture of four colours."""
    picture = np.zeros((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    picture[:middle, :centre], picture[:middle, centre:] = RED, GREEN
    picture[middle:, centre:], picture[middle:, :centre] = BLUE, WHITE
    return picture


def seen(photo: Photo) -> list[str]:
    """The colours of the corners, clockwise from the top left."""
    picture = np.asarray(Image.open(io.BytesIO(photo.jpeg)).convert("RGB")).astype(int)
    height, width = picture.shape[:2]
    at = [
        picture[height // 4, width // 4],
        picture[height // 4, 3 * width // 4],
        picture[3 * height // 4, 3 * width // 4],
        picture[3 * height // 4, width // 4],
    ]
    known = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    return [min(known, key=lambda name: abs(each - np.array(known[name])).sum()) for each in at]


def photo_of(directory: Path, data: bytes, *, max_pixels: int = 1_000_000) -> Photo:
    """Write and normalise a file."""
    path = directory / "photo"
    path.write_bytes(data)
    limits = MediaLimits(max_pixels=max_pixels)
    return normalise(
        Media(path=path, size_bytes=len(data), content_type="image/jpeg", limits=limits)
    )


def saved(picture: Picture, kind: str, **options: object) -> bytes:
    """A picture as a file of a kind that Pillow writes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


UPRIGHT = ["red", "green", "blue", "white"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_kinds_that_are_taken(tmp_path: Path, kind: str) -> None:
    """JPEG, PNG and WebP come out as they were, whatever they are declared as."""
    photo = photo_of(tmp_path, saved(corners(), kind))
    assert (photo.width_px, photo.height_px) == (320, 192)
    assert seen(photo) == UPRIGHT


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, UPRIGHT),
        (3, ["blue", "white", "red", "green"]),
        (6, ["white", "red", "green", "blue"]),
        (8, ["green", "blue", "white", "red"]),
    ],
)
def test_orientation_is_applied_and_metadata_dropped(
    tmp_path: Path, orientation: int, expected: list[str]
) -> None:
    """The new file is upright, and tells neither place nor camera."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a secret camera"
    photo = photo_of(tmp_path, saved(corners(), "JPEG", exif=exif, comment=b"a secret place"))
    assert seen(photo) == expected
    image = Image.open(io.BytesIO(photo.jpeg))
    assert not image.getexif()
    assert b"secret" not in photo.jpeg


def test_large_photos_become_small(tmp_path: Path) -> None:
    """The longest side is bounded, and the shape stays."""
    photo = photo_of(tmp_path, saved(corners(4000, 2400), "JPEG"), max_pixels=10_000_000)
    assert (photo.width_px, photo.height_px) == (MAX_SIDE_PX, 960)
    assert seen(photo) == UPRIGHT


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    """Transparent pixels have colours that nobody sees."""
    alpha = np.full((192, 320, 1), 255, np.uint8)
    alpha[:96, :160] = 0
    photo = photo_of(tmp_path, saved(np.concatenate([corners(), alpha], axis=2), "PNG"))
    assert seen(photo) == ["white", "green", "blue", "white"]


def test_sixteen_bits_of_grey(tmp_path: Path) -> None:
    """Scanned photos keep their brightness."""
    grey = np.full((64, 64), 30_000, np.uint16)
    photo = photo_of(tmp_path, saved(grey, "PNG"))  # type: ignore[arg-type]  # not 8 bits
    shown = np.asarray(Image.open(io.BytesIO(photo.jpeg)))
    assert abs(int(shown.mean()) - 117) <= 2


@pytest.mark.parametrize(
    "head", [b"GIF89a", b"%PDF-1.7", b"<svg ", b"\x00\x00\x00\x18ftypisom", b""]
)
def test_kinds_that_are_not(tmp_path: Path, head: bytes) -> None:
    """Pictures of other kinds, videos and texts are not even opened."""
    with pytest.raises(InputError, match="photo_unreadable"):
        photo_of(tmp_path, head + b"\0" * 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC"])
def test_cut_off_files_are_unreadable(tmp_path: Path, kind: str) -> None:
    """At whatever place a file ends early, it says so, and nothing else."""
    data = heic.encode(corners()) if kind == "HEIC" else saved(corners(), kind)
    for share in (0.1, 0.4, 0.7):
        with pytest.raises(InputError, match="photo_unreadable"):
            photo_of(tmp_path, data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC", "grid"])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, kind: str) -> None:
    """The header says how many there are."""
    if kind == "HEIC":
        data = heic.encode(corners())
    elif kind == "grid":
        data = heic.encode_grid(corners(), tile_px=128)
    else:
        data = saved(corners(), kind)
    with pytest.raises(InputError, match="photo_too_large"):
        photo_of(tmp_path, data, max_pixels=50_000)


def test_heic_of_one_item(tmp_path: Path) -> None:
    """A HEIC with one coded picture comes out as it was."""
    photo = photo_of(tmp_path, heic.encode(corners()))
    assert (photo.width_px, photo.height_px) == (320, 192)
    assert seen(photo) == UPRIGHT


def test_heic_of_tiles(tmp_path: Path) -> None:
    """A HEIC as phones write it: tiles of a grid, cut to the picture's size."""
    photo = photo_of(tmp_path, heic.encode_grid(corners(), tile_px=128))
    assert (photo.width_px, photo.height_px) == (320, 192)
    assert seen(photo) == UPRIGHT


@pytest.mark.parametrize(
    ("quarters", "expected"),
    [
        (1, ["green", "blue", "white", "red"]),
        (2, ["blue", "white", "red", "green"]),
        (3, ["white", "red", "green", "blue"]),
    ],
)
def test_heic_is_turned(tmp_path: Path, quarters: int, expected: list[str]) -> None:
    """`irot` counts quarters anticlockwise, for a grid too."""
    assert seen(photo_of(tmp_path, heic.encode(corners(), quarters=quarters))) == expected
    grid = heic.encode_grid(corners(), tile_px=128, quarters=quarters)
    assert seen(photo_of(tmp_path, grid)) == expected


@pytest.mark.parametrize("seed", range(60))
def test_damaged_heic_is_refused_or_read(tmp_path: Path, seed: int) -> None:
    """Whatever bytes change, the answer is a photo or a code: nothing else is raised."""
    rng = np.random.default_rng(seed)
    data = bytearray(heic.encode_grid(corners(128, 128), tile_px=64))
    for place in rng.integers(0, min(len(data), 700), 4):
        data[place] = rng.integers(0, 256)
    # Anything else that is raised fails the test.
    with contextlib.suppress(InputError):
        assert photo_of(tmp_path, bytes(data)).jpeg
