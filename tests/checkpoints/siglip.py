"""Tiny SigLIP checkpoints, in the files that the real ones have.

Weights are random and seeded. The formats are those of google/siglip-* (version 1: a SentencePiece
Unigram model, bicubic frames) and of the fixed-resolution google/siglip2-* (version 2: a Gemma
tokenizer in `tokenizer.json`, bilinear frames); both have model type "siglip".
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final, Literal

import sentencepiece
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import SiglipConfig, SiglipModel

Version = Literal[1, 2]

#: The real ones have 768 (base) or 1152 (so400m).
HIDDEN: Final = 32
#: As in the real ones.
TEXT_TOKENS: Final = 64
#: The real ones have 224 to 512.
IMAGE_PX: Final = 32
#: Natural logarithm of the factor of a cosine; the real ones have 4.7 or so.
LOGIT_SCALE: Final = 4.7
LOGIT_BIAS: Final = -16.5

_SEED: Final = 20_250_220
_SENTENCES: Final = (
    "this is a photo of a red car at night",
    "a man crying in the rain, close up",
    "two children laughing on the beach at sunset",
    "a dog runs through the snow with a ball",
    "a birthday cake with candles and a cat",
    "people dancing at a wedding, a singer on stage",
    "빨간 차가 밤에 달리는 사진",
    "우는 남자와 웃는 아이",
    "민지가 바다에서 손을 흔드는 장면",
    "강아지랑 눈 오는 공원을 산책",
    "생일 케이크와 고양이 사진",
    "결혼식에서 춤추는 사람들과 무대 위의 가수",
)
#: Ids 0 to 3 of Gemma's vocabulary.
_GEMMA_SPECIAL: Final = ("<pad>", "<eos>", "<bos>", "<unk>")


def write(directory: Path, *, version: Version = 2) -> None:
    """Write config.json, model.safetensors, preprocessor_config.json and the tokenizer's files.

    Args:
        directory: made if it does not exist.
        version: of SigLIP.
    """
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_gemma(directory) if version == 2 else _write_sentencepiece(directory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED + version)
        _model(vocabulary, version).save_pretrained(directory)
    _write_json(
        directory / "preprocessor_config.json",
        {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "processor_class": "SiglipProcessor",
            "resample": 2 if version == 2 else 3,
            "rescale_factor": 1 / 255,
            "size": {"height": IMAGE_PX, "width": IMAGE_PX},
        },
    )


def _model(vocabulary: int, version: Version) -> Any:
    tower = {
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    text = {**tower, "vocab_size": vocabulary, "max_position_embeddings": TEXT_TOKENS}
    if version == 2:
        text |= {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    else:
        text |= {"pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1}
    vision = {**tower, "image_size": IMAGE_PX, "patch_size": 8}
    model: Any = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    model.eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.dim() == 1:
                # Biases and norms start at 0 and 1, where leaving them out goes unseen.
                values += torch.randn_like(values) * 0.1
            if name.endswith("position_embedding.weight"):
                # As strong as the tokens: a word elsewhere is another text.
                values.copy_(torch.randn_like(values) * 0.3)
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                # Attention that is sharp: a few words among 64 positions make a difference.
                values *= 3
        model.logit_scale.fill_(LOGIT_SCALE)
        model.logit_bias.fill_(LOGIT_BIAS)
    return model


def _write_gemma(directory: Path) -> int:
    """A BPE with byte fallback, spaces as "▁" and <eos> at the end; it keeps upper case."""
    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Replace(" ", "▁")
    learned.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learned.train_from_iterator(
        # Upper case is in the vocabulary: a text that is not lower-cased is another text.
        [*_SENTENCES, *(sentence.title() for sentence in _SENTENCES)],
        trainers.BpeTrainer(vocab_size=420, show_progress=False),
    )
    parts = json.loads(learned.to_str())["model"]
    pieces = [*_GEMMA_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += sorted(parts["vocab"], key=parts["vocab"].get)
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: place for place, piece in enumerate(pieces)},
            merges=[tuple(merge) for merge in parts["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 <eos>:0", pair="$A:0 <eos>:0 $B:1 <eos>:1", special_tokens=[("<eos>", 1)]
    )
    tokenizer.add_special_tokens(list(_GEMMA_SPECIAL))
    tokenizer.save(str(directory / "tokenizer.json"))
    names = ("pad_token", "eos_token", "bos_token", "unk_token")
    special = dict(zip(names, _GEMMA_SPECIAL, strict=True))
    _write_json(directory / "special_tokens_map.json", special)
    _write_json(
        directory / "tokenizer_config.json",
        {
            **special,
            "add_bos_token": False,
            "add_eos_token": True,
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids"],
            "model_max_length": TEXT_TOKENS,
            "padding_side": "right",
            "processor_class": "SiglipProcessor",
            "tokenizer_class": "GemmaTokenizer",
        },
    )
    return len(pieces)


def _write_sentencepiece(directory: Path) -> int:
    """A Unigram model with T5's ids: 0 is <pad>, 1 is </s>, which also pads, and 2 is <unk>."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 4),
        model_writer=model,
        model_type="unigram",
        vocab_size=240,
        hard_vocab_limit=False,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (directory / "spiece.model").write_bytes(model.getvalue())
    special = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    _write_json(directory / "special_tokens_map.json", special)
    _write_json(
        directory / "tokenizer_config.json",
        {
            **special,
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
            "model_input_names": ["input_ids"],
            "model_max_length": TEXT_TOKENS,
            "processor_class": "SiglipProcessor",
            "tokenizer_class": "SiglipTokenizer",
        },
    )
    loaded = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return int(loaded.get_piece_size())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
