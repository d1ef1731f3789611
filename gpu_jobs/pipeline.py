"""The pipeline: what happens to an upload, in order. docs/adding-a-stage.md tells how to add a row.

The media lane decodes hostile bytes in a limited child process, on CPU. The gpu lane only reads
what the media lane made.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from common import search_index
from common.artifacts import sidecar_key
from common.domain import IndexRows, PhotoFace, Sidecars
from common.ledger.endings import Indexed
from common.people import consent, enrolment, sightings
from common.people.locks import lock_people
from gpu_jobs.stage import Export, PhotoFacts, Pipeline, Stage, VideoFacts
from gpu_jobs.stages import (
    align_merge,
    asr_transcribe,
    commit,
    decode_pass,
    embed_text,
    faces_detect,
    photo_embed,
    photo_normalise,
    sidecar_build,
    text_read,
    upload_validate,
    vision_embed_frames,
    vision_tags,
)


def _sidecars(video: VideoFacts, sidecars: Sidecars) -> Iterator[Export]:
    for sidecar in sidecars.sidecars:
        name = sidecar_key(video.user_id, video.video_id, sidecar.scene_id)
        yield Export(name=name, data=sidecar.json, content_type="application/json")


def _make_searchable(video: VideoFacts, rows: IndexRows, tx: Connection) -> Indexed:
    # Whoever withdraws consent locks in this order: consent, people, rows.
    consent.hold(tx, video.user_id)
    lock_people(tx, video.user_id)
    search_index.replace_video(tx, user_id=video.user_id, video_id=video.video_id, rows=rows)
    sightings.replace_video(
        tx,
        user_id=video.user_id,
        video_id=video.video_id,
        faces=rows.faces,
        model=rows.face_model,
    )
    return Indexed(
        index_version=rows.index_version,
        scene_count=len(rows.scenes),
        duration_ms=rows.duration_ms,
    )


def _enrol(photo: PhotoFacts, face: PhotoFace, tx: Connection) -> None:
    enrolment.apply(tx, photo.user_id, photo.person_id, photo.photo_id, face)


PIPELINE = Pipeline(
    (
        Stage(name="upload_validate", lane="media", version=1, run=upload_validate.run),
        # One pass over the file makes these three.
        Stage(
            name="audio_extract",
            lane="media",
            version=1,
            run=decode_pass.run,
            part="audio_extract",
        ),
        Stage(
            name="scene_detect",
            lane="media",
            version=1,
            run=decode_pass.run,
            part="scene_detect",
        ),
        Stage(
            name="vision_sample_frames",
            lane="media",
            version=1,
            run=decode_pass.run,
            part="vision_sample_frames",
        ),
        Stage(name="asr_transcribe", lane="gpu", version=2, run=asr_transcribe.run),
        Stage(name="align_merge", lane="gpu", version=1, run=align_merge.run),
        Stage(name="embed_text", lane="gpu", version=2, run=embed_text.run),
        Stage(name="vision_embed_frames", lane="gpu", version=2, run=vision_embed_frames.run),
        Stage(name="vision_tags", lane="gpu", version=2, run=vision_tags.run),
        Stage(name="text_read", lane="gpu", version=1, run=text_read.run),
        Stage(name="faces_detect", lane="gpu", version=3, run=faces_detect.run),
        Stage(
            name="sidecar_build", lane="gpu", version=2, run=sidecar_build.run, exports=_sidecars
        ),
        Stage(name="commit", lane="gpu", version=4, run=commit.run, apply=_make_searchable),
    )
)

#: What happens to a photo that a person is to be known by.
PHOTO_PIPELINE = Pipeline(
    (
        Stage(name="photo_normalise", lane="media", version=1, run=photo_normalise.run),
        Stage(name="photo_embed", lane="gpu", version=1, run=photo_embed.run, apply=_enrol),
    )
)
