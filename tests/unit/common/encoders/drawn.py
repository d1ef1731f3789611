"""Drawn pictures with known colours and light: gradients, noise, blur and JPEG, all random."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Picture = npt.NDArray[np.uint8]
Rgb = tuple[float, float, float]

WIDTH_PX, HEIGHT_PX = 480, 270
PAINT: dict[str, Rgb] = {
    "red": (212, 24, 28),
    "orange": (246, 138, 18),
    "yellow": (250, 214, 30),
    "green": (38, 150, 55),
    "blue": (35, 80, 220),
    "purple": (138, 48, 182),
    "pink": (250, 118, 172),
    "white": (246, 246, 246),
}
NIGHT_SKIES: tuple[Rgb, ...] = ((8, 10, 28), (4, 4, 6), (14, 16, 34), (10, 10, 14))
DAY_SKIES: tuple[Rgb, ...] = ((120, 186, 240), (150, 203, 245), (200, 212, 222), (172, 188, 205))


def car(rng: np.random.Generator, colour: str, *, night: bool, area: float = 0.0) -> Picture:
    """A street with buildings and one car; the body fills `area` (else 3–10 %) of the picture."""
    draw = _canvas(
        rng, NIGHT_SKIES if night else DAY_SKIES, (24, 24, 32) if night else (215, 220, 226)
    )
    horizon = HEIGHT_PX * rng.uniform(0.5, 0.65)
    ground = (30, 30, 33) if night else (132, 131, 128)
    draw.rectangle((0, horizon, WIDTH_PX, HEIGHT_PX), fill=_vary(rng, ground))
    for _ in range(rng.integers(2, 7)):
        _building(rng, draw, horizon, night=night)
    if night and rng.random() < 0.6:
        _disc(draw, rng.uniform(20, 440), rng.uniform(20, 60), 9, (235, 232, 210))
    paint = _vary(rng, PAINT[colour], rng.uniform(0.6, 1.0) if night else rng.uniform(0.85, 1.05))
    _body(rng, draw, paint, area or rng.uniform(0.03, 0.10))
    return _finish(rng, draw)


def field(rng: np.random.Generator) -> Picture:
    """A green field under a noon sky."""
    draw = _canvas(rng, ((110, 180, 240),), (190, 222, 248))
    horizon = int(HEIGHT_PX * rng.uniform(0.3, 0.55))
    grass = PAINT["green"] if rng.random() < 0.3 else (76, 156, 60)
    shade = rng.uniform(0.9, 1.1)
    for y in range(horizon, HEIGHT_PX):
        depth = (y - horizon) / (HEIGHT_PX - horizon)
        draw.line((0, y, WIDTH_PX, y), fill=_scaled(grass, shade * (0.85 + 0.3 * depth)))
    return _finish(rng, draw)


def wall(rng: np.random.Generator, colour: str, *, bright: bool) -> Picture:
    """One colour all over."""
    paint = _scaled(PAINT[colour], rng.uniform(0.95, 1.1) if bright else rng.uniform(0.2, 0.28))
    return _finish(rng, _canvas(rng, (paint,), paint))


def sunset(rng: np.random.Generator) -> Picture:
    """A glowing sky over dark land."""
    tops: tuple[Rgb, ...] = ((250, 120, 50), (215, 90, 80), (235, 140, 70))
    draw = _canvas(rng, tops, (255, 190, 80))
    horizon = HEIGHT_PX * rng.uniform(0.62, 0.75)
    draw.rectangle((0, horizon, WIDTH_PX, HEIGHT_PX), fill=_vary(rng, (40, 28, 35)))
    _disc(draw, rng.uniform(80, 400), horizon - 20, 20, (255, 235, 160))
    return _finish(rng, draw)


def glow(rng: np.random.Generator) -> Picture:
    """The sky of a sunset alone, from orange to gold, with a pale sun."""
    draw = _canvas(rng, ((250, 112, 36), (242, 92, 60)), (253, 192, 86))
    _disc(draw, rng.uniform(80, 400), rng.uniform(80, 180), 22, (250, 226, 150))
    return _finish(rng, draw)


def slide(rng: np.random.Generator, *, dark: bool) -> Picture:
    """Bars of text on a plain page."""
    page: Rgb = (20, 20, 24) if dark else (246, 246, 244)
    draw = _canvas(rng, (page,), page)
    for line in range(rng.integers(2, 7)):
        ink = (232, 232, 232) if dark else (25, 25, 30)
        draw.rectangle((50, 50 + line * 28, rng.uniform(150, 400), 59 + line * 28), fill=ink)
    return _finish(rng, draw)


def room(rng: np.random.Generator) -> Picture:
    """A person in a room by lamplight: skin, wood, hair, cloth."""
    draw = _canvas(rng, ((150, 125, 100),), (95, 75, 58))
    x = rng.uniform(80, 300)
    draw.ellipse((x, 40, x + 70, 130), fill=_vary(rng, (215, 165, 135)))
    draw.ellipse((x - 2, 30, x + 72, 75), fill=(35, 25, 20))
    draw.rectangle((x - 40, 130, x + 110, HEIGHT_PX), fill=_vary(rng, (90, 95, 108)))
    return _finish(rng, draw)


def _canvas(rng: np.random.Generator, tops: tuple[Rgb, ...], bottom: Rgb) -> ImageDraw.ImageDraw:
    top = tops[int(rng.integers(len(tops)))]
    weight = np.linspace(0, 1, HEIGHT_PX)[:, None, None]
    rows = np.asarray(_vary(rng, top)) * (1 - weight) + np.asarray(_vary(rng, bottom)) * weight
    sky = np.broadcast_to(rows, (HEIGHT_PX, WIDTH_PX, 3)).clip(0, 255).astype(np.uint8)
    return ImageDraw.Draw(Image.fromarray(sky))


def _building(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, horizon: float, *, night: bool
) -> None:
    x, width, top = rng.uniform(0, WIDTH_PX), rng.uniform(25, 80), horizon - rng.uniform(30, 110)
    front = (22, 22, 27) if night else (165, 162, 158)
    draw.rectangle((x, top, x + width, horizon), fill=_vary(rng, front))
    for _ in range(rng.integers(0, 7) if night else 0):
        left, high = rng.uniform(x, x + width - 6), rng.uniform(top, horizon - 6)
        draw.rectangle((left, high, left + 4, high + 5), fill=_vary(rng, (240, 216, 142)))


def _body(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, paint: tuple[int, ...], area: float
) -> None:
    """Painted parts fill about 0.62 of the box around the car."""
    width = (area * WIDTH_PX * HEIGHT_PX / 0.62 * 2.2) ** 0.5
    height = width / 2.2
    x = rng.uniform(10, WIDTH_PX - width - 10)
    y = rng.uniform(HEIGHT_PX * 0.4, HEIGHT_PX - height - 10)
    roof = ((0.18, 0.42), (0.32, 0.0), (0.72, 0.0), (0.88, 0.42))
    glass = ((0.28, 0.38), (0.36, 0.08), (0.5, 0.08), (0.5, 0.38))
    draw.rectangle((x, y + height * 0.4, x + width, y + height * 0.88), fill=paint)
    draw.polygon([(x + width * a, y + height * b) for a, b in roof], fill=paint)
    draw.polygon([(x + width * a, y + height * b) for a, b in glass], fill=(60, 70, 85))
    for wheel in (0.22, 0.78):
        _disc(draw, x + width * wheel, y + height * 0.86, height * 0.17, (20, 20, 22))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Rgb) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, fill=_scaled(fill, 1))


def _scaled(colour: Rgb, factor: float) -> tuple[int, int, int]:
    red, green, blue = (min(max(round(part * factor), 0), 255) for part in colour)
    return red, green, blue


def _vary(rng: np.random.Generator, colour: Rgb, factor: float = 1.0) -> tuple[int, int, int]:
    """The colour a little lighter or darker, and a little off."""
    red, green, blue = (part + rng.normal(0, 3) for part in colour)
    return _scaled((red, green, blue), factor * rng.uniform(0.94, 1.06))


def _finish(rng: np.random.Generator, draw: ImageDraw.ImageDraw) -> Picture:
    """Sensor noise, a dark rim, perhaps blur, and JPEG."""
    pixels = np.asarray(draw._image, dtype=np.float64)
    grain = rng.normal(0, rng.uniform(2, 9), (HEIGHT_PX, WIDTH_PX, 1))
    colour_grain = rng.normal(0, rng.uniform(0.1, 4), pixels.shape)
    y, x = np.mgrid[-0.5 : 0.5 : HEIGHT_PX * 1j, -0.5 : 0.5 : WIDTH_PX * 1j]
    rim = 1 - rng.uniform(0, 0.5) * (x**2 + y**2)
    noisy = ((pixels + grain + colour_grain) * rim[..., None]).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noisy)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=int(rng.integers(55, 92)))
    return np.asarray(Image.open(stored).convert("RGB"))
