"""Stage `vision_tags`: what a scene shows, as tags of a curated vocabulary."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.domain import FrameVectors, SampledFrames, Tag, Tags
from gpu_jobs.models import Models

#: Below, a tag is more likely wrong than right; it is not stored.
_MIN_SCORE: Final = 0.5
_MAX_TAGS_PER_SCENE: Final = 12


def run(
    *, vision_sample_frames: SampledFrames, vision_embed_frames: FrameVectors, models: Models
) -> Tags:
    """Tag scenes by their best frame for each tag.

    Args:
        vision_sample_frames: says which scene a frame belongs to.
        vision_embed_frames: a vector per frame, in the same order.
        models: with the tagger.

    Returns:
        Per scene, in scene order, at most 12 tags that score at least 0.5, best first; none and a
        note if there are no vectors to go by.
    """
    if vision_embed_frames.note:
        return Tags(tags=(), model="", note=vision_embed_frames.note)
    tagger = models.tagger
    scores = tagger.score(vision_embed_frames.vectors)
    ordinals = np.array([f.scene_ordinal for f in vision_sample_frames.frames], dtype=np.int64)
    found: list[Tag] = []
    for ordinal in np.unique(ordinals):
        best = scores[ordinals == ordinal].max(axis=0)
        tags = [
            Tag(ordinal=int(ordinal), tag=tag, score=round(float(score), 4))
            for tag, score in zip(tagger.tags, best, strict=True)
            if score >= _MIN_SCORE
        ]
        found += sorted(tags, key=lambda each: (-each.score, each.tag))[:_MAX_TAGS_PER_SCENE]
    return Tags(tags=tuple(found), model=tagger.name)
