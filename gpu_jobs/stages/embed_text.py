"""Stage `embed_text`: a dense vector per scene."""

from __future__ import annotations

from common.domain import SceneTranscript, SceneTranscripts, TextVectors
from common.encoders import TextEncoder
from gpu_jobs.models import Models


def run(*, align_merge: SceneTranscripts, models: Models) -> TextVectors:
    """Embed what is said in each scene, as far as the text model can know what it means.

    Args:
        align_merge: a transcript per scene.
        models: with the text model; segments on which it abstains (Hangul, for MiniLM) are left
            out, so English subtitles are embedded where Korean ones stand beside them.

    Returns:
        A row per scene that has such text.
    """
    texts = {scene.ordinal: _known(scene, models.text) for scene in align_merge.scenes}
    spoken = {ordinal: text for ordinal, text in texts.items() if text}
    return TextVectors(
        ordinals=tuple(spoken),
        dense=models.text.encode(list(spoken.values())),
        model=models.text.name,
    )


def _known(scene: SceneTranscript, encoder: TextEncoder) -> str:
    """The scene's lines that the encoder understands, each once."""
    lines = dict.fromkeys(segment.text for segment in scene.segments)
    return "\n".join(line for line in lines if not encoder.abstains(line))
