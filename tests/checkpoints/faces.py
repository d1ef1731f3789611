"""Tiny face models in the real formats: a detector of red squares, recognisers with random weights.

The detector has YuNet's twelve outputs, so that OpenCV's own code decodes it. Where a cell of 32 x
32 pixels is pure red (and not blue) it reports a face a little larger than the cell, with
landmarks as in a frontal portrait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from gpu_jobs.models.face_alignment import CROP_PX, REFERENCE, align

#: Side of a cell, and of a red square that the detector finds.
CELL_PX: Final = 32
#: Side of the box that is reported, around the middle of the cell.
BOX_PX: Final = 40
#: Cells of a face's pattern, across and down, and the green that stands for 0.
PATTERN: Final = 8
_MIDDLE: Final = 30.0
_OPSET: Final = 17

Pixels = npt.NDArray[np.uint8]


def detector(directory: Path) -> Path:
    """Write the detector of red squares."""
    constants, nodes = _red_squares()
    for stride in (8, 16, CELL_PX):
        own, made = _heads(stride)
        constants |= own
        nodes += made
    outputs = [
        (f"{kind}_{stride}", [1, None, width])
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
        for stride in (8, 16, CELL_PX)
    ]
    path = directory / "yunet.onnx"
    _save(path, nodes, constants, ("input", [1, 3, None, None]), outputs)
    return path


def _red_squares() -> tuple[dict[str, npt.NDArray[Any]], list[onnx.NodeProto]]:
    """`red`: 1 where a pixel of a BGR picture is pure red, 0 where it is not mostly red."""
    weights = np.array([-1.0, -1.0, 1.0], dtype=np.float32).reshape(1, 3, 1, 1) / 255
    nodes = [
        helper.make_node("Conv", ["input", "redness"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["red"]),
    ]
    return {"redness": weights}, nodes


def _heads(stride: int) -> tuple[dict[str, npt.NDArray[Any]], list[onnx.NodeProto]]:
    """The four outputs of a stride; only that of whole cells ever fires."""
    fires = 1.0 if stride == CELL_PX else 0.0
    landmarks = (REFERENCE / CROP_PX).astype(np.float32).ravel()
    grown = float(np.log(BOX_PX / stride))
    box = np.array([0.5, 0.5, grown, grown], dtype=np.float32)
    constants: dict[str, npt.NDArray[Any]] = {
        f"fires_{stride}": np.array([fires], dtype=np.float32),
        f"box_{stride}": box.reshape(1, 1, 4),
        f"points_{stride}": landmarks.reshape(1, 1, 10),
        f"rows_{stride}": np.array([1, -1, 1], dtype=np.int64),
        f"none_{stride}": np.zeros(1, dtype=np.float32),
    }
    size = [stride, stride]
    nodes = [
        helper.make_node(
            "AveragePool", ["red"], [f"mean_{stride}"], kernel_shape=size, strides=size
        ),
        helper.make_node("Mul", [f"mean_{stride}", f"fires_{stride}"], [f"map_{stride}"]),
        helper.make_node("Reshape", [f"map_{stride}", f"rows_{stride}"], [f"cls_{stride}"]),
        helper.make_node("Reshape", [f"map_{stride}", f"rows_{stride}"], [f"obj_{stride}"]),
        helper.make_node("Mul", [f"cls_{stride}", f"none_{stride}"], [f"zero_{stride}"]),
        helper.make_node("Add", [f"zero_{stride}", f"box_{stride}"], [f"bbox_{stride}"]),
        helper.make_node("Add", [f"zero_{stride}", f"points_{stride}"], [f"kps_{stride}"]),
    ]
    return constants, nodes


def recogniser(
    directory: Path,
    *,
    dimensions: int,
    seed: int = 0,
    batch: Literal[1] | None = None,
    norms: bool = False,
    scale: float = 1.0,
) -> Path:
    """Write a recogniser: a convolution, a ReLU and a matrix, all random.

    Args:
        directory: to write to.
        dimensions: of its vectors, which are not normalised.
        seed: of the weights.
        batch: 1 as in the SFace file, or any.
        norms: with a second output, as in exports of AdaFace.
        scale: of the vectors; infinite for a broken model.
    """
    rng = np.random.default_rng(seed)
    features = 8
    width = features * 7 * 7
    constants: dict[str, npt.NDArray[Any]] = {
        "kernel": rng.normal(0, 0.02, (features, 3, 16, 16)).astype(np.float32),
        "flat": np.array([-1, width], dtype=np.int64),
        "matrix": (scale * rng.normal(0, 0.02, (width, dimensions))).astype(np.float32),
        "bias": rng.normal(0, 0.01, dimensions).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["data", "kernel"], ["patches"], strides=[16, 16]),
        helper.make_node("Relu", ["patches"], ["active"]),
        helper.make_node("Reshape", ["active", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "matrix", "bias"], ["fc1"]),
    ]
    outputs: list[tuple[str, list[int | None]]] = [("fc1", [batch, dimensions])]
    if norms:
        nodes.append(helper.make_node("ReduceL2", ["fc1"], ["norm"], axes=[1], keepdims=1))
        outputs.append(("norm", [batch, 1]))
    path = directory / f"recogniser-{dimensions}.onnx"
    _save(path, nodes, constants, ("data", [batch, 3, CROP_PX, CROP_PX]), outputs)
    return path


def channel_probe(directory: Path, *, dimensions: int) -> Path:
    """Write a recogniser whose first three numbers are the means of its input's channels."""
    spread = np.zeros((3, dimensions), dtype=np.float32)
    spread[:, :3] = np.eye(3)
    constants: dict[str, npt.NDArray[Any]] = {
        "flat": np.array([-1, 3], dtype=np.int64),
        "spread": spread,
        # A black crop has a direction too.
        "bias": np.full(dimensions, 1e-6, dtype=np.float32),
    }
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["means"]),
        helper.make_node("Reshape", ["means", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "spread", "bias"], ["fc1"]),
    ]
    path = directory / f"probe-{dimensions}.onnx"
    given = ("data", [None, 3, CROP_PX, CROP_PX])
    _save(path, nodes, constants, given, [("fc1", [None, dimensions])])
    return path


def geometry(directory: Path, *, dimensions: int) -> Path:
    """Write a recogniser that reads a face's pattern (see `patterned`): who is who is known.

    A face's vector is its pattern's 64 numbers, in the order of rows, and zeros.
    """
    green = np.array([0.0, 1.0, 0.0], dtype=np.float32).reshape(1, 3, 1, 1)
    spread = np.zeros((PATTERN**2, dimensions), dtype=np.float32)
    spread[:, : PATTERN**2] = np.eye(PATTERN**2)
    constants: dict[str, npt.NDArray[Any]] = {
        "green": green,
        "middle": -_blank().reshape(1, 1, PATTERN, PATTERN),
        "flat": np.array([-1, PATTERN**2], dtype=np.int64),
        "spread": spread,
        # A face without a pattern has a direction too.
        "bias": np.full(dimensions, 1e-3, dtype=np.float32),
    }
    size = [CROP_PX // PATTERN] * 2
    nodes = [
        helper.make_node("Conv", ["data", "green"], ["greens"]),
        helper.make_node("AveragePool", ["greens"], ["cells"], kernel_shape=size, strides=size),
        helper.make_node("Add", ["cells", "middle"], ["around"]),
        helper.make_node("Reshape", ["around", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "spread", "bias"], ["fc1"]),
    ]
    path = directory / f"geometry-{dimensions}.onnx"
    given = ("data", [None, 3, CROP_PX, CROP_PX])
    _save(path, nodes, constants, given, [("fc1", [None, dimensions])])
    return path


def _blank() -> npt.NDArray[np.float32]:
    """(8, 8) greens of a face without a pattern: what is around it shines into its edges."""
    around = picture(3 * CELL_PX, 3 * CELL_PX)
    around[CELL_PX : 2 * CELL_PX, CELL_PX : 2 * CELL_PX] = patterned(np.zeros(PATTERN**2))
    crop = align(around, REFERENCE / CROP_PX * CELL_PX + CELL_PX)
    size = CROP_PX // PATTERN
    greens = crop[:, :, 1].reshape(PATTERN, size, PATTERN, size).mean(axis=(1, 3))
    return np.asarray(greens, dtype=np.float32)


def patterned(pattern: npt.NDArray[np.floating], *, cell_px: int = CELL_PX) -> Pixels:
    """A face that the detector finds and `geometry` recognises.

    Args:
        pattern: (64,) about 0, of length 1.
        cell_px: side of the square.
    """
    levels = np.clip(_MIDDLE + _MIDDLE * PATTERN / 2 * pattern, 0, 2 * _MIDDLE)
    cell = levels.reshape(PATTERN, PATTERN).round().astype(np.uint8)
    square = np.zeros((cell_px, cell_px, 3), dtype=np.uint8)
    square[:, :, 0] = 255
    square[:, :, 1] = np.kron(cell, np.ones((cell_px // PATTERN,) * 2, np.uint8))
    return square


def picture(
    width: int, height: int, *cells: tuple[int, int], cell_px: int = CELL_PX
) -> npt.NDArray[np.uint8]:
    """A green RGB picture with red squares, each with a pattern of its own.

    Args:
        width: in pixels.
        height: in pixels.
        cells: columns and rows of the squares, on a grid of `cell_px`.
        cell_px: the detector's cell, times by how much it will shrink the picture.
    """
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, :, 1] = 200
    for column, row in cells:
        rng = np.random.default_rng(1_000 * column + row)
        square = np.zeros((cell_px, cell_px, 3), dtype=np.uint8)
        square[:, :, 0] = 255
        patches = rng.integers(0, 60, (4, 4, 2)).astype(np.uint8)
        square[:, :, 1:] = np.kron(patches, np.ones((cell_px // 4, cell_px // 4, 1), np.uint8))
        top, left = row * cell_px, column * cell_px
        pixels[top : top + cell_px, left : left + cell_px] = square
    return pixels


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, npt.NDArray[Any]],
    given: tuple[str, list[int | None]],
    outputs: list[tuple[str, list[int | None]]],
) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
