"""What colours and light a picture has, as presences on the axes of the colour space.

Pixels are named in OKLCh (B. Ottosson, A perceptual color space for image processing, 2020):
lightness 0–1, chroma, hue in degrees, and saturation = chroma / lightness, which stays put when
a coloured thing is in shade. A colour's presence then grows with the logarithm of its area, so a
car that fills 4 % of a night scene counts as plainly red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from common.encoders.colour_space import AXES, COLOURS, Floats

Range = tuple[float, float]

#: Longest side that is looked at; a thing of 3 % of the area still has about 150 pixels.
_SIDE_PX = 96
#: Soft edges of the ranges below: full membership inside, none beyond the width.
_HUE_EDGE_DEG, _LIGHTNESS_EDGE, _SATURATION_EDGE = 8.0, 0.05, 0.03
_ANY: Final = (0.0, 9.0)


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A region of OKLCh that goes by one name."""

    name: str
    #: Degrees; a bound may lie beyond -180 or 180 where the range crosses it.
    hue: Range = (-1000.0, 1000.0)
    lightness: Range = _ANY
    saturation: Range = _ANY
    #: Chroma below the first is noise (JPEG in the dark), above the second it is colour.
    chroma_floor: Range = (0.035, 0.055)


#: Drawn up against the CSS named colours; a colour with several boxes has the best of them. The
#: darker boxes of orange, yellow and pink are those colours at night.
_BOXES: Final = (
    _Box(name="red", hue=(12, 37), lightness=(0.20, 0.68), saturation=(0.24, 9)),
    _Box(name="orange", hue=(44, 77), lightness=(0.61, 9), saturation=(0.19, 9)),
    _Box(name="orange", hue=(48, 72), lightness=(0.48, 0.61), saturation=(0.23, 9)),
    _Box(name="yellow", hue=(86, 112), lightness=(0.70, 9), saturation=(0.12, 9)),
    _Box(name="yellow", hue=(88, 106), lightness=(0.50, 0.70), saturation=(0.17, 9)),
    _Box(name="green", hue=(118, 170), lightness=(0.22, 9), saturation=(0.13, 9)),
    _Box(name="green", hue=(109, 118), lightness=(0.30, 0.64), saturation=(0.15, 9)),
    _Box(name="teal", hue=(180, 207), lightness=(0.35, 9), saturation=(0.11, 9)),
    _Box(
        name="light_blue",
        hue=(219, 262),
        lightness=(0.70, 9),
        saturation=(0.06, 0.22),
        chroma_floor=(0.03, 0.045),
    ),
    _Box(name="blue", hue=(231, 282), lightness=(0.38, 0.75), saturation=(0.15, 9)),
    _Box(name="blue", hue=(240, 282), lightness=(0.24, 0.40), saturation=(0.36, 9)),
    _Box(name="blue", hue=(222, 270), lightness=(0.70, 9), saturation=(0.08, 9)),
    _Box(
        name="navy",
        hue=(248, 292),
        lightness=(0.13, 0.34),
        saturation=(0.20, 9),
        chroma_floor=(0.03, 0.045),
    ),
    _Box(name="purple", hue=(292, 332), lightness=(0.28, 0.88), saturation=(0.14, 9)),
    _Box(name="pink", hue=(340, 375), lightness=(0.62, 9), saturation=(0.08, 9)),
    _Box(name="pink", hue=(342, 364), lightness=(0.42, 0.62), saturation=(0.12, 9)),
    _Box(name="pink", hue=(12, 32), lightness=(0.74, 9), saturation=(0.08, 0.24)),
    _Box(name="pink", hue=(320, 345), lightness=(0.64, 9), saturation=(0.25, 9)),
    _Box(
        name="brown",
        hue=(40, 85),
        lightness=(0.22, 0.56),
        saturation=(0.11, 9),
        chroma_floor=(0.03, 0.045),
    ),
    _Box(
        name="beige",
        hue=(50, 110),
        lightness=(0.74, 0.97),
        saturation=(0.03, 0.10),
        chroma_floor=(0.02, 0.03),
    ),
    _Box(name="black", lightness=(-1, 0.21)),
    _Box(name="grey", lightness=(0.32, 0.86), saturation=(-1, 0.04)),
    _Box(name="white", lightness=(0.90, 9), saturation=(-1, 0.03)),
)
#: White things in the dark: what is white is relative to the light there is.
_WHITE_IN_THE_DARK: Final = _Box(name="white", lightness=(0.66, 9), saturation=(-1, 0.05))
#: A picture whose mean lightness is below this is a dark one for that purpose.
_DARK_LIGHTNESS: Final = 0.40
_WITHOUT_HUE: Final = frozenset({"black", "grey", "white"})
#: Share of the picture → presence, for colours that are seldom there by chance …
_RARE: Final = ((0.003, 0.01, 0.025, 0.06, 0.25, 1.0), (-1.0, -0.4, 0.4, 0.75, 0.9, 1.0))
#: … and for those that most pictures have somewhere.
_COMMON: Final = ((0.01, 0.03, 0.06, 0.10, 0.30, 1.0), (-1.0, -0.4, 0.1, 0.4, 0.8, 1.0))
_COMMON_COLOURS: Final = frozenset({"black", "grey", "white", "brown", "beige"})

_TO_LMS: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pixels:
    """A small picture in OKLCh; each (height, width)."""

    lightness: Floats
    chroma: Floats
    hue_deg: Floats
    saturation: Floats


def presence(picture: npt.NDArray[np.uint8]) -> Floats:
    """How plainly each axis is there.

    Args:
        picture: (height, width, 3) RGB, 0–255, of any size.

    Returns:
        (24,) float32 in the order of `AXES`, -1 absent to +1 plainly there.
    """
    pixels = _oklch(_shrink(picture))
    colours = _memberships(pixels)
    dark = float(pixels.lightness.mean()) < _DARK_LIGHTNESS
    values = {name: _colour_presence(name, colours[name], dark=dark) for name in COLOURS}
    values |= _light(pixels, white_share=float(colours["white"].mean()))
    return np.array([values[axis] for axis in AXES], dtype=np.float32)


def _shrink(picture: npt.NDArray[np.uint8]) -> Floats:
    """Average blocks so that the longest side is at most `_SIDE_PX`; values stay 0–255."""
    step = -(-max(picture.shape[:2]) // _SIDE_PX)
    height, width = (max(size // step, 1) * min(step, size) for size in picture.shape[:2])
    rows, columns = min(step, picture.shape[0]), min(step, picture.shape[1])
    blocks = picture[:height, :width].reshape(height // rows, rows, width // columns, columns, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _oklch(rgb: Floats) -> _Pixels:
    encoded = rgb / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ _TO_LMS.T) @ _TO_OKLAB.T
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return _Pixels(
        lightness=lab[..., 0],
        chroma=chroma,
        hue_deg=np.degrees(np.arctan2(lab[..., 2], lab[..., 1])),
        saturation=chroma / np.maximum(lab[..., 0], 0.1),
    )


def _within(values: Floats, bounds: Range, edge: float) -> Floats:
    """1 inside the bounds, falling to 0 at `edge` outside them."""
    distance = np.maximum(bounds[0] - values, values - bounds[1])
    return np.asarray(np.clip(1.0 - distance / edge, 0.0, 1.0))


def _membership(pixels: _Pixels, box: _Box) -> Floats:
    light = _within(pixels.lightness, box.lightness, _LIGHTNESS_EDGE)
    saturated = _within(pixels.saturation, box.saturation, _SATURATION_EDGE)
    if box.name in _WITHOUT_HUE:
        return np.asarray(light * saturated)
    centre = (box.hue[0] + box.hue[1]) / 2
    hue = (pixels.hue_deg - centre + 180) % 360 - 180 + centre
    low, high = box.chroma_floor
    coloured = np.clip((pixels.chroma - low) / (high - low), 0.0, 1.0)
    return np.asarray(light * saturated * coloured * _within(hue, box.hue, _HUE_EDGE_DEG))


def _memberships(pixels: _Pixels) -> dict[str, Floats]:
    """How much each pixel is of each colour, 0–1; colours may overlap."""
    dark = float(pixels.lightness.mean()) < _DARK_LIGHTNESS
    best: dict[str, Floats] = {}
    for box in (*_BOXES, _WHITE_IN_THE_DARK) if dark else _BOXES:
        membership = _membership(pixels, box)
        best[box.name] = np.maximum(best.get(box.name, membership), membership)
    best["blue_or_green"] = np.maximum.reduce([best["blue"], best["green"], best["teal"]])
    return best


def _colour_presence(name: str, membership: Floats, *, dark: bool) -> float:
    """By area; but a picture full of what is hardly orange is not plainly orange."""
    share = float(membership.mean())
    if share < 1e-4:
        return -1.0
    common = name in _COMMON_COLOURS and not (name == "white" and dark)
    shares, presences = _COMMON if common else _RARE
    typical = float(np.square(membership).mean()) / share
    by_area = float(np.interp(np.log(share), np.log(shares), presences))
    return min(by_area, _ramp(typical, (0.3, -1.0), (0.5, -0.2), (0.75, 0.8), (0.9, 1.0)))


def _ramp(value: float, *points: tuple[float, float]) -> float:
    at, result = zip(*points, strict=True)
    return float(np.interp(value, at, result))


def _light(pixels: _Pixels, *, white_share: float) -> dict[str, float]:
    """Presences of the axes of light."""
    lightness = pixels.lightness
    mean = float(lightness.mean())
    contrast = float(lightness.std())
    shadow = float((lightness < 0.35).mean())
    dark = min(
        _ramp(mean, (0.28, 1.0), (0.36, 0.6), (0.44, 0.0), (0.54, -1.0)),
        _ramp(shadow, (0.35, -1.0), (0.55, 0.0), (0.70, 0.6), (0.85, 1.0)),
    )
    bright = _ramp(mean, (0.50, -1.0), (0.60, 0.0), (0.68, 0.6), (0.80, 1.0))
    # Black between two scenes is not night, and a white page is not day.
    content = max(
        _ramp(contrast, (0.01, -1.0), (0.03, 0.2), (0.06, 1.0)),
        _ramp(mean, (0.06, -1.0), (0.12, 0.2), (0.18, 1.0)),
    )
    paper = _ramp(white_share, (0.35, 1.0), (0.60, 0.1), (0.80, -0.4))
    return {
        "dark": dark,
        "night": min(dark, content),
        "bright": bright,
        "day": min(_ramp(mean, (0.46, -1.0), (0.54, 0.0), (0.62, 0.7), (0.70, 1.0)), paper),
        "sunset": _sunset(pixels, mean, contrast),
        "neon": min(dark, _neon_lights(pixels)),
        "vivid": _vividness(pixels),
        "monochrome": _monochrome(pixels, contrast),
    }


def _sunset(pixels: _Pixels, mean: float, contrast: float) -> float:
    """A glow of red to yellow across the upper part that darkens below or sweeps across the sky."""
    glow = _warm(pixels)
    sky, land = max(len(glow) * 2 // 3, 1), max(len(glow) // 4, 1)
    fall = float(pixels.lightness[:sky].mean() - pixels.lightness[-land:].mean())
    darkening = min(
        _ramp(contrast, (0.03, -1.0), (0.07, 0.0), (0.12, 1.0)),
        _ramp(fall, (-0.05, -1.0), (0.04, 0.0), (0.15, 1.0)),
    )
    sweeping = _ramp(_sweep(pixels), (0.045, -1.0), (0.065, 0.2), (0.11, 1.0))
    return min(
        _ramp(float(glow[:sky].mean()), (0.10, -1.0), (0.25, 0.0), (0.45, 0.7), (0.70, 1.0)),
        max(darkening, sweeping),
        _ramp(mean, (0.20, -1.0), (0.30, 0.6), (0.84, 1.0), (0.92, -1.0)),
    )


def _sweep(pixels: _Pixels) -> float:
    """How far the colour travels from the top to two thirds down, in OKLab."""
    hue = np.radians(pixels.hue_deg)
    lab = np.stack(
        [pixels.lightness, pixels.chroma * np.cos(hue), pixels.chroma * np.sin(hue)], axis=-1
    )
    rows = lab.mean(axis=1)
    band = max(len(rows) // 6, 1)
    middle = rows[len(rows) * 2 // 3 - band : max(len(rows) * 2 // 3, 1)]
    return float(np.linalg.norm(rows[:band].mean(axis=0) - middle.mean(axis=0)))


def _warm(pixels: _Pixels) -> Floats:
    box = _Box(name="warm", hue=(10, 84), lightness=(0.45, 0.95), saturation=(0.13, 9))
    return _membership(pixels, box)


def _neon_lights(pixels: _Pixels) -> float:
    """Small, bright, strong colours of at least two kinds."""
    lit = (pixels.lightness > 0.5) & (pixels.chroma > 0.15)
    share = float(lit.mean())
    kinds = np.bincount((pixels.hue_deg[lit] % 360 // 60).astype(int), minlength=6)
    several = int((kinds > 0.15 * max(kinds.sum(), 1)).sum())
    area = _ramp(share, (0.002, -1.0), (0.01, 0.2), (0.04, 1.0))
    return area if several >= 2 else min(area, -0.5)


def _vividness(pixels: _Pixels) -> float:
    """Strong colour over much of the picture, of at least three kinds."""
    strong = pixels.chroma > 0.11
    kinds = np.bincount((pixels.hue_deg[strong] % 360 // 45).astype(int), minlength=8)
    several = int((kinds > 0.05 * strong.size).sum())
    area = _ramp(float(strong.mean()), (0.15, -1.0), (0.35, 0.1), (0.55, 0.7), (0.80, 1.0))
    return min(area, _ramp(several, (1, -1.0), (2, -0.2), (3, 0.5), (4, 1.0)))


def _monochrome(pixels: _Pixels, contrast: float) -> float:
    """No colour anywhere, yet something to see."""
    coloured = float((pixels.chroma > 0.03).mean())
    return min(
        _ramp(coloured, (0.0, 1.0), (0.01, 0.7), (0.03, 0.0), (0.08, -1.0)),
        _ramp(contrast, (0.05, -1.0), (0.10, 0.5), (0.16, 1.0)),
    )
