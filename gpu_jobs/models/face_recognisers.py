"""What tells faces apart: aligned crops to vectors, with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from common import log
from common.errors import ConfigError, PermanentError
from gpu_jobs.models.device import Device, in_batches
from gpu_jobs.models.face_alignment import CROP_PX

#: Length of a face's vector in Heimdex.
DIMENSIONS: Final = 512
#: Crops at once; a picture rarely has as many faces.
_BATCH: Final = 32

Crops = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]


class Recogniser(Protocol):
    """Aligned faces to vectors."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def licence(self) -> str:
        """SPDX identifier of the weights' licence; "NOASSERTION" if there is none."""

    def embed(self, crops: Crops) -> Vectors:
        """(n, 112, 112, 3) RGB to (n, 512) float32, L2-normalised, zero-padded."""


class _OnnxRecogniser:
    """What the recognisers share.

    Args:
        file: verified ONNX with one input of (n, 3, 112, 112); its first output is (n, d).
        device: where to compute; without ONNX Runtime's CUDA provider the CPU does it.

    Raises:
        ConfigError: the file is missing, or is no such model.
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    #: Length of the model's own vectors.
    dimensions: ClassVar[int]

    def __init__(self, file: Path, device: Device) -> None:
        self._session = _session(file, device)
        self._output = self._session.get_outputs()[0].name
        self._batch = self._batch_size(file)

    def embed(self, crops: Crops) -> Vectors:
        """Make vectors of faces.

        Args:
            crops: (n, 112, 112, 3) RGB, as `face_alignment.align` cuts them.

        Returns:
            (n, 512) float32, L2-normalised; what the model leaves over is 0.

        Raises:
            PermanentError: the model failed, or its vectors have no direction (`stage_failed`).
            TransientError: `stage_failed`, memory ran out.
        """
        vectors = np.zeros((len(crops), DIMENSIONS), dtype=np.float32)
        if len(crops) == 0:
            return vectors
        parts = in_batches(list(crops), self._batch, self._run)
        raw = np.concatenate(parts).astype(np.float64)
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise PermanentError("stage_failed", f"{self.name}: vectors without direction")
        vectors[:, : self.dimensions] = raw / norms
        return vectors

    def prepare(self, crops: Crops) -> npt.NDArray[np.float32]:
        """(n, 112, 112, 3) RGB to what the model takes, (n, 3, 112, 112) float32."""
        raise NotImplementedError

    def _run(self, crops: Sequence[Any]) -> npt.NDArray[np.float32]:
        blob = np.ascontiguousarray(self.prepare(np.asarray(crops)))
        try:
            (vectors,) = self._session.run([self._output], {self._input: blob})
        except Exception as error:  # its own types, derived from nothing else
            if "alloc" in str(error).lower():
                raise MemoryError(self.name) from error
            raise PermanentError("stage_failed", f"{self.name}: {type(error).__name__}") from error
        return np.asarray(vectors, dtype=np.float32).reshape(len(crops), -1)

    def _batch_size(self, file: Path) -> int:
        """What the model takes at once, after a first crop went through it."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or list(inputs[0].shape[1:]) != [3, CROP_PX, CROP_PX]:
            raise self._wrong(file)
        self._input = inputs[0].name
        if self._run([np.zeros((CROP_PX, CROP_PX, 3), np.uint8)]).shape != (1, self.dimensions):
            raise self._wrong(file)
        return 1 if inputs[0].shape[0] == 1 else _BATCH

    def _wrong(self, file: Path) -> ConfigError:
        return ConfigError(f"{file.name} is not {self.name}; run make models with your PROFILE")


class SFace(_OnnxRecogniser):
    """SFace, 128 numbers: the one that is cleared.

    RGB from 0 to 255; the network itself subtracts 127.5 and divides by 128. Source: opencv_zoo,
    models/face_recognition_sface (Apache-2.0), and OpenCV's face_recognize.cpp, which swaps the
    channels of its BGR pictures and does not scale them. Its ONNX takes one face at a time.
    """

    name = "sface"
    licence = "Apache-2.0"
    dimensions = 128

    def prepare(self, crops: Crops) -> npt.NDArray[np.float32]:
        """(n, 112, 112, 3) RGB to (n, 3, 112, 112) float32 RGB, 0–255."""
        return crops.transpose(0, 3, 1, 2).astype(np.float32)


class AdaFace(_OnnxRecogniser):
    """AdaFace, 512 numbers: needs a licence of one's own.

    BGR from -1 to 1. Source: github.com/mk-minchul/AdaFace, inference.py. The code is MIT; the
    weights were trained on sets that are for research only, and no licence is stated for them.
    """

    name = "adaface"
    licence = "NOASSERTION"
    dimensions = 512

    def prepare(self, crops: Crops) -> npt.NDArray[np.float32]:
        """(n, 112, 112, 3) RGB to (n, 3, 112, 112) float32 BGR, -1–1."""
        bgr = crops[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        return (bgr / 255.0 - 0.5) / 0.5


def _session(file: Path, device: Device) -> Any:
    import onnxruntime

    if not file.is_file():
        raise ConfigError(f"{file.name} is not in {file.parent}; run make models with your PROFILE")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.inter_op_num_threads = 1
    # Spinning threads double the CPU time, and the wall time where cores are shared (measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # ONNX Runtime prints what it thinks of a model's exporter.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(file), options, providers=_providers(device, onnxruntime.get_available_providers())
        )
    except Exception as error:  # its own types, derived from nothing else
        raise ConfigError(
            f"{file.name} cannot be loaded ({type(error).__name__}); "
            "run make models with your PROFILE"
        ) from error


def _providers(device: Device, available: Sequence[str]) -> list[Any]:
    """CUDA where it is wanted and there, and always the CPU behind it."""
    if device.kind == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        log.event("model.provider_missing", severity="WARNING", provider="CUDAExecutionProvider")
        return ["CPUExecutionProvider"]
    # The exhaustive search for the fastest convolution runs again for every new batch size.
    cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
    return [cuda, "CPUExecutionProvider"]


def _cores() -> int:
    """Cores this process may use; the engine would otherwise take all of the machine's."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
