"""SigLIP and SigLIP 2: pictures and texts to vectors that can be compared.

X. Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023 (arXiv 2303.15343); M. Tschannen
et al., SigLIP 2, 2025 (arXiv 2502.14786). Transformers computes. What this module adds is what a
checkpoint's files leave to the caller, and what search silently suffers from when it is wrong:
every text is padded to the length of the training and no padding is masked, for the vector of a
text is that of its last position; SigLIP 2 was trained on lower case.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from common.errors import ConfigError
from gpu_jobs.models.device import Device, in_batches
from gpu_jobs.models.siglip_frames import FramePreparation, Picture, PreparedAhead

#: Width of the image vectors of every profile; those of a narrower model (768) are zero-padded.
DIMENSIONS: Final = 1152
#: Length of a text in tokens (big_vision, configs/proj/image_text); it is padded or cut to it.
TEXT_TOKENS: Final = 64
#: Frames at once. At 384 px a frame is 729 tokens: the widest layer (4304) of 64 frames takes
#: 400 MB in float16 on a GPU, that of 8 frames 100 MB in float32 on a CPU.
_FRAMES: Final = {"cuda": 64, "cpu": 8}
_TEXTS: Final = {"cuda": 256, "cpu": 32}
#: Decoding and scaling release the interpreter; beyond, they only take the cores of the model.
_THREADS: Final = 4
#: SigLIP has a SentencePiece model of English text, SigLIP 2 the tokenizer of Gemma.
_SENTENCEPIECE: Final = "spiece.model"
_TOKENIZER: Final = "tokenizer.json"

Floats = npt.NDArray[np.float32]


class _Tokenizer(Protocol):
    def __call__(self, texts: list[str]) -> list[list[int]]:
        """A row of TEXT_TOKENS ids for each text."""


class Siglip:
    """A SigLIP checkpoint with fixed resolution (model type "siglip", versions 1 and 2)."""

    dimensions = DIMENSIONS

    def __init__(self, directory: Path, *, device: Device, name: str, lower_case: bool) -> None:
        """Load the checkpoint.

        Args:
            directory: verified files: config.json, model.safetensors, preprocessor_config.json
                and tokenizer.json, or spiece.model for SigLIP 1.
            device: float16 on a GPU, float32 or bfloat16 on a CPU.
            name: of the model, for the index manifest.
            lower_case: whether texts are lower-cased first: True for SigLIP 2. The tokenizer of
                SigLIP 1 does it itself, and drops punctuation besides.

        Raises:
            ConfigError: files are missing, or are not those of such a checkpoint.
        """
        self.name = name
        self._device = device
        self._lower_case = lower_case
        self._preparation = FramePreparation.read(_file(directory, "preprocessor_config.json"))
        self._tokenize, self.multilingual = _tokenizer(directory)
        model = _load(directory)
        _check(directory, model.config, self._preparation)
        #: Factor of a cosine, the exponential of what the checkpoint stores, in full precision.
        self.logit_scale: float = model.logit_scale.exp().item()
        #: What is added: the model's probability is sigmoid(logit_scale * cosine + logit_bias).
        self.logit_bias: float = model.logit_bias.item()
        self._model = _placed(model, device)

    def encode(self, jpegs: Sequence[bytes]) -> Floats:
        """(n, 1152) float32, L2-normalised, one row per JPEG.

        While a batch is computed, the next ones are decoded and scaled.

        Raises:
            ContractError: a frame is not a JPEG.
            TransientError: out of memory, also with half a batch.
        """
        import torch

        batch = _FRAMES[self._device.kind]
        threads = min(_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads, thread_name_prefix="frames") as pool:
            frames = PreparedAhead(jpegs, self._preparation.scale, pool=pool, ahead=2 * batch)
            try:
                with torch.inference_mode():
                    return _rows(in_batches(frames, batch, self._encode_frames))
            finally:
                frames.cancel()

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, 1152) float32, L2-normalised, one row per text; only the first 64 tokens count.

        Raises:
            TransientError: out of memory, also with half a batch.
        """
        import torch

        with torch.inference_mode():
            return _rows(in_batches(texts, _TEXTS[self._device.kind], self._encode_texts))

    def prepare(self, jpegs: Sequence[bytes]) -> Any:
        """Frames as the model takes them: torch.float32 (n, 3, height, width) on the device."""
        return self._normalised([self._preparation.scale(jpeg) for jpeg in jpegs])

    def tokenize(self, texts: Sequence[str]) -> Any:
        """Texts as the model takes them: torch.int64 (n, 64) on the device."""
        import torch

        # The tokenizers leave decomposed Hangul as it is, and do not know it.
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        prepared = [text.lower() if self._lower_case else text for text in composed]
        return torch.tensor(self._tokenize(prepared), device=self._device.torch_name)

    def _encode_frames(self, frames: Sequence[Picture]) -> Any:
        values = self._normalised(frames).to(self._model.dtype)
        return _unit(self._model.vision_model(pixel_values=values).pooler_output)

    def _encode_texts(self, texts: Sequence[str]) -> Any:
        # No attention mask: padding was seen in training.
        return _unit(self._model.text_model(input_ids=self.tokenize(texts)).pooler_output)

    def _normalised(self, frames: Sequence[Picture]) -> Any:
        import torch

        pictures = torch.from_numpy(np.stack(frames))
        if self._device.kind == "cuda":
            # From pinned memory the copy goes on while the program prepares the next batch.
            pictures = pictures.pin_memory().to(self._device.torch_name, non_blocking=True)
        return self._preparation.normalise(pictures)


def _unit(pooled: Any) -> Any:
    """In float32, as float16 has too few digits to divide by a length; zero-padded; on the device.

    The result is fetched when all batches are under way: to wait for each would stop the overlap.
    """
    import torch

    vectors = torch.nn.functional.normalize(pooled.float(), dim=-1)
    return torch.nn.functional.pad(vectors, (0, DIMENSIONS - vectors.shape[-1]))


def _rows(batches: Sequence[Any]) -> Floats:
    import torch

    if not batches:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    return np.asarray(torch.cat(list(batches)).cpu().numpy(), dtype=np.float32)


def _file(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise ConfigError(f"{directory} has no {name}: run `make models PROFILE=cpu` (or gpu)")
    return path


def _load(directory: Path) -> Any:
    """The model in float32, from safetensors only, with every weight."""
    import torch
    from transformers import SiglipModel

    kind = _model_type(_file(directory, "config.json"))
    if kind != "siglip":
        raise ConfigError(f"{directory}: model type {kind!r}, expected 'siglip'")
    _file(directory, "model.safetensors")
    # Its annotation does not know of the information that is asked for.
    from_pretrained: Any = SiglipModel.from_pretrained
    try:
        model, loading = from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{directory}: not a SigLIP checkpoint ({error})") from error
    # Transformers fills what is missing with random numbers.
    if missing := sorted([*loading["missing_keys"], *map(str, loading["mismatched_keys"])]):
        raise ConfigError(f"{directory}/model.safetensors: no fitting {missing[0]}")
    return model.eval()


def _model_type(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", ""))
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: not a model's configuration") from error


def _check(directory: Path, config: Any, preparation: FramePreparation) -> None:
    width, text_width = config.vision_config.hidden_size, config.text_config.projection_size
    size = (preparation.height_px, preparation.width_px)
    if width > DIMENSIONS or text_width != width:
        raise ConfigError(
            f"{directory}: vectors of {width} (images) and {text_width} (texts) values, "
            f"expected the same, at most {DIMENSIONS}"
        )
    if size != (config.vision_config.image_size,) * 2:
        raise ConfigError(
            f"{directory}: preprocessing scales to {size}, the model takes "
            f"{config.vision_config.image_size}"
        )
    if config.text_config.max_position_embeddings != TEXT_TOKENS:
        raise ConfigError(f"{directory}: not trained on texts of {TEXT_TOKENS} tokens")


def _placed(model: Any, device: Device) -> Any:
    import torch

    dtype = torch.bfloat16 if device.bfloat16 else torch.float32
    return model.to(device.torch_name, dtype=torch.float16 if device.kind == "cuda" else dtype)


def _tokenizer(directory: Path) -> tuple[_Tokenizer, bool]:
    """The tokenizer, and whether it was made for many languages."""
    if (directory / _SENTENCEPIECE).is_file():
        return _sentencepiece(directory), False
    return _gemma(_file(directory, _TOKENIZER)), True


def _sentencepiece(directory: Path) -> _Tokenizer:
    """SigLIP 1: transformers' own class, which cleans the text as big_vision does."""
    from transformers import SiglipTokenizer

    tokenizer = SiglipTokenizer.from_pretrained(directory, local_files_only=True)

    def tokenize(texts: list[str]) -> list[list[int]]:
        encoded = tokenizer(
            texts,
            padding="max_length",
            padding_side="right",
            truncation=True,
            max_length=TEXT_TOKENS,
        )
        return list(encoded["input_ids"])

    return tokenize


def _gemma(path: Path) -> _Tokenizer:
    """SigLIP 2: the vocabulary of the file, and the rest as big_vision has it.

    No <bos>, always an <eos>, padding on the right (`bos="no", eos="sticky"`). Transformers' class
    for Gemma does otherwise, unless other files say so.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ConfigError(f"{path}: not a tokenizer") from error
    pad, end = tokenizer.token_to_id("<pad>"), tokenizer.token_to_id("<eos>")
    if pad is None or end is None:
        raise ConfigError(f"{path}: not SigLIP 2's tokenizer, which has <pad> and <eos>")
    tokenizer.post_processor = TemplateProcessing("$A <eos>", special_tokens=[("<eos>", end)])
    tokenizer.enable_truncation(TEXT_TOKENS)
    tokenizer.enable_padding(length=TEXT_TOKENS, pad_id=pad, pad_token="<pad>", direction="right")

    def tokenize(texts: list[str]) -> list[list[int]]:
        return [encoded.ids for encoded in tokenizer.encode_batch(texts)]

    return tokenize
