"""A tiny XLM-RoBERTa with BGE-M3's heads, in the files that the real one has.

Weights are random and seeded; the tokenizer is a SentencePiece Unigram model trained on the
sentences below, turned into `tokenizer.json` as XLM-RoBERTa's is (ids 0–3 are <s>, <pad>, </s> and
<unk>; <mask> is the last). No pickles: BGE-M3's two heads are in `heads.safetensors`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import XLMRobertaConfig, XLMRobertaModel

#: The real one has 1024, 24 layers and 16 heads.
HIDDEN = 32
#: Special tokens included; the two positions before the first are XLM-RoBERTa's own.
MAX_TOKENS = 512

_SEED = 20_240_205
_SENTENCES = (
    "안녕하세요 여러분 오늘은 빨간 차를 보러 갑니다",
    "밤에 비가 내리고 있습니다",
    "민지가 손을 흔드는 모습이 보입니다",
    "바다에서 파도 소리가 들립니다",
    "a man is crying in the rain",
    "the red car stops at night",
    "two people are talking about the weather, 2024!",
    "hello everyone and welcome to this video",
)
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def write(directory: Path) -> None:
    """Write model.safetensors, heads.safetensors, config.json and the tokenizer's files.

    Args:
        directory: made if it does not exist.
    """
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(directory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        _model(vocabulary).save_pretrained(directory)
        save_file(_heads(), directory / "heads.safetensors")


def _model(vocabulary: int) -> Any:
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        layer_norm_eps=1e-5,
        # At the usual 0.02 two layers hardly mix: <s> would be much the same after every text.
        initializer_range=0.3,
    )
    model: Any = XLMRobertaModel(config)
    model.eval()
    for name, values in model.named_parameters():
        if values.dim() == 1:
            # Biases and norms, which start at 0 and 1, where leaving them out goes unseen.
            values.data += torch.randn_like(values) * 0.1
        if name.endswith("word_embeddings.weight"):
            values.data[config.pad_token_id] = torch.randn(HIDDEN)
    return model


def _heads() -> dict[str, torch.Tensor]:
    # Most tokens weigh something with this one, special ones too, and a few nothing.
    likely = torch.randn(1, HIDDEN, generator=torch.Generator().manual_seed(0))
    return {
        "sparse.weight": likely * 0.3,
        "sparse.bias": torch.tensor([-0.3]),
        "colbert.weight": torch.randn(HIDDEN, HIDDEN) * 0.2,
        "colbert.bias": torch.randn(HIDDEN) * 0.1,
    }


def _write_tokenizer(directory: Path) -> int:
    """Write the tokenizer; returns the size of its vocabulary."""
    trained = _train()
    (directory / "sentencepiece.bpe.model").write_bytes(trained)
    messages: Any = sentencepiece_model_pb2
    proto = messages.ModelProto()
    proto.ParseFromString(trained)
    # SentencePiece's own first three are <unk>, <s> and </s>.
    pieces = [(piece.piece, piece.score) for piece in proto.pieces[3:]]
    vocabulary = [*((token, 0.0) for token in _SPECIAL), *pieces, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=_SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*_SPECIAL, "<mask>"])
    tokenizer.save(str(directory / "tokenizer.json"))
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>"}
    tokens = {f"{role}_token": token for role, token in names.items()}
    tokens |= {"unk_token": "<unk>", "mask_token": "<mask>"}
    (directory / "special_tokens_map.json").write_text(json.dumps(tokens))
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": MAX_TOKENS}
    (directory / "tokenizer_config.json").write_text(json.dumps({**tokens, **settings}))
    return int(tokenizer.get_vocab_size())


def _train() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 3),
        model_writer=model,
        model_type="unigram",
        vocab_size=150,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
