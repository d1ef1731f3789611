"""Draws the pictures of the labelled library: a setting, a few things in colour, a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

#: The canvas is a little wider than the video, for a slow pan.
WIDTH_PX, HEIGHT_PX, PAN_PX = 480, 270, 16
_CANVAS = (WIDTH_PX + PAN_PX, HEIGHT_PX)

RGB = tuple[int, int, int]
Draw = ImageDraw.ImageDraw


@dataclass(frozen=True)
class _Setting:
    """Sky or wall, as a gradient, and ground or floor."""

    top: RGB
    bottom: RGB
    ground: RGB
    #: Where the ground begins, px from the top.
    horizon: int = 180


_SETTINGS: Mapping[str, _Setting] = MappingProxyType(
    {
        "night street": _Setting((5, 6, 16), (14, 15, 28), (18, 18, 21)),
        "night sky": _Setting((4, 5, 22), (10, 12, 34), (6, 7, 12), 235),
        "dark room": _Setting((14, 12, 12), (22, 19, 18), (12, 11, 10), 210),
        "street": _Setting((205, 220, 235), (225, 232, 240), (120, 120, 122)),
        "field": _Setting((165, 210, 250), (215, 236, 252), (80, 180, 70), 130),
        "lake": _Setting((190, 222, 248), (215, 234, 250), (60, 115, 190), 140),
        "sea": _Setting((160, 210, 245), (205, 230, 250), (30, 100, 190), 120),
        "sunset": _Setting((245, 125, 45), (255, 195, 90), (95, 50, 40), 190),
        "snow": _Setting((222, 228, 236), (240, 243, 247), (250, 250, 252), 150),
        "forest": _Setting((140, 110, 75), (105, 75, 48), (95, 70, 40), 220),
        "rain": _Setting((120, 124, 130), (150, 153, 157), (100, 102, 104)),
        "room": _Setting((226, 212, 186), (220, 204, 176), (125, 85, 50), 200),
        "kitchen": _Setting((236, 236, 232), (228, 228, 224), (165, 165, 165), 195),
        "white room": _Setting((244, 244, 244), (236, 236, 236), (190, 190, 188), 215),
        "brown room": _Setting((120, 82, 48), (105, 70, 40), (80, 52, 30), 205),
        "red room": _Setting((175, 25, 30), (150, 20, 26), (70, 30, 28), 215),
        "pink room": _Setting((250, 170, 200), (246, 155, 190), (215, 200, 200), 215),
        "yellow room": _Setting((250, 215, 70), (245, 205, 55), (150, 120, 70), 215),
        "blue room": _Setting((60, 115, 220), (50, 100, 205), (160, 160, 165), 215),
        "teal room": _Setting((20, 150, 150), (10, 130, 132), (60, 66, 66), 215),
        "stage": _Setting((62, 12, 110), (125, 45, 190), (68, 20, 115), 215),
        "slide": _Setting((247, 247, 243), (247, 247, 243), (225, 225, 225), 255),
        "chalkboard": _Setting((30, 62, 48), (28, 58, 45), (92, 62, 36), 250),
    }
)
_COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (205, 18, 24),
        "orange": (245, 135, 25),
        "yellow": (250, 215, 40),
        "green": (40, 155, 60),
        "teal": (0, 150, 150),
        "blue": (30, 85, 220),
        "purple": (130, 50, 190),
        "pink": (245, 110, 175),
        "brown": (110, 70, 35),
        "black": (10, 10, 12),
        "grey": (128, 128, 128),
        "white": (250, 250, 250),
    }
)


def render(picture: Sequence[str], screen: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw a shot: (270, 496, 3) uint8 RGB.

    Args:
        picture: a setting, then things, each a colour and a shape ("red boat").
        screen: lines of on-screen text.

    Raises:
        KeyError: a setting, colour or shape that there is not.
    """
    image = Image.new("RGB", _CANVAS)
    draw = ImageDraw.Draw(image)
    setting, *things = picture
    _scenery(draw, setting)
    for place, thing in enumerate(things):
        colour, shape = thing.split()
        # Side by side, the first in the middle.
        _SHAPES[shape](draw, _COLOURS[colour], 250 + (0, 125, -125)[place])
    _write(draw, setting, screen)
    return np.asarray(image)


def _scenery(draw: Draw, name: str) -> None:
    setting = _SETTINGS[name]
    for y in range(setting.horizon):
        mix = y / setting.horizon
        mixed = [round(a + (b - a) * mix) for a, b in zip(setting.top, setting.bottom, strict=True)]
        draw.line((0, y, _CANVAS[0], y), fill=(mixed[0], mixed[1], mixed[2]))
    draw.rectangle((0, setting.horizon, *_CANVAS), fill=setting.ground)
    if name == "sunset":
        draw.ellipse((60, 120, 130, 190), fill=(255, 225, 130))
    if name == "night sky":
        for star in range(40):
            x, y = star * 97 % _CANVAS[0], star * 61 % 220
            draw.ellipse((x, y, x + 2, y + 2), fill=(220, 220, 230))
    if name == "night street":
        for x in range(20, _CANVAS[0], 95):
            draw.rectangle((x, 40, x + 60, 180), fill=(10, 11, 20))
    if name == "forest":
        for x in range(10, _CANVAS[0], 60):
            draw.rectangle((x, 0, x + 22, 230), fill=(88, 56, 30))
    if name == "rain":
        for x in range(0, _CANVAS[0], 18):
            draw.line((x, x * 7 % 120, x - 8, x * 7 % 120 + 40), fill=(185, 190, 196), width=2)


def _write(draw: Draw, setting: str, lines: Sequence[str]) -> None:
    """A slide's or a board's text, or a sign at the top of the picture."""
    if not lines:
        return
    big, small = ImageFont.load_default(36), ImageFont.load_default(26)
    chalk = setting == "chalkboard"
    if setting not in ("slide", "chalkboard"):
        draw.rectangle((20, 10, 470, 100), fill=(248, 248, 244), outline=(30, 30, 30), width=3)
    top = 70 if setting in ("slide", "chalkboard") else 14
    for place, line in enumerate(lines):
        ink = (240, 240, 235) if chalk else (20, 25, 60)
        draw.text((36, top + place * 46), line, fill=ink, font=small if place else big)


def _car(draw: Draw, colour: RGB, x: int) -> None:
    draw.rounded_rectangle((x - 90, 160, x + 90, 210), radius=14, fill=colour)
    draw.polygon([(x - 50, 162), (x - 28, 128), (x + 30, 128), (x + 55, 162)], fill=colour)
    _wheels(draw, x, 55)


def _bus(draw: Draw, colour: RGB, x: int) -> None:
    draw.rounded_rectangle((x - 110, 115, x + 110, 212), radius=10, fill=colour)
    for left in range(x - 95, x + 80, 45):
        draw.rectangle((left, 128, left + 30, 155), fill=(60, 66, 74))
    _wheels(draw, x, 65)


def _train(draw: Draw, colour: RGB, x: int) -> None:
    for left in (x - 200, x - 60, x + 80):
        draw.rounded_rectangle((left, 125, left + 132, 200), radius=8, fill=colour)
        for window in range(left + 14, left + 110, 38):
            draw.rectangle((window, 138, window + 22, 160), fill=(60, 66, 74))


def _wheels(draw: Draw, x: int, apart: int) -> None:
    for centre in (x - apart, x + apart):
        draw.ellipse((centre - 17, 194, centre + 17, 228), fill=(12, 12, 12))


def _boat(draw: Draw, colour: RGB, x: int) -> None:
    draw.polygon([(x - 110, 165), (x + 110, 165), (x + 75, 220), (x - 75, 220)], fill=colour)
    draw.line((x, 165, x, 80), fill=(70, 55, 40), width=5)


def _person(draw: Draw, colour: RGB, x: int) -> None:
    draw.ellipse((x - 22, 70, x + 22, 114), fill=(214, 170, 140))
    draw.rounded_rectangle((x - 42, 114, x + 42, 240), radius=22, fill=colour)


def _dog(draw: Draw, colour: RGB, x: int) -> None:
    draw.ellipse((x - 70, 150, x + 50, 210), fill=colour)
    draw.ellipse((x + 30, 120, x + 85, 172), fill=colour)
    for leg in (x - 52, x + 26):
        draw.rectangle((leg, 195, leg + 14, 240), fill=colour)


def _tree(draw: Draw, colour: RGB, x: int) -> None:
    draw.rectangle((x - 10, 150, x + 10, 240), fill=(100, 66, 36))
    draw.ellipse((x - 65, 60, x + 65, 175), fill=colour)


def _flower(draw: Draw, colour: RGB, x: int) -> None:
    draw.line((x, 150, x, 245), fill=(50, 130, 50), width=8)
    for dx, dy in ((0, -34), (32, -10), (20, 28), (-20, 28), (-32, -10)):
        draw.ellipse((x + dx - 28, 120 + dy - 28, x + dx + 28, 120 + dy + 28), fill=colour)


def _balloon(draw: Draw, colour: RGB, x: int) -> None:
    draw.line((x, 160, x - 6, 250), fill=(90, 90, 90), width=2)
    draw.ellipse((x - 48, 50, x + 48, 165), fill=colour)


def _umbrella(draw: Draw, colour: RGB, x: int) -> None:
    draw.pieslice((x - 95, 75, x + 95, 265), 180, 360, fill=colour)
    draw.line((x, 165, x, 245), fill=(90, 90, 90), width=5)


def _lamp(draw: Draw, colour: RGB, x: int) -> None:
    draw.ellipse((x - 45, 70, x + 45, 160), fill=colour)
    draw.line((x, 160, x, 240), fill=(60, 60, 60), width=6)


def _pot(draw: Draw, colour: RGB, x: int) -> None:
    draw.rounded_rectangle((x - 75, 130, x + 75, 225), radius=18, fill=colour)
    draw.rectangle((x - 95, 145, x + 95, 158), fill=colour)


def _cup(draw: Draw, colour: RGB, x: int) -> None:
    draw.rounded_rectangle((x - 42, 140, x + 42, 222), radius=10, fill=colour)
    draw.arc((x + 30, 152, x + 75, 200), 270, 90, fill=colour, width=9)


def _tent(draw: Draw, colour: RGB, x: int) -> None:
    draw.polygon([(x - 120, 232), (x, 105), (x + 120, 232)], fill=colour)
    draw.polygon([(x - 22, 232), (x, 165), (x + 22, 232)], fill=(30, 28, 28))


def _house(draw: Draw, colour: RGB, x: int) -> None:
    draw.rectangle((x - 85, 150, x + 85, 235), fill=colour)
    draw.polygon([(x - 105, 152), (x, 104), (x + 105, 152)], fill=(90, 60, 45))


def _box(draw: Draw, colour: RGB, x: int) -> None:
    draw.rectangle((x - 65, 120, x + 65, 230), fill=colour)


def _ball(draw: Draw, colour: RGB, x: int) -> None:
    draw.ellipse((x - 55, 110, x + 55, 220), fill=colour)


_SHAPES: Mapping[str, Callable[[Draw, RGB, int], None]] = MappingProxyType(
    {
        "car": _car,
        "bus": _bus,
        "train": _train,
        "boat": _boat,
        "person": _person,
        "dog": _dog,
        "tree": _tree,
        "flower": _flower,
        "balloon": _balloon,
        "umbrella": _umbrella,
        "lamp": _lamp,
        "pot": _pot,
        "cup": _cup,
        "tent": _tent,
        "house": _house,
        "box": _box,
        "ball": _ball,
    }
)
