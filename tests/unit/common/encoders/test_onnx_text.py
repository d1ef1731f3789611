"""The query encoders of the cpu and gpu profiles, against transformers on the same weights."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common import encoders, registry
from common.encoders.onnx_text import OnnxBgeM3, OnnxSiglipText, load_image, load_text
from common.errors import ConfigError
from gpu_jobs.models.export import Kind
from tests.checkpoints import towers

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("towers")]

Floats = npt.NDArray[np.float32]

TEXTS = (
    "man crying",
    "빨간 차 밤에",
    "",
    "A RED Car at Night!",
    "민지가 손 흔드는 장면",
    "a red car at night " * 200,
)


def bge_m3() -> OnnxBgeM3:
    """The tiny text encoder."""
    return load_text(towers.exported("bge-m3"))


def siglip() -> OnnxSiglipText:
    """The tiny image-text encoder."""
    return load_image(towers.exported("siglip"))


@cache
def reference_tokenizer(kind: Kind) -> Any:
    """Transformers' tokenizer of the checkpoint."""
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(towers.checkpoint(kind))


@cache
def reference_bge_m3(text: str) -> tuple[Floats, Floats, tuple[int, ...]]:
    """One text's normalised CLS state, its tokens' weights, and its tokens."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    directory = towers.checkpoint("bge-m3")
    model = transformers.XLMRobertaModel.from_pretrained(directory, add_pooling_layer=False).eval()
    limit = min(512, model.config.max_position_embeddings - 2)
    tokens = reference_tokenizer("bge-m3")(
        [text], truncation=True, max_length=limit, return_tensors="pt"
    )
    heads = pytest.importorskip("safetensors.torch").load_file(directory / "heads.safetensors")
    with torch.no_grad():
        states = model(**tokens).last_hidden_state[0].numpy()
    weights = states @ heads["sparse.weight"].numpy()[0] + heads["sparse.bias"].numpy()
    dense = states[0] / np.linalg.norm(states[0])
    return dense, np.maximum(weights, 0), tuple(tokens["input_ids"][0].tolist())


def reference_siglip(texts: Sequence[str]) -> Floats:
    """SigLIP's vectors of lower-cased texts, padded to 64 tokens."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.SiglipModel.from_pretrained(towers.checkpoint("siglip")).eval()
    tokens = reference_tokenizer("siglip")(
        [text.lower() for text in texts],
        padding="max_length",
        padding_side="right",
        max_length=64,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        vectors = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output.numpy()
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def assert_same(found: Floats, expected: Floats) -> None:
    """Equal to 0.9999 cosine and 1e-4, of length one, and zero beyond the tower's width."""
    width = expected.shape[1]
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)
    assert ((found[:, :width] * expected).sum(axis=1) >= 0.9999).all()
    np.testing.assert_allclose(found[:, :width], expected, atol=1e-4)
    assert not found[:, width:].any()


def test_text_vectors_equal_the_reference() -> None:
    """Korean or English, empty or cut, alone or batched: BGE-M3's vectors are the reference's."""
    expected = np.stack([reference_bge_m3(text)[0] for text in TEXTS])
    together = bge_m3().encode(TEXTS)
    apart = np.concatenate([bge_m3().encode([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 1024)
    assert_same(together, expected)
    assert_same(apart, expected)


def test_the_texts_tell_errors_apart() -> None:
    """Different texts have vectors that differ by far more than the tests allow; one is cut."""
    dense = np.stack([reference_bge_m3(text)[0] for text in TEXTS])
    for vectors in (dense, reference_siglip(TEXTS)):
        apart = np.abs(vectors[:, None] - vectors[None]).max(axis=2)
        assert apart[~np.eye(len(TEXTS), dtype=bool)].min() > 1e-3
    whole = reference_tokenizer("bge-m3")(TEXTS[-1])["input_ids"]
    assert len(reference_bge_m3(TEXTS[-1])[2]) < len(whole)


def test_decomposed_hangul_is_the_same_text() -> None:
    """Korean as macOS writes it is read like any other."""
    text = "빨간 차 밤에"
    decomposed = unicodedata.normalize("NFD", text)
    np.testing.assert_array_equal(bge_m3().encode([decomposed]), bge_m3().encode([text]))
    assert bge_m3().encode_sparse(decomposed) == bge_m3().encode_sparse(text)
    np.testing.assert_array_equal(siglip().encode(decomposed), siglip().encode(text))
    assert siglip().understood(decomposed) == siglip().understood(text)


def test_token_weights_equal_the_reference() -> None:
    """A token has its highest weight; special and unknown tokens have none."""
    tokenizer = reference_tokenizer("bge-m3")
    special = set(tokenizer.all_special_ids) | {tokenizer.unk_token_id}
    for text in TEXTS:
        _, weights, tokens = reference_bge_m3(text)
        expected: dict[int, float] = {}
        for token, weight in zip(tokens, weights.tolist(), strict=True):
            if token not in special and weight > 0:
                expected[token] = max(weight, expected.get(token, 0))
        found = bge_m3().encode_sparse(text)
        assert found == pytest.approx(expected, abs=1e-4)
        assert not special & found.keys()
    assert any(bge_m3().encode_sparse(text) for text in TEXTS)


def test_both_at_once_are_the_same() -> None:
    """One run gives the vector and the weights that two runs give."""
    vector, weights = bge_m3().encode_query(TEXTS[1])
    np.testing.assert_allclose(vector, bge_m3().encode([TEXTS[1]])[0], atol=1e-6)
    assert weights == pytest.approx(bge_m3().encode_sparse(TEXTS[1]))


def test_query_vectors_equal_the_reference() -> None:
    """SigLIP's vectors are the reference's, alone or in a batch, cut, padded and lower-cased."""
    expected = reference_siglip(TEXTS)
    together = siglip().encode_texts(TEXTS)
    apart = np.concatenate([siglip().encode_texts([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 1152)
    assert_same(together, expected)
    assert_same(apart, expected)


def test_case_does_not_matter_to_pictures() -> None:
    """A query in capitals is the same query; the tower itself would tell them apart."""
    tokenizer = reference_tokenizer("siglip")
    assert tokenizer("A RED CAR")["input_ids"] != tokenizer("a red car")["input_ids"] or (
        "Lowercase" in tokenizer.backend_tokenizer.to_str()
    )
    np.testing.assert_array_equal(siglip().encode("A RED CAR"), siglip().encode("a red car"))


@pytest.mark.parametrize("text", ["", "  ", "?!…"])
def test_no_words_are_no_query(text: str) -> None:
    """Without a word there is nothing to look for in pictures."""
    assert siglip().encode(text) is None
    assert siglip().understood(text) == ()


def test_all_words_are_understood() -> None:
    """The image model goes by every word, in Korean and English."""
    words = [each.word for each in siglip().understood("빨간 Car, 밤에!")]
    assert words == ["빨간", "car", "밤에"]


def test_calibration_is_the_models_own() -> None:
    """The log-odds are the reference's logits for the same cosine."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.SiglipModel.from_pretrained(towers.checkpoint("siglip")).eval()
    size = model.config.vision_config.image_size
    ids = torch.tensor([[1] * 64])
    pixels = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=pixels)
    cosine = (out.text_embeds @ out.image_embeds.T).item()
    encoder = siglip()
    logit = encoder._scale * cosine + encoder._bias
    assert logit == pytest.approx(out.logits_per_image.item(), abs=1e-3)


def test_calibration_is_the_models_own_sigmoid() -> None:
    """Where the model bets 99 to 1 against the caption, it is even whether it is in the picture."""
    encoder = siglip()
    scores = [encoder.calibrate(cosine) for cosine in np.linspace(-1, 1, 201)]
    assert scores == sorted(scores)
    even = (math.log(1 / 99) - encoder._bias) / encoder._scale
    assert encoder.calibrate(even) == pytest.approx(0.5)


def test_encoders_serve_many_threads() -> None:
    """Queries from many threads get the vectors they get alone."""
    expected = bge_m3().encode(TEXTS), siglip().encode_texts(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda text: bge_m3().encode([text])[0], TEXTS * 8))
        pictures = list(pool.map(lambda text: siglip().encode_texts([text])[0], TEXTS * 8))
    np.testing.assert_allclose(texts, np.tile(expected[0], (8, 1)), atol=1e-5)
    np.testing.assert_allclose(pictures, np.tile(expected[1], (8, 1)), atol=1e-5)


def test_never_abstains() -> None:
    """BGE-M3 knows Korean."""
    assert not bge_m3().abstains("빨간 차 밤에")


@pytest.mark.parametrize(
    "name", ["model.onnx", "model.onnx.data", "tokenizer.json", "encoder.json"]
)
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_wrong_files_are_refused(tmp_path: Path, name: str, how: str) -> None:
    """A file that is missing, or differs by one byte, is refused with what to run."""
    directory = tmp_path / "text"
    shutil.copytree(towers.exported("bge-m3"), directory)
    path = directory / name
    data = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ConfigError, match=r"make models PROFILE=cpu"):
        OnnxBgeM3(directory)


def test_another_models_tower_is_refused() -> None:
    """A SigLIP tower does not pass for BGE-M3's."""
    with pytest.raises(ConfigError, match=r"kind 'siglip'.*expected.*'bge-m3'"):
        OnnxBgeM3(towers.exported("siglip"))


def test_a_manifest_does_not_lead_outside(tmp_path: Path) -> None:
    """File names with directories in them are refused."""
    manifest = json.loads((towers.exported("bge-m3") / "manifest.json").read_text())
    manifest["files"]["../model.onnx"] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="lists no hashes"):
        OnnxBgeM3(tmp_path)


def test_no_directory_is_refused_politely(tmp_path: Path) -> None:
    """Where nothing was exported the message says how to."""
    with pytest.raises(ConfigError, match=r"gpu_jobs\.models\.export --kind siglip"):
        OnnxSiglipText(tmp_path)


def test_towers_are_loaded_once(tmp_path: Path) -> None:
    """Asking twice gives the same encoder."""
    assert bge_m3() is bge_m3()
    assert siglip() is siglip()


def test_encoding_needs_no_torch() -> None:
    """A process that encodes queries has loaded neither torch nor transformers."""
    code = (
        "import sys; from pathlib import Path; from common.encoders import onnx_text;"
        "onnx_text.load_text(Path(sys.argv[1])).encode(['밤']);"
        "onnx_text.load_image(Path(sys.argv[2])).encode('밤');"
        "print([m for m in ('torch', 'transformers', 'onnx', 'cv2') if m in sys.modules])"
    )
    paths = [str(towers.exported("bge-m3")), str(towers.exported("siglip"))]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_profiles_load_from_the_models_directory(tmp_path: Path) -> None:
    """The cpu profile has its three encoders, each where its model's revision says."""
    models = registry.load().profile("cpu")
    for role, kind in (("text", "bge-m3"), ("image", "siglip")):
        place = tmp_path / encoders.tower_path(models[role])
        place.parent.mkdir(parents=True)
        place.symlink_to(towers.exported(kind))
    loaded = encoders.load("cpu", tmp_path)
    assert loaded.text.name == "bge-m3"
    assert loaded.image.encode("빨간 차") is not None
    assert [each.tag for each in loaded.tags.read("밤")] == ["night"]
