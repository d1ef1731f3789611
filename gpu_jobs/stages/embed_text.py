"""Stage `embed_text`: a dense vector per scene, and learned weights of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from common.domain import SceneTranscript, SceneTranscripts, SparseRows, TextVectors
from common.encoders import TextEncoder
from common.encoders.bert import Floats
from gpu_jobs.models import Models
from gpu_jobs.models.bge_m3 import SparseTextEncoder


def run(*, align_merge: SceneTranscripts, models: Models) -> TextVectors:
    """Embed what is said in each scene, as far as the text model can know what it means.

    Args:
        align_merge: a transcript per scene.
        models: with the text model; segments on which it abstains (Hangul, for MiniLM) are left
            out, so English subtitles are embedded where Korean ones stand beside them.

    Returns:
        A row per scene that has such text; sparse rows too if the model gives them.
    """
    texts = {scene.ordinal: _known(scene, models.text) for scene in align_merge.scenes}
    spoken = {ordinal: text for ordinal, text in texts.items() if text}
    dense, sparse = _encode(models.text, list(spoken.values()))
    return TextVectors(ordinals=tuple(spoken), dense=dense, model=models.text.name, sparse=sparse)


def _encode(encoder: TextEncoder, texts: Sequence[str]) -> tuple[Floats, SparseRows | None]:
    if not isinstance(encoder, SparseTextEncoder):
        return encoder.encode(texts), None
    both = encoder.encode_both(texts)
    return both.dense, both.sparse


def _known(scene: SceneTranscript, encoder: TextEncoder) -> str:
    """The scene's lines that the encoder understands, each once."""
    lines = dict.fromkeys(segment.text for segment in scene.segments)
    return "\n".join(line for line in lines if not encoder.abstains(line))
