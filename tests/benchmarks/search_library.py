"""The other rows of a tenant that is searched by whole requests: scenes, terms and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from common.database import Database
from common.domain import IndexRows, SceneRow, Segment, Tag, Term
from common.encoders import QueryEncoders
from common.encoders.colour_space import AXES, calibrate_presence, read_presence
from common.encoders.tags import TAGS
from common.lexical import terms
from common.search_index import replace_video
from tests.benchmarks.search_data import FRAMES_PER_SCENE, SCENES_PER_VIDEO, Material, Tenant
from tests.benchmarks.search_store import VERSION, video_id

_SCENE_MS = 10_000
#: From which score the pipeline gives a scene a tag.
_LEAST_TAG_SCORE = 0.6


def store(
    worker: Database,
    tenant: Tenant,
    made_of: Material,
    models: QueryEncoders,
    *,
    on_progress: Callable[[int], None],
) -> None:
    """Write them as the pipeline would. Vectors, codes and videos must be there already.

    Args:
        worker: as `heimdex_worker`.
        tenant: whose.
        made_of: what is said and seen in its scenes.
        models: that made the vectors.
        on_progress: told how many scenes are stored.
    """
    for number, first in enumerate(range(0, tenant.scenes, SCENES_PER_VIDEO)):
        last = min(first + SCENES_PER_VIDEO, tenant.scenes)
        rows = IndexRows(
            index_version=VERSION,
            duration_ms=SCENES_PER_VIDEO * _SCENE_MS,
            text_model=models.text.name,
            image_model=models.image.name,
            scenes=tuple(
                _scene(tenant, made_of, scene, scene - first) for scene in range(first, last)
            ),
        )
        with worker.tenant(tenant.user_id, effect="bench.store") as tx:
            replace_video(
                tx, user_id=tenant.user_id, video_id=video_id(tenant.user_id, number), rows=rows
            )
        on_progress(last)


def _scene(tenant: Tenant, made_of: Material, scene: int, ordinal: int) -> SceneRow:
    lines = [made_of.lines[line] for line in tenant.lines[scene] if line >= 0]
    frames = tenant.frames[scene * FRAMES_PER_SCENE : (scene + 1) * FRAMES_PER_SCENE]
    presences = read_presence(frames).max(axis=0)
    scores = {axis: calibrate_presence(float(p)) for axis, p in zip(AXES, presences, strict=True)}
    counts = Counter(term for line in lines for term in terms(line))
    start_ms = ordinal * _SCENE_MS
    return SceneRow(
        scene_id=tenant.scene_id(scene),
        ordinal=ordinal,
        start_ms=start_ms,
        end_ms=start_ms + _SCENE_MS,
        transcript=tuple(
            Segment(
                start_ms=start_ms + 3_000 * place,
                end_ms=start_ms + 3_000 * place + 3_000,
                text=line,
                language="en",
            )
            for place, line in enumerate(lines)
        ),
        languages=("en",),
        screen_text=(),
        tags=tuple(
            Tag(ordinal=ordinal, tag=axis, score=score)
            for axis, score in scores.items()
            if axis in TAGS and score >= _LEAST_TAG_SCORE
        ),
        terms=tuple(
            Term(source="transcript", term=term, weight=float(count))
            for term, count in counts.items()
        ),
        text_vector=None,
        frame_times_ms=(),
        frame_vectors=np.empty((0, frames.shape[1]), dtype=np.float32),
        best_frame_ms=start_ms,
    )
