"""How fast each stage's model is, next to the plain way of using it.

Every function here runs in a process of its own, so that peak memory is the stage's.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from tests.benchmarks import model_weights
from tests.benchmarks.model_weights import Size

#: Tokens decoded per 30 s of speech; Korean and English talk has about 75–150.
TOKENS_PER_CLIP: Final = 128
CLIP_S: Final = 30
#: Tokens of scene transcripts, a few long and most short: mean 40.
SCENE_TOKENS: Final = (6, 8, 10, 12, 15, 18, 22, 26, 30, 34, 40, 48, 60, 75, 96, 140)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured, and for how long."""

    size: Size
    whisper: str
    #: "cpu" or "cuda".
    device: str
    #: Of each variant.
    seconds: float
    directory: Path
    #: Quantise the text towers too, which takes five times their size in memory.
    int8: bool = False


Rows = dict[str, Any]


def vision(setting: Setting) -> Rows:
    """Images a second: the project's class, and plain processor and model in a loop."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, SiglipModel

    directory = setting.directory / "siglip"
    model_weights.write_siglip(directory, setting.size)
    jpegs = _jpegs(64 if setting.device == "cuda" else 8)
    rates: Rows = {}
    project = _project("gpu_jobs.models.siglip", "Siglip")
    if project:
        encoder = project(directory, device=_device(setting), name="siglip", lower_case=True)
        rates["project"] = _rate(lambda: _count(encoder.encode(jpegs)), setting)
        del encoder
        _release(setting)
    dtype = torch.float16 if setting.device == "cuda" else torch.float32
    model = SiglipModel.from_pretrained(directory, dtype=dtype, local_files_only=True)
    model = model.eval().to(setting.device)
    processor = AutoImageProcessor.from_pretrained(directory, local_files_only=True)
    turn = 0

    def plain() -> int:
        nonlocal turn
        picture = Image.open(io.BytesIO(jpegs[turn % len(jpegs)])).convert("RGB")
        turn += 1
        pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            found = model.get_image_features(pixel_values=pixels.to(setting.device, dtype))
            found.pooler_output.float().cpu()
        return 1

    rates["plain"] = _rate(plain, setting)
    return _report("images/s", rates, setting)


def text(setting: Setting) -> Rows:
    """Tokens a second: the project's class, and plain transformers in batches as they come."""
    import torch
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    directory = setting.directory / "bge-m3"
    model_weights.write_bge_m3(directory, setting.size)
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    texts = _texts(tokenizer, 512 if setting.device == "cuda" else 64)
    config = XLMRobertaConfig.from_pretrained(directory, local_files_only=True)
    cut = {"truncation": True, "max_length": min(512, config.max_position_embeddings - 2)}
    tokens = sum(len(ids) for ids in tokenizer(texts, **cut)["input_ids"])
    rates: Rows = {}
    project = _project("gpu_jobs.models.bge_m3", "BgeM3")
    if project:
        encoder = project(directory, device=_device(setting))
        rates["project"] = _rate(lambda: len(encoder.encode(texts)) and tokens, setting)
        del encoder
        _release(setting)
    dtype = torch.float16 if setting.device == "cuda" else torch.float32
    model = XLMRobertaModel.from_pretrained(
        directory, add_pooling_layer=False, dtype=dtype, local_files_only=True
    )
    model = model.eval().to(setting.device)

    def plain() -> int:
        for start in range(0, len(texts), 32):
            batch = tokenizer(texts[start : start + 32], padding=True, return_tensors="pt", **cut)
            with torch.inference_mode():
                states = model(**batch.to(setting.device)).last_hidden_state[:, 0]
                torch.nn.functional.normalize(states.float(), dim=-1).cpu()
        return tokens

    rates["plain"] = _rate(plain, setting)
    return _report("tokens/s", rates, setting)


def speech(setting: Setting) -> Rows:
    """Seconds of speech a second: clips in batches, and one after the other.

    The decoder is CTranslate2's, as in the project's class and in faster-whisper. It is made to say
    a fixed number of tokens per clip, as random weights would go on to the limit; beams as there.
    """
    import ctranslate2
    import numpy as np

    half = setting.device == "cuda"
    directory = setting.directory / f"whisper-{setting.whisper}"
    name = "tiny" if setting.size == "tiny" else setting.whisper
    model_weights.write_whisper(directory, name, "float16" if half else "int8")
    kind = "float16" if half else "int8"
    model = ctranslate2.models.Whisper(str(directory), device=setting.device, compute_type=kind)
    first = _first_special(name)
    prompt = [first + 1, first + 3, first + 5, first + 9]
    sound = np.random.default_rng(0).normal(size=(16, model.n_mels, 3000)).astype(np.float32)

    def decode(clips: int) -> int:
        features = ctranslate2.StorageView.from_array(sound[:clips])
        said = model.generate(
            features,
            [prompt] * clips,
            beam_size=5,
            max_length=TOKENS_PER_CLIP + len(prompt),
            suppress_tokens=[first],
            suppress_blank=False,
        )
        assert all(len(each.sequences_ids[0]) >= TOKENS_PER_CLIP // 2 for each in said)
        return clips * CLIP_S

    batch = 16 if half else 4
    rates = {
        "project": _rate(lambda: decode(batch), setting),
        "plain": _rate(lambda: decode(1), setting),
    }
    rows = _report("s of speech/s", rates, setting)
    return rows | {
        "model": name,
        "compute_type": kind,
        "variants": f"CTranslate2 in batches of {batch} clips as the project does, one at a time",
    }


def queries(setting: Setting) -> Rows:
    """Milliseconds a query: ONNX Runtime on the CPU, as search does, and torch on the CPU."""
    import torch
    from transformers import AutoTokenizer, SiglipModel, XLMRobertaModel

    from common.encoders.onnx_text import OnnxBgeM3, OnnxSiglipText
    from gpu_jobs.models.export import export_text_tower
    from gpu_jobs.models.quantise import quantise

    rows: Rows = {"unit": "ms/query"}
    kinds: tuple[Literal["bge-m3", "siglip"], ...] = ("bge-m3", "siglip")
    places = {kind: setting.directory / kind for kind in kinds}
    model_weights.write_bge_m3(places["bge-m3"], setting.size)
    model_weights.write_siglip(places["siglip"], setting.size)
    query = "빨간 차 밤에 a red car at night"
    for kind, place in places.items():
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        if kind == "bge-m3":
            model = XLMRobertaModel.from_pretrained(
                place, add_pooling_layer=False, dtype=torch.float32, local_files_only=True
            ).eval()
            ids = tokenizer([query], return_tensors="pt")["input_ids"]
        else:
            whole = SiglipModel.from_pretrained(place, dtype=torch.float32, local_files_only=True)
            model = whole.text_model.eval()
            padding = {"padding": "max_length", "max_length": 64, "truncation": True}
            ids = tokenizer([query], return_tensors="pt", **padding)["input_ids"]

        def in_torch(model: Any = model, ids: Any = ids) -> int:
            with torch.inference_mode():
                model(input_ids=ids)
            return 1

        row = {"torch": 1000 / _rate(in_torch, setting)}
        del model
        out = setting.directory / "query" / kind
        with contextlib.redirect_stdout(io.StringIO()):
            export_text_tower(kind, place, out)
            if setting.int8:
                quantise(out, out / "quantised")
        graphs = {"onnx": None, "onnx int8": out / "quantised" / "model.onnx"}
        for name, graph in graphs.items() if setting.int8 else [("onnx", None)]:
            encode: Callable[[Sequence[str]], object] = (
                OnnxBgeM3(out, graph=graph).encode
                if kind == "bge-m3"
                else OnnxSiglipText(out, graph=graph).encode_texts
            )
            row[name] = 1000 / _rate(_once(partial(encode, [query])), setting)
        rows[kind] = {name: round(value, 2) for name, value in row.items()}
    return rows


STAGES: Final[dict[str, Callable[[Setting], Rows]]] = {
    "asr_transcribe": speech,
    "embed_text": text,
    "vision_embed_frames": vision,
    "search": queries,
}


def measure(stage: str, setting: Setting) -> Rows:
    """One stage's figures, with the peak memory of this process and of the GPU."""
    rows = STAGES[stage](setting)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows["peak_mib"] = round(peak)
    if setting.device == "cuda":
        rows["peak_gpu_mib"] = round(_torch().cuda.max_memory_allocated() / 1024**2)
    return rows


def _report(unit: str, rates: Rows, setting: Setting) -> Rows:
    rows: Rows = {"unit": unit, **{name: round(rate, 3) for name, rate in rates.items()}}
    rows["used"] = "project" if "project" in rates else "plain"
    if "project" in rates:
        rows["ratio"] = round(rates["project"] / rates["plain"], 2)
    return rows


def _rate(run: Callable[[], int], setting: Setting) -> float:
    """Items a second over the time given, after one run to warm up."""
    run()
    _wait(setting)
    start, count = time.perf_counter(), 0
    while True:
        count += run()
        _wait(setting)
        passed = time.perf_counter() - start
        if passed >= setting.seconds:
            return count / passed


def _wait(setting: Setting) -> None:
    if setting.device == "cuda":
        _torch().cuda.synchronize()


def _release(setting: Setting) -> None:
    if setting.device == "cuda":
        _torch().cuda.empty_cache()


def _torch() -> Any:
    return importlib.import_module("torch")


def _once(run: Callable[[], object]) -> Callable[[], int]:
    def counted() -> int:
        run()
        return 1

    return counted


def _project(module: str, name: str) -> Any:
    """A class of the project, or None where it, or what it needs, is not installed."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        return None


def _device(setting: Setting) -> Any:
    from gpu_jobs.models.device import Device, pick

    best = pick()
    return best if best.kind == setting.device else Device(kind="cpu")


def _count(vectors: Sequence[object]) -> int:
    return len(vectors)


def _first_special(name: str) -> int:
    return int(model_weights.whisper_vocabulary(name) - len(model_weights.WHISPER_SPECIAL))


def _jpegs(count: int) -> list[bytes]:
    """1280x720 pictures with some structure."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(3)
    out = []
    for _ in range(count):
        rough = random.integers(0, 256, (18, 32, 3)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(rough).resize((1280, 720), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        out.append(buffer.getvalue())
    return out


def _texts(tokenizer: Any, count: int) -> list[str]:
    """Texts with about the tokens of scene transcripts, in no order of length."""
    import random

    choose = random.Random(4)
    words = ["빨간", "차", "밤에", "a", "red", "car", "at", "night", "man"]
    per_word = len(tokenizer(" ".join(words))["input_ids"]) / len(words)
    lengths = [SCENE_TOKENS[place % len(SCENE_TOKENS)] for place in range(count)]
    choose.shuffle(lengths)
    return [
        " ".join(choose.choices(words, k=max(round(length / per_word), 1))) for length in lengths
    ]
