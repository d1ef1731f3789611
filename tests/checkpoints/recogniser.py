"""A tiny text recogniser in PP-OCR's form, which reads two known lines of Hangul.

It gives (n, steps, classes) probabilities for (n, 3, 48, width) lines: class 0 is CTC's blank, the
letters of the alphabet follow, and a space is the last. It looks at one thing only: whether a line
is bluer than red, with the channels in the order blue, green, red, as PaddleOCR's are trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

NAME = "korean_tiny"
#: In no order that another list of letters would have.
ALPHABET = ("나", "출", "가", "구", "는", "곳", "하", "0", "A", "다")
#: With letters twice in a row, which CTC keeps apart by a blank, and with spaces.
BLUE, RED = "출구 나가는 곳", "하하 가나다 A0"

_STEPS = 40
_SURE = 0.97


def write(
    directory: Path, *, alphabet_in: str = "model", letters: tuple[str, ...] = ALPHABET
) -> None:
    """Write `korean_tiny.onnx`.

    Args:
        directory: made if it does not exist.
        alphabet_in: "model" (its metadata), "file" (`dict.txt` beside it) or "" (nowhere).
        letters: of the alphabet that is written; the model's classes stay those of `ALPHABET`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    model = _model()
    if alphabet_in == "model":
        helper.set_model_props(model, {"character": "\n".join(letters)})
    if alphabet_in == "file":
        (directory / "dict.txt").write_text("".join(f"{each}\n" for each in letters), "utf-8")
    onnx.checker.check_model(model)
    (directory / f"{NAME}.onnx").write_bytes(model.SerializeToString())


def _model() -> onnx.ModelProto:
    constants: dict[str, npt.NDArray[Any]] = {
        "blue_text": _probabilities(BLUE),
        "red_text": _probabilities(RED),
        "height_and_width": np.array([2, 3], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["x", "height_and_width"], ["means"], keepdims=1),
        helper.make_node("Gather", ["means", "first"], ["one"], axis=1),
        helper.make_node("Gather", ["means", "last"], ["other"], axis=1),
        helper.make_node("Greater", ["one", "other"], ["greater"]),
        helper.make_node("Squeeze", ["greater", "last"], ["is_blue"]),
        helper.make_node("Where", ["is_blue", "blue_text", "red_text"], ["y"]),
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("x", kind, ["n", 3, 48, "width"])],
        [helper.make_tensor_value_info("y", kind, ["n", "steps", "classes"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _probabilities(text: str) -> npt.NDArray[np.float32]:
    """(1, steps, classes): two steps per letter, a blank where a letter follows itself."""
    classes = len(ALPHABET) + 2
    steps = [0]
    for before, letter in zip(("", *text), text, strict=False):
        each = classes - 1 if letter == " " else 1 + ALPHABET.index(letter)
        steps += [0, each, each] if letter == before else [each, each]
    steps += [0] * (_STEPS - len(steps))
    found = np.full((1, _STEPS, classes), (1 - _SURE) / (classes - 1), dtype=np.float32)
    found[0, np.arange(_STEPS), steps] = _SURE
    return found
