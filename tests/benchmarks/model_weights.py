"""Checkpoints of full size with random weights, in the formats that the models are read from.

Dimensions are those of the published config.json files. What they compute means nothing; how long
it takes is what the real weights take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Size = Literal["tiny", "base", "full"]


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """One stack of blocks."""

    width: int
    inner: int
    layers: int
    heads: int

    def config(self, **more: object) -> dict[str, Any]:
        """As transformers names it."""
        return {
            "hidden_size": self.width,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            **more,
        }


_TINY: Final = Transformer(width=32, inner=64, layers=2, heads=2)
_BASE: Final = Transformer(width=768, inner=3072, layers=12, heads=12)
_SO400M: Final = Transformer(width=1152, inner=4304, layers=27, heads=16)
_LARGE: Final = Transformer(width=1024, inner=4096, layers=24, heads=16)
#: (stack, image side, patch side) of tiny, SigLIP 2 base patch16 384 and so400m patch14 384.
_SIGLIP: Final = {
    "tiny": (_TINY, 32, 8),
    "base": (_BASE, 384, 16),
    "full": (_SO400M, 384, 14),
}
#: (width, inner, encoder layers, decoder layers, heads, mel bands, vocabulary).
_WHISPER: Final = {
    "tiny": (32, 64, 1, 1, 2, 80, 1_700),
    "small": (768, 3072, 12, 12, 12, 80, 51_865),
    "large-v3-turbo": (1280, 5120, 32, 4, 20, 128, 51_866),
}
#: First id of Whisper's special tokens counted from the end of its vocabulary, in its order.
WHISPER_SPECIAL: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|ko|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
    *(f"<|{place * 0.02:.2f}|>" for place in range(1501)),
)


def write_bge_m3(directory: Path, size: Size) -> None:
    """BGE-M3 (XLM-RoBERTa large and its heads); there is only one size of it, and tiny."""
    import torch
    from safetensors.torch import save_file
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from tests.checkpoints import xlm_roberta

    directory.mkdir(parents=True, exist_ok=True)
    # For its tokenizer.
    xlm_roberta.write(directory)
    if size == "tiny":
        return
    config = XLMRobertaConfig(
        **_LARGE.config(vocab_size=250_002, max_position_embeddings=8_194, type_vocab_size=1),
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        layer_norm_eps=1e-5,
    )
    _save(lambda: XLMRobertaModel(config, add_pooling_layer=False), directory)
    width = _LARGE.width
    heads = {
        "sparse.weight": torch.randn(1, width) * 0.02,
        "sparse.bias": torch.zeros(1),
        "colbert.weight": torch.randn(width, width) * 0.02,
        "colbert.bias": torch.zeros(width),
    }
    save_file(heads, directory / "heads.safetensors")


def write_siglip(directory: Path, size: Size) -> None:
    """SigLIP 2, both towers."""
    from transformers import SiglipConfig, SiglipModel

    from tests.checkpoints import siglip

    directory.mkdir(parents=True, exist_ok=True)
    # For its tokenizer and the settings of its processor.
    siglip.write(directory)
    stack, side, patch = _SIGLIP[size]
    path = directory / "preprocessor_config.json"
    if size == "tiny":
        if not path.is_file():
            path.write_text(_preprocessing(side))
        return
    path.write_text(_preprocessing(side))
    text = stack.config(vocab_size=256_000, max_position_embeddings=64, projection_size=stack.width)
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    config = SiglipConfig(
        text_config=text | special,
        vision_config=stack.config(image_size=side, patch_size=patch),
    )
    _save(lambda: SiglipModel(config), directory)


def write_whisper(directory: Path, name: str, quantization: str) -> None:
    """A Whisper converted by CTranslate2's own converter.

    Args:
        directory: to write to.
        name: "tiny", "small" or "large-v3-turbo".
        quantization: "int8" or "float16".
    """
    from ctranslate2.converters import TransformersConverter
    from tokenizers import AddedToken, Tokenizer, models
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    width, inner, encoder, decoder, heads, bands, vocabulary = _WHISPER[name]
    first = vocabulary - len(WHISPER_SPECIAL)
    # By the empty last word CTranslate2 tells multilingual Whispers from English ones.
    words = {f"word{place}": place for place in range(first - 1)} | {"": first - 1}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in WHISPER_SPECIAL])
    ids = {token: first + place for place, token in enumerate(WHISPER_SPECIAL[:10])}
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    special = {
        "pad_token_id": end,
        "bos_token_id": end,
        "eos_token_id": end,
        "decoder_start_token_id": start,
    }
    config = WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=bands,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **special,
    )
    source = directory.with_name(f"{directory.name}-source")
    generation = GenerationConfig(
        **special,
        alignment_heads=[[0, 0]],
        lang_to_id={token: ids[token] for token in ("<|en|>", "<|ko|>")},
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    _save(lambda: WhisperForConditionalGeneration(config), source, generation)
    tokenizer.save(str(source / "tokenizer.json"))
    text = "<|endoftext|>"
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": text, "eos_token": text}
    (source / "tokenizer_config.json").write_text(json.dumps(settings | {"unk_token": text}))
    TransformersConverter(str(source), low_cpu_mem_usage=True).convert(
        str(directory), quantization=quantization, force=True
    )


def _preprocessing(side: int) -> str:
    """SigLIP 2's preprocessor_config.json."""
    settings = {
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "SiglipProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return json.dumps(settings)


def _save(make: Any, directory: Path, generation: Any = None) -> None:
    """Make a model without its own slow initialisation, and save it in half precision."""
    import torch

    torch.manual_seed(0)
    with torch.device("meta"):
        model = make()
    model = model.to(torch.float16).to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name.lower():
                weight.fill_(float(name.endswith("weight")))
            else:
                weight.uniform_(-0.035, 0.035)
    if generation is not None:
        model.generation_config = generation
    model.tie_weights()
    model.save_pretrained(directory)


def whisper_vocabulary(name: str) -> int:
    """How many tokens a Whisper has."""
    return _WHISPER[name][-1]
