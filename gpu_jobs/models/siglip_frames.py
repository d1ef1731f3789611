"""Frames as SigLIP takes them: scaled to a square and to the range of its training.

What the `preprocessor_config.json` of a checkpoint says is done as transformers' image processor
does it with Pillow. Scaling happens in 8 bits on the CPU, the rest where the model computes: a
quarter of the bytes travel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from common.errors import ConfigError
from gpu_jobs.models.jpeg import pixels

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class FramePreparation:
    """What is done to a frame before the model sees it."""

    height_px: int
    width_px: int
    #: Pillow's number of the filter: SigLIP 2 was trained with bilinear (2), SigLIP with bicubic
    #: (3) scaling.
    resample: Image.Resampling
    #: Multiplies values of 0–255.
    factor: float
    #: Per channel, RGB, after `factor`.
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def read(cls, path: Path) -> FramePreparation:
        """Read a `preprocessor_config.json`.

        Raises:
            ConfigError: it asks for something else than scaling to a fixed size, multiplying and
                normalising.
        """
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            wanted = ("do_resize", "do_rescale", "do_normalize")
            if not all(config.get(each, True) for each in wanted) or config.get("do_center_crop"):
                raise ValueError("unknown steps")
            red, green, blue = (float(value) for value in config["image_mean"])
            of_red, of_green, of_blue = (float(value) for value in config["image_std"])
            return cls(
                height_px=int(config["size"]["height"]),
                width_px=int(config["size"]["width"]),
                resample=Image.Resampling(config["resample"]),
                factor=float(config["rescale_factor"]),
                mean=(red, green, blue),
                std=(of_red, of_green, of_blue),
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}: not the preprocessing of a SigLIP checkpoint") from error

    def scale(self, jpeg: bytes) -> Picture:
        """Decode and scale one frame; its shape is not kept, as in training.

        The frame is decoded at its full size: a faster, coarser decoding gives other values.

        Returns:
            (height_px, width_px, 3) RGB.

        Raises:
            ContractError: the bytes are not a JPEG.
        """
        picture = Image.fromarray(pixels(jpeg))
        return np.asarray(picture.resize((self.width_px, self.height_px), self.resample))

    def normalise(self, pictures: Any) -> Any:
        """Bring pictures into the range of the training, on the device they are on.

        Args:
            pictures: torch.uint8 (n, height_px, width_px, 3) RGB.

        Returns:
            torch.float32 (n, 3, height_px, width_px).
        """
        import torch

        values = pictures.to(torch.float32) * self.factor
        # Plain numbers: a tensor of them would be copied to the GPU, which waits for its work.
        channels = [
            (values[..., place] - mean) / std
            for place, (mean, std) in enumerate(zip(self.mean, self.std, strict=True))
        ]
        return torch.stack(channels, dim=1)


class PreparedAhead(Sequence[Picture]):
    """Frames that are prepared on a few threads before they are asked for.

    A slice waits for its own frames, while those behind it are being prepared. A slice may begin
    again where the last one began (a batch that did not fit), never before it.
    """

    def __init__(
        self,
        jpegs: Sequence[bytes],
        prepare: Callable[[bytes], Picture],
        *,
        pool: ThreadPoolExecutor,
        ahead: int,
    ) -> None:
        """Begin with the first `ahead` frames.

        Args:
            jpegs: the frames.
            prepare: a frame to what a slice holds.
            pool: the threads.
            ahead: how many frames beyond a slice are prepared; bounds the memory.
        """
        self._jpegs, self._prepare, self._pool, self._ahead = jpegs, prepare, pool, ahead
        self._waiting: dict[int, Future[Picture]] = {}
        self._reach(0, ahead)

    def __len__(self) -> int:
        return len(self._jpegs)

    @overload
    def __getitem__(self, place: int) -> Picture: ...

    @overload
    def __getitem__(self, place: slice) -> list[Picture]: ...

    def __getitem__(self, place: int | slice) -> Picture | list[Picture]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        start, stop, _ = place.indices(len(self))
        self._reach(start, stop + self._ahead)
        return [self._waiting[each].result() for each in range(start, stop)]

    def cancel(self) -> None:
        """Give up what has not begun."""
        for future in self._waiting.values():
            future.cancel()

    def _reach(self, start: int, stop: int) -> None:
        for done in [each for each in self._waiting if each < start]:
            del self._waiting[done]
        for place in range(start, min(stop, len(self))):
            if place not in self._waiting:
                self._waiting[place] = self._pool.submit(self._prepare, self._jpegs[place])
