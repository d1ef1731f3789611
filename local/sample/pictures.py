"""The drawn pictures of the sample video."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

#: Pictures are drawn wider than the video, so that a slow pan gives motion without redrawing.
WIDTH_PX, HEIGHT_PX, PAN_PX = 960, 540, 48

RGB = tuple[int, int, int]
Draw = ImageDraw.ImageDraw
_CANVAS = (WIDTH_PX + PAN_PX, HEIGHT_PX)


def red_car_at_night(draw: Draw) -> None:
    """A red car on a dark street under a few lit windows."""
    _gradient(draw, top=(4, 6, 20), bottom=(14, 16, 34))
    for x in range(60, 1000, 140):
        draw.rectangle((x, 60, x + 90, 330), fill=(12, 13, 26))
        draw.rectangle((x + 20, 100, x + 36, 122), fill=(120, 105, 50))
    draw.rectangle((0, 400, _CANVAS[0], HEIGHT_PX), fill=(16, 16, 20))
    draw.rounded_rectangle((330, 310, 700, 410), radius=30, fill=(200, 16, 20))
    draw.polygon([(410, 312), (460, 250), (590, 250), (640, 312)], fill=(175, 12, 18))
    for x in (400, 630):
        draw.ellipse((x - 34, 380, x + 34, 448), fill=(8, 8, 8))
    draw.ellipse((684, 335, 712, 363), fill=(255, 240, 190))


def green_field_at_noon(draw: Draw) -> None:
    """A bright sky over a green field."""
    _gradient(draw, top=(150, 205, 255), bottom=(215, 238, 255), until=200)
    draw.ellipse((780, 30, 860, 110), fill=(255, 250, 210))
    draw.rectangle((0, 200, _CANVAS[0], HEIGHT_PX), fill=(70, 190, 60))
    for x in range(0, _CANVAS[0], 36):
        draw.line((x, HEIGHT_PX, x + 12, 215), fill=(55, 170, 50), width=5)


def orange_sunset(draw: Draw) -> None:
    """A low sun over the sea."""
    _gradient(draw, top=(250, 130, 40), bottom=(255, 190, 80), until=330)
    draw.ellipse((420, 240, 560, 380), fill=(255, 225, 130))
    draw.rectangle((0, 330, _CANVAS[0], HEIGHT_PX), fill=(190, 90, 40))
    for y in range(350, HEIGHT_PX, 28):
        draw.line((380, y, 600, y), fill=(255, 190, 90), width=6)


def white_snow(draw: Draw) -> None:
    """A snow field under a pale sky."""
    _gradient(draw, top=(225, 232, 240), bottom=(250, 250, 252))
    draw.polygon([(0, 360), (300, 250), (620, 340), (1008, 260), (1008, 540), (0, 540)],
                 fill=(252, 252, 253))  # fmt: skip
    for x in (180, 520, 800):
        draw.line((x, 330, x, 420), fill=(150, 150, 155), width=8)


def blue_boat(draw: Draw) -> None:
    """A blue boat on a blue lake by day."""
    _gradient(draw, top=(170, 215, 250), bottom=(120, 180, 240), until=240)
    draw.rectangle((0, 240, _CANVAS[0], HEIGHT_PX), fill=(25, 90, 200))
    draw.polygon([(300, 330), (720, 330), (650, 420), (370, 420)], fill=(10, 40, 150))
    draw.line((510, 330, 510, 130), fill=(235, 235, 235), width=8)
    draw.polygon([(518, 140), (518, 310), (660, 310)], fill=(240, 244, 250))


def purple_stage(draw: Draw) -> None:
    """A stage in purple light."""
    _gradient(draw, top=(60, 10, 110), bottom=(120, 40, 190))
    for x in (200, 480, 760):
        draw.polygon([(x, 0), (x - 120, 430), (x + 120, 430)], fill=(150, 70, 220))
    draw.rectangle((0, 430, _CANVAS[0], HEIGHT_PX), fill=(70, 20, 120))


def brown_forest(draw: Draw) -> None:
    """A forest path with brown trunks, for the long take."""
    _gradient(draw, top=(150, 115, 75), bottom=(110, 75, 45))
    for x in range(30, _CANVAS[0], 110):
        draw.rectangle((x, 0, x + 42, 440), fill=(92, 58, 30))
    draw.polygon([(380, 540), (620, 540), (520, 330), (480, 330)], fill=(170, 130, 85))


def slide(title: str, line: str, ink: RGB = (20, 25, 60)) -> Callable[[Draw], None]:
    """A white slide with a title and a line of text."""

    def draw_slide(draw: Draw) -> None:
        draw.rectangle((0, 0, *_CANVAS), fill=(246, 246, 240))
        draw.rectangle((0, 0, _CANVAS[0], 24), fill=ink)
        draw.text((90, 150), title, fill=ink, font=ImageFont.load_default(64))
        draw.text((90, 290), line, fill=(60, 60, 60), font=ImageFont.load_default(42))

    return draw_slide


def render(picture: Callable[[Draw], None]) -> npt.NDArray[np.uint8]:
    """Draw a picture: (540, 1008, 3) uint8 RGB."""
    image = Image.new("RGB", _CANVAS)
    picture(ImageDraw.Draw(image))
    return np.asarray(image)


def _gradient(draw: Draw, *, top: RGB, bottom: RGB, until: int = HEIGHT_PX) -> None:
    for y in range(until):
        mix = y / until
        colour = tuple(round(a + (b - a) * mix) for a, b in zip(top, bottom, strict=True))
        draw.line((0, y, _CANVAS[0], y), fill=colour)
