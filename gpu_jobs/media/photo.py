"""A photo as people upload it, to one that is safe to look at: decoded, upright, small, bare.

Runs in the limited child process. Whatever metadata the file had (where it was taken, by whom, with
what) ends here: the new file is made of pixels alone.
"""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from common.domain import Media, Photo
from common.errors import InputError
from gpu_jobs.media import heif

#: Longest side: faces are looked for at less, and told apart at 112 px.
MAX_SIDE_PX: Final = 1_600
_QUALITY: Final = 92
#: By the first bytes, whatever the file is called: there are JPEGs named .heic, and the reverse.
_JPEG, _PNG, _WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"

#: Everything that Pillow lets through for damaged files.
_DAMAGE: Final = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ArithmeticError,
    Image.DecompressionBombError,
)


def normalise(media: Media) -> Photo:
    """Decode and encode anew.

    Raises:
        InputError: `photo_unreadable`, or `photo_too_large` (in pixels).
    """
    data = media.path.read_bytes()
    picture = _decoded(data, media.limits.max_pixels)
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    # Of the pixels alone: Pillow writes the comments and profiles of what it read.
    bare = Image.fromarray(np.asarray(picture))
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=_QUALITY)
    return Photo(jpeg=buffer.getvalue(), width_px=picture.width, height_px=picture.height)


def _decoded(data: bytes, max_pixels: int) -> Image.Image:
    """Upright RGB."""
    if heif.is_heif(data[:4096]):
        return Image.fromarray(
            heif.decode(data, max_pixels=max_pixels, decode_tile=_hevc(max_pixels))
        )
    try:
        with Image.open(io.BytesIO(data), formats=[_kind(data)]) as image:
            _check_size(image, max_pixels)
            # Of a large JPEG a half or a quarter is decoded, which takes a fraction of the time.
            image.draft("RGB", (2 * MAX_SIDE_PX, 2 * MAX_SIDE_PX))
            upright = ImageOps.exif_transpose(image)
            return _rgb(upright)
    except _DAMAGE as error:
        raise InputError("photo_unreadable", type(error).__name__) from error


def _kind(data: bytes) -> str:
    if data.startswith(_JPEG):
        return "JPEG"
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith(_WEBP) and data[8:12] == b"WEBP":
        return "WEBP"
    raise InputError("photo_unreadable", f"starts with {data[:12].hex()}")


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise InputError("photo_too_large", f"{image.width} x {image.height} pixels")


def _rgb(image: Image.Image) -> Image.Image:
    """Colours alone; what is transparent becomes white."""
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, shown).convert("RGB")
    return image.convert("RGB")


def _hevc(max_pixels: int) -> heif.DecodeTile:
    import av

    def decode(configuration: bytes, coded: bytes) -> npt.NDArray[np.uint8]:
        context: Any = av.CodecContext.create("hevc", "r")
        context.extradata = configuration
        context.options = {"max_pixels": str(max_pixels)}
        context.thread_count = 1
        try:
            frames = [*context.decode(av.Packet(coded)), *context.decode(None)]
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            raise InputError("photo_unreadable", f"hevc: {type(error).__name__}") from error
        if not frames:
            raise InputError("photo_unreadable", "hevc: no picture")
        if frames[0].width * frames[0].height > max_pixels:
            raise InputError("photo_too_large", f"{frames[0].width} x {frames[0].height} pixels")
        rgb: npt.NDArray[np.uint8] = frames[0].to_ndarray(format="rgb24")
        return rgb

    return decode
