"""Tiny Whispers in CTranslate2's format, made by CTranslate2's own converter.

`write_random` listens with random weights. `write_reciting` says what it was told to whatever it
hears, as sure of it as it was told to be: a hallucination that can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

#: In Whisper's order (openai/whisper, tokenizer.py); all the tokenizer of faster-whisper knows.
_CODES: Final = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su"
)
LANGUAGES: Final = tuple(_CODES.split())
_START: Final = "<|startoftranscript|>"
_SPECIAL: Final = (
    "<|endoftext|>",
    _START,
    *(f"<|{language}|>" for language in LANGUAGES),
    *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
    *("<|nospeech|>", "<|notimestamps|>"),
    *(f"<|{place * 0.02:.2f}|>" for place in range(1501)),
)
#: Enough for merges of whole words, and of what Whisper never says (" -", " '", " ♪").
_CORPUS: Final = (
    "시청해주셔서 감사합니다. 안녕하세요 민지야 오늘 날씨가 좋네요.",
    "Thanks for watching. Thank you very much. Subtitles by the community. My fellow Americans.",
    *(" - ' ♩ ♪ ♫ ♬ ♭ ♮ ♯ - ' ♪",) * 8,
)
#: The prompt's tokens before the first one that is said, less one.
_FIRST: Final = 3
#: Positions speak louder than the token before.
_LOUDNESS: Final = 8.0


def write_random(directory: Path, *, seed: int = 0, bands: int = 80) -> Path:
    """A Whisper of random weights.

    Args:
        directory: to write to.
        seed: of the weights.
        bands: of the spectrogram, 128 from large-v3 on.
    """
    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    model = _model(tokenizer, bands=bands, size=32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Positions are left to the sinusoids; the rest is loud enough to tell sounds apart.
            if weight.dim() > 1 and "encoder.embed_positions" not in name:
                weight.normal_(std=0.3)
    return _convert(model, tokenizer, directory, bands)


def write_reciting(
    directory: Path,
    text: str,
    *,
    times: int = 1,
    language: str = "ko",
    avg_logprob: float = -0.05,
    no_speech: bool = False,
) -> Path:
    """A Whisper that says `text` whatever it hears.

    Attention and feed-forward layers add nothing; what is said next depends on the position only.

    Args:
        directory: to write to.
        text: to say; 100 tokens or so at most.
        times: how often to say it; 0 for as long as Whisper lets it.
        language: that it hears.
        avg_logprob: how sure it is of its tokens, about.
        no_speech: whether it hears that nobody speaks.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    model = _model(tokenizer, bands=80, size=64)
    script = tokenizer.encode(text).ids * (times or 1)
    script += [] if times == 0 else [_id(tokenizer, "<|endoftext|>")] * 400
    told, quiet = _id(tokenizer, f"<|{language}|>"), _id(tokenizer, "<|nospeech|>")
    decoder = model.model.decoder
    with torch.no_grad():
        _silence(decoder)
        tokens = decoder.embed_tokens.weight
        tokens.normal_(std=0.3 / tokens.shape[1] ** 0.5)
        for axis, token in enumerate(dict.fromkeys((*script, told, quiet))):
            tokens[token] = torch.eye(tokens.shape[1])[axis]
        tokens[told] *= 1.5
        tokens[quiet] *= 2.5
        places = decoder.embed_positions.weight
        places.zero_()
        places[0] = _LOUDNESS * (tokens[told] / 1.5 + no_speech * tokens[quiet] / 2.5)
        for place in range(_FIRST, places.shape[0]):
            places[place] = _LOUDNESS * tokens[script[(place - _FIRST) % len(script)]]
        decoder.layer_norm.weight.fill_(_gain(model, script, avg_logprob))
    return _convert(model, tokenizer, directory, 80)


def _silence(decoder: Any) -> None:
    for layer in decoder.layers:
        for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
            part.weight.zero_()
            part.bias.zero_()


def _gain(model: Any, script: Sequence[int], avg_logprob: float) -> float:
    """The weight of the last normalisation at which tokens are as probable as wanted."""
    decoder = model.model.decoder
    said = torch.tensor(script[: 448 - _FIRST - 1])
    places = decoder.embed_positions.weight[_FIRST + 1 : _FIRST + len(said)]
    hidden = decoder.embed_tokens.weight[said[:-1]] + places
    hidden = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
    scores = hidden @ decoder.embed_tokens.weight.T
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        chances = torch.log_softmax(scores * middle, -1).gather(1, said[1:, None])
        low, high = (middle, high) if chances.mean() < avg_logprob else (low, middle)
    return low


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    merges = [(left, right) for left, right in learned["merges"]]
    # Multilingual Whispers have an empty last word; by it CTranslate2 tells them from English ones.
    words = learned["vocab"] | {"": len(learned["vocab"])}
    tokenizer.model = models.BPE(vocab=words, merges=merges)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    return tokenizer


def _model(tokenizer: Tokenizer, *, bands: int, size: int) -> Any:
    end = _id(tokenizer, "<|endoftext|>")
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        num_mel_bins=bands,
        d_model=size,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=size,
        decoder_ffn_dim=size,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=_id(tokenizer, _START),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model: Any = WhisperForConditionalGeneration(config)
    # Typed as Any: transformers leaves these without types.
    generation: Any = GenerationConfig
    model.generation_config = generation(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=_id(tokenizer, _START),
        alignment_heads=[[0, 0], [1, 1]],
        lang_to_id={f"<|{code}|>": _id(tokenizer, f"<|{code}|>") for code in LANGUAGES},
        suppress_tokens=[],
        begin_suppress_tokens=[_id(tokenizer, " "), end],
    )
    return model


def _convert(model: Any, tokenizer: Tokenizer, directory: Path, bands: int) -> Path:
    # Slow to import, and only here.
    from ctranslate2.converters import TransformersConverter

    source = directory.with_name(directory.name + "-source")
    model.save_pretrained(source, safe_serialization=True)
    tokenizer.save(str(source / "tokenizer.json"))
    end = "<|endoftext|>"
    words = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": end, "eos_token": end}
    (source / "tokenizer_config.json").write_text(json.dumps(words | {"unk_token": end}))
    settings = {"feature_size": bands, "sampling_rate": 16000, "hop_length": 160, "n_fft": 400}
    (source / "preprocessor_config.json").write_text(json.dumps(settings | {"chunk_length": 30}))
    TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(directory))
    return directory


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token if token != " " else "Ġ")
    assert number is not None, token
    return int(number)
