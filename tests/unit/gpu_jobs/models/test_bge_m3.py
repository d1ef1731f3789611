"""BGE-M3, held to transformers and to FlagEmbedding on the same weights."""

from __future__ import annotations

import json
import shutil
import socket
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from FlagEmbedding import BGEM3FlagModel
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from common.artifacts import decode, encode
from common.domain import SceneTranscript, SceneTranscripts, TextVectors
from common.errors import ConfigError, PermanentError, TransientError
from gpu_jobs.models import Models, bge_m3
from gpu_jobs.models.bge_m3 import BgeM3, Embedded, SparseTextEncoder
from gpu_jobs.models.device import Device
from gpu_jobs.stages import embed_text
from tests.checkpoints import xlm_roberta
from tests.unit.gpu_jobs.stages.examples import segment

pytestmark = pytest.mark.torch

CPU = Device(kind="cpu")
#: Of very different lengths, one with nothing in it, one with repeats, one of characters that the
#: vocabulary lacks, one longer than the model takes, and not in the order of their lengths.
TEXTS = (
    "빨간 차",
    "the rain and the rain and the night, the night",
    "",
    "민지가 손을 흔드는 모습이 보입니다\nhello everyone and welcome to this video",
    "漢字 안녕 ☃",
    "a man is crying " * 120,
    "밤에 비가",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint, only to be read."""
    path = tmp_path_factory.mktemp("bge-m3")
    xlm_roberta.write(path)
    return path


@pytest.fixture(scope="module")
def model(directory: Path) -> BgeM3:
    """The model under test."""
    return BgeM3(directory, device=CPU)


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return Path(shutil.copytree(directory, tmp_path / "copy"))


def rows(embedded: Embedded) -> list[dict[int, float]]:
    """Sparse rows as token → weight."""
    sparse = embedded.sparse
    bounds = zip(sparse.offsets[:-1], sparse.offsets[1:], strict=True)
    return [
        dict(zip(sparse.tokens[a:b].tolist(), sparse.weights[a:b].tolist(), strict=True))
        for a, b in bounds
    ]


class Reference:
    """What transformers alone says, a text at a time, without padding."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        self._model = AutoModel.from_pretrained(directory, local_files_only=True).eval()
        self._heads = load_file(directory / "heads.safetensors")

    def states(self, text: str) -> tuple[list[int], torch.Tensor]:
        """Token ids, and the last hidden state of each."""
        inputs = self._tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
        with torch.no_grad():
            states = self._model(**inputs).last_hidden_state[0]
        return inputs["input_ids"][0].tolist(), states

    def dense(self, text: str) -> npt.NDArray[np.float32]:
        """State of the first token, L2-normalised."""
        first = self.states(text)[1][0].numpy()
        return np.asarray(first / np.linalg.norm(first))

    def sparse(self, text: str) -> dict[int, float]:
        """Largest weight of each token that is not <s>, <pad>, </s> or <unk> (ids 0 to 3)."""
        ids, states = self.states(text)
        head = states @ self._heads["sparse.weight"][0] + self._heads["sparse.bias"]
        best: dict[int, float] = {}
        for token, weight in zip(ids, head.tolist(), strict=True):
            if token > 3 and weight > 0:
                best[token] = max(weight, best.get(token, 0.0))
        return best


@pytest.fixture(scope="module")
def reference(directory: Path) -> Reference:
    """The reference on the same weights."""
    return Reference(directory)


def assert_rows_equal(found: Sequence[dict[int, float]], expected: Sequence[Any]) -> None:
    """The same tokens, and the same weights to 1e-5."""
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def test_dense_equals_the_reference(model: BgeM3, reference: Reference) -> None:
    """The vectors are those of the first token, of length 1, in the order of the texts."""
    found = model.encode(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), 1024)
    expected = np.stack([reference.dense(text) for text in TEXTS])
    np.testing.assert_allclose(found[:, : xlm_roberta.HIDDEN], expected, atol=1e-5)
    assert not found[:, xlm_roberta.HIDDEN :].any()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    # Texts that the tiny model could not tell apart would prove nothing.
    assert np.abs(expected @ expected.T - np.eye(len(TEXTS))).max() < 0.99


def test_sparse_equals_the_reference(model: BgeM3, reference: Reference) -> None:
    """Each row has the reference's tokens and weights, rising by token; an empty text has none."""
    found = model.encode_both(TEXTS)
    expected = [reference.sparse(text) for text in TEXTS]
    assert_rows_equal(rows(found), expected)
    assert all(list(row) == sorted(row) for row in rows(found))
    assert expected[2] == {}
    assert min(len(row) for place, row in enumerate(expected) if place != 2) > 0
    # Some tokens must have weights below 0, or leaving out the rectifier would go unseen.
    assert len(expected[1]) < len({token for token in reference.states(TEXTS[1])[0] if token > 3})


def test_every_special_token_weighs_nothing(model: BgeM3, reference: Reference) -> None:
    """<s>, <pad>, </s> and <unk> are in the texts, would weigh something, and are left out."""
    text = "the <pad> night ☃ </s>"
    ids, states = reference.states(text)
    head = _head(model, states)
    heavy = {token for token, weight in zip(ids, head, strict=True) if weight > 0}
    assert heavy >= {0, 1, 2, 3}
    (row,) = rows(model.encode_both([text]))
    assert not set(row) & {0, 1, 2, 3}
    assert row == pytest.approx(reference.sparse(text), abs=1e-5)


def _head(model: BgeM3, states: torch.Tensor) -> list[float]:
    """Weights before anything is left out."""
    with torch.no_grad():
        weights: list[float] = model._network.sparse_linear(states)[:, 0].tolist()
    return weights


def test_flag_embedding_gives_the_same(model: BgeM3, copied: Path) -> None:
    """FlagEmbedding's own `encode`, with its pickled heads beside the same weights, agrees."""
    heads = load_file(copied / "heads.safetensors")
    for name in ("sparse", "colbert"):
        state = {part: heads[f"{name}.{part}"] for part in ("weight", "bias")}
        torch.save(state, copied / f"{name}_linear.pt")
    theirs: Any = BGEM3FlagModel(str(copied), use_fp16=False, devices="cpu")
    expected = theirs.encode(list(TEXTS), return_dense=True, return_sparse=True)
    found = model.encode_both(TEXTS)
    width = xlm_roberta.HIDDEN
    np.testing.assert_allclose(found.dense[:, :width], expected["dense_vecs"], atol=1e-5)
    weights = [
        {int(token): float(weight) for token, weight in row.items()}
        for row in expected["lexical_weights"]
    ]
    assert_rows_equal(rows(found), weights)
    colbert = theirs.model.colbert_linear.weight
    assert torch.equal(model._network.colbert_linear.weight, colbert)


@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(0, 90), min_size=1, max_size=40), seed=st.integers(0, 9))
def test_batching_changes_nothing(model: BgeM3, lengths: list[int], seed: int) -> None:
    """Texts of any lengths give together, in their order, what each gives alone."""
    words = np.random.default_rng(seed).permutation(" ".join(TEXTS[:5]).split())
    texts = [" ".join(np.resize(np.roll(words, n), n)) for n in lengths]
    together = model.encode_both(texts)
    alone = [model.encode_both([text]) for text in texts]
    np.testing.assert_allclose(together.dense, np.concatenate([a.dense for a in alone]), atol=1e-5)
    assert_rows_equal(rows(together), [rows(each)[0] for each in alone])


def test_no_texts_give_no_rows(model: BgeM3) -> None:
    """Empty in, empty out, in the right shapes and types."""
    found = model.encode_both([])
    assert found.dense.shape == (0, 1024)
    assert found.sparse.offsets.tolist() == [0]
    assert found.sparse.tokens.dtype == np.int64
    assert found.sparse.weights.dtype == np.float32


def test_decomposed_hangul_is_read(model: BgeM3) -> None:
    """A file name or subtitle of a Mac, in jamo, means the same as in syllables."""
    text = "민지가 손을 흔드는"
    found = model.encode_both([text, unicodedata.normalize("NFD", text)])
    np.testing.assert_array_equal(found.dense[0], found.dense[1])
    assert rows(found)[0] == rows(found)[1] != {}


def test_it_is_a_sparse_encoder_that_never_abstains(model: BgeM3) -> None:
    """The stage recognises it by what it can do."""
    assert isinstance(model, SparseTextEncoder)
    assert model.name == "bge-m3"
    assert not model.abstains("빨간 차")


def test_bfloat16_is_close(directory: Path, model: BgeM3) -> None:
    """At half the memory, the vectors point where the others do, and are still of length 1."""
    found = BgeM3(directory, device=Device(kind="cpu", bfloat16=True)).encode(TEXTS)
    assert (found * model.encode(TEXTS)).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_loading_is_silent_and_offline(
    directory: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No progress bar gets into the log, no socket is opened, and bars are as they were."""
    opened: list[object] = []
    make = socket.socket

    def refuse(*args: Any, **kwargs: Any) -> socket.socket:
        # Servers that other tests left running accept connections meanwhile; those are open.
        if kwargs.get("fileno") is not None:
            return make(*args, **kwargs)
        opened.append(args)
        raise AssertionError("a socket was opened")

    from transformers.utils import logging

    # Commands that ran in this process may have turned them off.
    logging.enable_progress_bar()
    monkeypatch.setattr(socket, "socket", refuse)
    BgeM3(directory, device=CPU).encode(TEXTS * 8)
    # Also if whoever opened it went on without.
    assert opened == []
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


class Flaky:
    """The network, which fails as told."""

    def __init__(self, network: Any, fail: Callable[[int], Exception | None]) -> None:
        self._network = network
        self._fail = fail

    def __call__(self, inputs: dict[str, torch.Tensor], **options: bool) -> Any:
        if error := self._fail(len(inputs["input_ids"])):
            raise error
        return self._network(inputs, **options)


def test_memory_that_runs_out_halves_the_batch(
    model: BgeM3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where 16 texts do not fit and 8 do the result is the same; else the error is transient."""
    texts = [text for text in TEXTS if len(text) < 200] * 4
    expected, network = model.encode(texts), model._network

    def limit(most: int) -> Flaky:
        full = RuntimeError("CUDA out of memory. Tried to allocate 2.00 MiB")
        return Flaky(network, lambda size: full if size > most else None)

    monkeypatch.setattr(model, "_network", limit(8))
    np.testing.assert_allclose(model.encode(texts), expected, atol=1e-5)
    monkeypatch.setattr(model, "_network", limit(7))
    with pytest.raises(TransientError, match="out of memory"):
        model.encode(texts)


def test_a_failing_device_is_transient_and_says_no_text(
    model: BgeM3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may do it; what was said does not get into the error."""
    broken = Flaky(model._network, lambda size: RuntimeError("device-side assert: 빨간 차"))
    monkeypatch.setattr(model, "_network", broken)
    with pytest.raises(TransientError, match="stage_failed") as error:
        model.encode(TEXTS)
    assert "빨간" not in str(error.value)


def _without(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def _with_pickle(name: str) -> Callable[[Path], None]:
    return lambda directory: torch.save({}, directory / name)


def _with_heads(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        heads = load_file(directory / "heads.safetensors")
        change(heads)
        save_file(heads, directory / "heads.safetensors")

    return damage


def _without_a_layer(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    del tensors["encoder.layer.1.attention.self.query.weight"]
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def _cut_short(name: str) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        path = directory / name
        path.write_bytes(path.read_bytes()[:300])

    return damage


def _with_fewer_tokens(directory: Path) -> None:
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] += [[f"more{n}", -9.0] for n in range(3)]
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_without("heads.safetensors"), "heads.safetensors is missing"),
        (_without("model.safetensors"), "model.safetensors is missing"),
        (_without("tokenizer.json"), "tokenizer.json is missing"),
        (_with_pickle("sparse_linear.pt"), "sparse_linear.pt is a pickle"),
        (_with_pickle("pytorch_model.bin"), "pytorch_model.bin is a pickle"),
        (_with_heads(lambda heads: heads.pop("colbert.bias")), "expected"),
        (
            _with_heads(lambda heads: heads.update({"sparse.weight": torch.ones(1, 31)})),
            "sparse.weight in heads.safetensors has shape",
        ),
        (
            # A tensor of one row would be spread over all rows without an error.
            _with_heads(lambda heads: heads.update({"colbert.weight": torch.ones(1, 32)})),
            "colbert.weight in heads.safetensors has shape",
        ),
        (
            _with_heads(lambda heads: heads.update({"sparse.bias": torch.tensor([float("nan")])})),
            "sparse.bias is not what",
        ),
        (_cut_short("heads.safetensors"), "heads.safetensors cannot be read"),
        (_cut_short("model.safetensors"), "do not load"),
        (_without_a_layer, "lacks encoder.layer.1.attention.self.query.weight"),
        (_with_fewer_tokens, "99 tokens, the model has 96"),
    ],
)
def test_wrong_files_are_refused(copied: Path, damage: Callable[[Path], None], says: str) -> None:
    """Each names what is wrong; nothing is filled in at random."""
    damage(copied)
    with pytest.raises(ConfigError, match=says):
        BgeM3(copied, device=CPU)


def test_a_wider_model_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that the index has no room for are not cut."""
    monkeypatch.setattr(bge_m3, "DIMENSIONS", 16)
    with pytest.raises(ConfigError, match="width 32, expected at most 16"):
        BgeM3(directory, device=CPU)


def test_numbers_that_are_none_are_an_error(copied: Path) -> None:
    """A NaN in the weights does not get into the index."""
    tensors = load_file(copied / "model.safetensors")
    tensors["encoder.layer.0.output.dense.bias"][0] = float("nan")
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PermanentError, match="no finite numbers"):
        BgeM3(copied, device=CPU).encode(["빨간 차"])


@dataclass(frozen=True)
class OnlyText:
    """Models of which there is only one."""

    text: BgeM3


def test_the_stage_embeds_korean_too(model: BgeM3) -> None:
    """A Korean scene has a vector and weights, and both survive the artifact."""
    korean = SceneTranscript(
        ordinal=1, segments=(segment(0, 1, "빨간 차", "ko"),), languages=("ko",)
    )
    silent = SceneTranscript(ordinal=0, segments=(), languages=())
    result = embed_text.run(
        align_merge=SceneTranscripts(scenes=(silent, korean)),
        models=cast(Models, OnlyText(text=model)),
    )
    stored = decode(TextVectors, encode(result))
    expected = model.encode_both(["빨간 차"])
    assert (stored.ordinals, stored.model) == ((1,), "bge-m3")
    np.testing.assert_array_equal(stored.dense, expected.dense)
    assert stored.sparse is not None
    found = rows(Embedded(dense=stored.dense, sparse=stored.sparse))
    assert found == rows(expected)
    assert found[0]
