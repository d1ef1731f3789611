"""SigLIP 1 and 2 against transformers, on the same random weights."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.errors import ConfigError, ContractError, TransientError
from gpu_jobs.models.device import Device
from gpu_jobs.models.siglip_frames import FramePreparation, PreparedAhead

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gpu_jobs.models.siglip import DIMENSIONS, Siglip  # noqa: E402 - needs torch to be there
from tests.checkpoints import siglip as checkpoint  # noqa: E402

CPU = Device(kind="cpu")
TEXTS = (
    "A Red Car at NIGHT",
    "a red car, at night!",
    "man crying",
    "빨간 차 밤에",
    "",
    "민지가 바다에서 손을 흔드는 장면 " * 20,
)


@pytest.fixture(scope="module", params=[1, 2], ids=["siglip", "siglip2"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each version."""
    directory = tmp_path_factory.mktemp(f"siglip{request.param}")
    checkpoint.write(directory, version=request.param)
    return directory


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of SigLIP 2."""
    directory = tmp_path_factory.mktemp("second")
    checkpoint.write(directory)
    return directory


def opened(directory: Path) -> Siglip:
    """Ours, as the registry would open it."""
    is_second = (directory / "tokenizer.json").is_file()
    return Siglip(directory, device=CPU, name="tiny", lower_case=is_second)


def picture(seed: int, height: int, width: int) -> Image.Image:
    """Smooth colours and some noise; every channel, row and column differs."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.integers(-20, 21, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    """As a sampled frame."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


JPEGS = tuple(
    jpeg(picture(seed, *size))
    for seed, size in enumerate([(96, 128), (200, 90), (32, 32), (17, 640), (31, 33)] * 4)
)


class Reference:
    """What the reference library gives for the same files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.model = transformers.SiglipModel.from_pretrained(directory).eval()
        self.processor = transformers.SiglipImageProcessorPil.from_pretrained(directory)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)

    def pixel_values(self, jpegs: Sequence[bytes]) -> Any:
        images = [Image.open(io.BytesIO(each)) for each in jpegs]
        return self.processor(images=images, return_tensors="pt")["pixel_values"]

    def token_ids(self, texts: Sequence[str]) -> Any:
        """As the model cards say: for SigLIP 2 in lower case."""
        return self.tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            max_length=64,
            truncation=True,
            return_tensors="pt",
        )["input_ids"]

    def image_vectors(self, jpegs: Sequence[bytes]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            found = self.model.get_image_features(pixel_values=self.pixel_values(jpegs))
        return unit(found.pooler_output)

    def text_vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            found = self.model.get_text_features(input_ids=self.token_ids(texts))
        return unit(found.pooler_output)


def unit(features: Any) -> npt.NDArray[np.float32]:
    """Normalise as the reference does in its forward pass."""
    return np.asarray((features / features.norm(p=2, dim=-1, keepdim=True)).numpy())


def test_frames_are_prepared_as_the_reference_does(written: Path) -> None:
    """Scaling, range, order of channels: every value equals the reference processor's."""
    ours = opened(written).prepare(JPEGS).numpy()
    theirs = Reference(written).pixel_values(JPEGS).numpy()
    assert ours.shape == theirs.shape == (len(JPEGS), 3, 32, 32)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_image_vectors_equal_the_reference(written: Path) -> None:
    """More than one batch of frames: normalised, zero-padded, in the order given."""
    ours = opened(written).encode(JPEGS)
    assert ours.shape == (len(JPEGS), DIMENSIONS)
    assert ours.dtype == np.float32
    theirs = Reference(written).image_vectors(JPEGS)
    np.testing.assert_allclose(ours[:, : checkpoint.HIDDEN], theirs, rtol=0, atol=1e-5)
    assert not ours[:, checkpoint.HIDDEN :].any()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_frames_have_vectors_of_their_own(written: Path) -> None:
    """The vectors tell the frames apart: equality with the reference is not that of constants."""
    vectors = opened(written).encode(JPEGS)
    cosines = vectors @ vectors.T
    assert cosines[~np.eye(len(JPEGS), dtype=bool)].max() < 1 - 1e-4


def test_text_ids_equal_the_reference(written: Path) -> None:
    """64 ids for every text, padded on the right and cut with the end of the text kept."""
    ours = opened(written).tokenize(TEXTS).tolist()
    assert ours == Reference(written).token_ids(TEXTS).tolist()
    assert {len(row) for row in ours} == {64}


def test_text_vectors_equal_the_reference(written: Path) -> None:
    """Upper case, punctuation, Korean, an empty and a long text: all as the reference's."""
    ours = opened(written).encode_texts(TEXTS)
    assert ours.shape == (len(TEXTS), DIMENSIONS)
    theirs = Reference(written).text_vectors(TEXTS)
    np.testing.assert_allclose(ours[:, : checkpoint.HIDDEN], theirs, rtol=0, atol=1e-5)
    assert not ours[:, checkpoint.HIDDEN :].any()


def test_a_text_has_one_vector_whatever_is_beside_it(written: Path) -> None:
    """Padding to the longest of a batch would make a text's vector depend on its neighbours."""
    model = opened(written)
    alone = np.concatenate([model.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(model.encode_texts(TEXTS), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("wrong", ["padding", "case", "mask"])
def test_wrong_text_preparation_would_be_seen(second: Path, wrong: str) -> None:
    """On these weights, the known mistakes change the vectors by far more than the tolerance."""
    reference = Reference(second)
    texts = ["A red car at night", "Man crying"]
    lowered = texts if wrong == "case" else [text.lower() for text in texts]
    padding = True if wrong == "padding" else "max_length"
    encoded = reference.tokenizer(
        lowered, padding=padding, max_length=64, truncation=True, return_tensors="pt"
    )
    ids = encoded["input_ids"]
    mask = (ids != 0).long() if wrong == "mask" else None
    with torch.no_grad():
        found = reference.model.get_text_features(input_ids=ids, attention_mask=mask)
    right = opened(second).encode_texts(texts)[:, : checkpoint.HIDDEN]
    assert np.abs(unit(found.pooler_output) - right).max() > 0.01


def test_probabilities_equal_the_reference(written: Path) -> None:
    """Scale and bias are those of the model: the same probabilities as its own forward pass."""
    model, reference = opened(written), Reference(written)
    with torch.no_grad():
        logits = reference.model(
            input_ids=reference.token_ids(TEXTS), pixel_values=reference.pixel_values(JPEGS)
        ).logits_per_image
    cosines = model.encode(JPEGS) @ model.encode_texts(TEXTS).T
    ours = cosines * model.logit_scale + model.logit_bias
    np.testing.assert_allclose(ours, logits.numpy(), rtol=0, atol=2e-3)
    assert model.logit_scale == pytest.approx(np.exp(checkpoint.LOGIT_SCALE), rel=1e-5)


def test_nothing_gives_no_rows(second: Path) -> None:
    """No frames and no texts give empty arrays of the right width."""
    model = opened(second)
    assert model.encode([]).shape == (0, DIMENSIONS)
    assert model.encode_texts([]).shape == (0, DIMENSIONS)


def test_a_damaged_frame_is_a_contract_error(second: Path) -> None:
    """Bytes that are not a JPEG mean a corrupt artifact, also when prepared on a thread."""
    with pytest.raises(ContractError, match="artifact_corrupt"):
        opened(second).encode([JPEGS[0], b"not a jpeg"])


def test_out_of_memory_halves_the_batch_once(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a batch does not fit, the frames come out the same from batches of half the size."""
    model = opened(second)
    expected = model.encode(JPEGS)
    sizes = limited(model, monkeypatch, most=4)
    np.testing.assert_allclose(model.encode(JPEGS), expected, rtol=0, atol=1e-5)
    assert sizes == [8, 4, 4, 4, 4, 4]


def test_out_of_memory_by_half_too_is_transient(
    second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage is tried again elsewhere."""
    model = opened(second)
    limited(model, monkeypatch, most=2)
    with pytest.raises(TransientError, match="stage_failed"):
        model.encode(JPEGS)


def limited(model: Siglip, monkeypatch: pytest.MonkeyPatch, *, most: int) -> list[int]:
    """Let the vision tower run out of memory above `most` frames; returns the sizes it is given."""
    tower, sizes = model._model.vision_model.forward, list[int]()

    def forward(*, pixel_values: Any) -> Any:
        sizes.append(len(pixel_values))
        if len(pixel_values) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return tower(pixel_values=pixel_values)

    monkeypatch.setattr(model._model.vision_model, "forward", forward)
    return sizes


def without(name: str) -> Callable[[Path], None]:
    """A file is missing."""
    return lambda directory: (directory / name).unlink()


def changed(name: str, **values: object) -> Callable[[Path], None]:
    """A JSON file has other values."""

    def change(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def smaller(directory: Path) -> None:
    """Weights of which one is missing."""
    from safetensors.torch import load_file, save_file

    weights = load_file(directory / "model.safetensors")
    del weights["vision_model.head.probe"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def pickled(directory: Path) -> None:
    """Weights only in the format that can run code."""
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def of_another_model(directory: Path) -> None:
    """A tokenizer with other special tokens."""
    path = directory / "tokenizer.json"
    path.write_text(path.read_text().replace("<eos>", "</s>"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without("config.json"), "make models"),
        (without("preprocessor_config.json"), "make models"),
        (without("tokenizer.json"), "make models"),
        (pickled, "make models"),
        (smaller, "vision_model.head.probe"),
        (of_another_model, "<eos>"),
        (changed("config.json", model_type="siglip2"), "'siglip2'"),
        (changed("preprocessor_config.json", size={"height": 16, "width": 16}), "scales to"),
        (changed("preprocessor_config.json", size={"shortest_edge": 32}), "preprocessing"),
        (changed("preprocessor_config.json", do_normalize=False), "preprocessing"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_files_are_refused(
    second: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    """What is missing, or is not such a checkpoint, is said before any video is touched."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(second, directory)
    damage(directory)
    with pytest.raises(ConfigError, match=said):
        opened(directory)


def test_texts_end_whatever_the_file_says(second: Path, tmp_path: Path) -> None:
    """Gemma's own file has no <eos> at the end of a text, SigLIP 2 was trained with one."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(second, directory)
    changed("tokenizer.json", post_processor=None)(directory)
    expected = opened(second).tokenize(TEXTS).tolist()
    assert opened(directory).tokenize(TEXTS).tolist() == expected


def test_a_wider_model_is_refused(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that do not fit the index are refused, not cut."""
    monkeypatch.setattr("gpu_jobs.models.siglip.DIMENSIONS", checkpoint.HIDDEN - 1)
    with pytest.raises(ConfigError, match="at most 31"):
        opened(second)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_half_precision_is_close(second: Path) -> None:
    """On a GPU, float16 gives nearly the vectors of float32 on a CPU."""
    on_gpu = Siglip(second, device=Device(kind="cuda"), name="tiny", lower_case=True)
    on_cpu = opened(second)
    assert (on_gpu.encode(JPEGS) * on_cpu.encode(JPEGS)).sum(axis=1).min() > 0.999
    assert (on_gpu.encode_texts(TEXTS) * on_cpu.encode_texts(TEXTS)).sum(axis=1).min() > 0.999


def test_bfloat16_is_close(second: Path) -> None:
    """On a CPU, bfloat16 gives nearly the vectors of float32, still of length 1."""
    device = Device(kind="cpu", bfloat16=True)
    found, exact = Siglip(second, device=device, name="tiny", lower_case=True), opened(second)
    for close, vectors in (
        (found.encode(JPEGS), exact.encode(JPEGS)),
        (found.encode_texts(TEXTS), exact.encode_texts(TEXTS)),
    ):
        assert (close * vectors).sum(axis=1).min() > 0.99
        np.testing.assert_allclose(np.linalg.norm(close, axis=1), 1, atol=1e-6)


def test_interpolation_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    """SigLIP was trained with bicubic scaling, SigLIP 2 with bilinear: each as its file says."""
    scaled = {}
    for version in (1, 2):
        path = tmp_path / f"{version}.json"
        written_to = tmp_path / str(version)
        checkpoint.write(written_to, version=version)
        shutil.copyfile(written_to / "preprocessor_config.json", path)
        scaled[version] = FramePreparation.read(path).scale(JPEGS[0])
    image = Image.open(io.BytesIO(JPEGS[0]))
    for version, method in ((1, Image.Resampling.BICUBIC), (2, Image.Resampling.BILINEAR)):
        assert np.array_equal(scaled[version], np.asarray(image.resize((32, 32), method)))


def test_frames_are_prepared_before_they_are_asked_for() -> None:
    """While a slice is worked on, those behind it are prepared, but no more than was allowed."""
    begun: list[bytes] = []

    def prepare(frame: bytes) -> npt.NDArray[np.uint8]:
        begun.append(frame)
        return np.frombuffer(frame, dtype=np.uint8)

    frames = [bytes([place]) for place in range(10)]
    with ThreadPoolExecutor(1) as pool:
        ahead = PreparedAhead(frames, prepare, pool=pool, ahead=4)
        assert [int(each[0]) for each in ahead[0:3]] == [0, 1, 2]
        # A batch that did not fit comes again, in part.
        assert [int(each[0]) for each in ahead[0:1]] == [0]
        assert [int(each[0]) for each in ahead[1:3]] == [1, 2]
        pool.submit(int).result()
        assert begun == frames[:7]
        assert [int(each[0]) for each in ahead[3:99]] == list(range(3, 10))
        assert begun == frames
