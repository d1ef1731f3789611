"""Zero-shot tags against a plain computation with transformers, on the same random weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.encoders.vocabulary import VOCABULARY, VOCABULARY_VERSION
from gpu_jobs.models.device import Device
from gpu_jobs.models.zero_shot import ZeroShotTagger, prompts

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gpu_jobs.models.siglip import Siglip  # noqa: E402 - needs torch to be there
from tests.checkpoints import siglip as checkpoint  # noqa: E402

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of SigLIP 2 with a bias that lets random vectors score in between 0 and 1."""
    written = tmp_path_factory.mktemp("siglip2")
    checkpoint.write(written)
    model = transformers.SiglipModel.from_pretrained(written)
    with torch.no_grad():
        model.logit_scale.fill_(3.0)
        model.logit_bias.fill_(-6.0)
    model.save_pretrained(written)
    return written


@pytest.fixture(scope="module")
def model(directory: Path) -> Siglip:
    """Ours."""
    return Siglip(directory, device=Device(kind="cpu"), name="tiny", lower_case=True)


@pytest.fixture(scope="module")
def tagger(model: Siglip) -> ZeroShotTagger:
    """With all tags encoded once."""
    return ZeroShotTagger(model)


def jpegs() -> list[bytes]:
    """Three frames."""
    found = []
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).resize((80, 60)).save(out, "JPEG")
        found.append(out.getvalue())
    return found


def reference_scores(directory: Path, images: Sequence[bytes], tags: Sequence[int]) -> Floats:
    """Written down from the definition: no code of ours but the vocabulary."""
    model = transformers.SiglipModel.from_pretrained(directory).eval()
    processor = transformers.SiglipImageProcessorPil.from_pretrained(directory)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    columns = []
    with torch.no_grad():
        pictures = processor(
            images=[Image.open(io.BytesIO(each)) for each in images], return_tensors="pt"
        )
        seen = model.get_image_features(**pictures).pooler_output
        seen = seen / seen.norm(dim=-1, keepdim=True)
        for place in tags:
            tag = VOCABULARY[place]
            person = tag.group in ("emotion", "action")
            texts = [f"This is a photo of {'someone ' * person}{each}." for each in tag.phrases_en]
            texts += [f"{each} {'사람의 ' * person}사진" for each in tag.phrases_ko]
            encoded = tokenizer(
                [text.lower() for text in texts],
                padding="max_length",
                max_length=64,
                truncation=True,
                return_tensors="pt",
            )
            said = model.get_text_features(input_ids=encoded["input_ids"]).pooler_output
            said = (said / said.norm(dim=-1, keepdim=True)).mean(dim=0)
            said = said / said.norm()
            probability = torch.sigmoid(seen @ said * model.logit_scale.exp() + model.logit_bias)
            odds = probability / (1 - probability) / (0.01 / 0.99)
            columns.append(odds / (1 + odds))
    return np.asarray(torch.stack(columns, dim=1).numpy())


def test_scores_equal_a_plain_computation(
    directory: Path, model: Siglip, tagger: ZeroShotTagger
) -> None:
    """Prompts, their mean, scale, bias and the moved odds: the same scores as by definition."""
    chosen = [0, 5, 12, 60, 100, 120, len(VOCABULARY) - 1]
    ours = tagger.score(model.encode(jpegs()))
    assert ours.shape == (3, len(VOCABULARY))
    assert ours.dtype == np.float32
    theirs = reference_scores(directory, jpegs(), chosen)
    assert theirs.min() > 0.01
    assert theirs.max() < 0.99
    np.testing.assert_allclose(ours[:, chosen], theirs, rtol=0, atol=1e-4)
    assert theirs.std(axis=0).max() > 1e-3


def test_names_say_model_and_vocabulary(tagger: ZeroShotTagger) -> None:
    """Another vocabulary is another index."""
    assert tagger.name == f"tiny-zero-shot-{VOCABULARY_VERSION}"
    assert tagger.tags == tuple(tag.tag for tag in VOCABULARY)


def test_tag_vectors_have_length_one(tagger: ZeroShotTagger) -> None:
    """The mean of unit vectors is shorter; as it is, it would lower every score."""
    np.testing.assert_allclose(np.linalg.norm(tagger.tag_vectors, axis=1), 1, atol=1e-5)


def test_no_frames_have_no_scores(tagger: ZeroShotTagger) -> None:
    """A video without frames."""
    assert tagger.score(np.zeros((0, 1152), dtype=np.float32)).shape == (0, len(VOCABULARY))


def test_only_models_that_know_korean_get_korean_prompts() -> None:
    """To SigLIP 1 Hangul is all the same unknown token."""
    dog = next(tag for tag in VOCABULARY if tag.tag == "dog")
    assert prompts(dog, korean=False) == (
        "This is a photo of a dog.",
        "This is a photo of a puppy.",
    )
    assert prompts(dog, korean=True)[2] == "강아지 사진"
    crying = next(tag for tag in VOCABULARY if tag.tag == "crying")
    assert prompts(crying, korean=True)[0] == "This is a photo of someone crying."
    assert "우는 사람의 사진" in prompts(crying, korean=True)


class Counted:
    """A model that counts the texts it encodes."""

    name = "counted"
    multilingual = True
    logit_scale = 100.0
    logit_bias = -10.0

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.encoded = 0

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Random directions, the same for the same text."""
        self.encoded += len(texts)
        rows: list[Any] = [
            np.random.default_rng([self.seed, *text.encode()]).normal(size=1152) for text in texts
        ]
        vectors = np.array(rows, dtype=np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_prompts_are_encoded_once() -> None:
    """The first score pays for the prompts, the others do not."""
    model = Counted()
    tagger = ZeroShotTagger(model)
    assert model.encoded == 0
    tagger.score(tagger.tag_vectors[:2])
    before = model.encoded
    tagger.score(tagger.tag_vectors[:2])
    assert model.encoded == before > len(VOCABULARY)


def test_vectors_are_kept_for_the_next_process(tmp_path: Path) -> None:
    """The next process encodes one tag, to see that the kept vectors are those of its model."""
    first = ZeroShotTagger(Counted(), kept_in=tmp_path).tag_vectors
    again = Counted()
    assert np.array_equal(ZeroShotTagger(again, kept_in=tmp_path).tag_vectors, first)
    assert again.encoded == len(prompts(VOCABULARY[0], korean=True))


def test_kept_vectors_of_other_weights_are_not_used(tmp_path: Path) -> None:
    """Nor is a file that was cut off."""
    ZeroShotTagger(Counted(), kept_in=tmp_path).tag_vectors.sum()
    expected = ZeroShotTagger(Counted(seed=1)).tag_vectors
    assert np.array_equal(ZeroShotTagger(Counted(seed=1), kept_in=tmp_path).tag_vectors, expected)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(ZeroShotTagger(Counted(seed=1), kept_in=tmp_path).tag_vectors, expected)
