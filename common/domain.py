"""The nouns of Heimdex, as frozen types.

These types are the seams of the pipeline: a stage takes some of them and returns one, and the
artifact codec stores them (`common.artifacts`). Times are integer milliseconds of presentation
time from the start of the media; spans are half-open, `[start_ms, end_ms)`. Pictures are RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import UUID

if TYPE_CHECKING:
    # Every function imports this module, and most of them neither have arrays nor ship NumPy;
    # whoever reads the types of fields at run time asks `common.artifact_values.types_of`.
    import numpy as np
    import numpy.typing as npt

Lane = Literal["media", "gpu"]
LANES: tuple[Lane, ...] = ("media", "gpu")

VideoState = Literal["uploading", "queued", "processing", "indexed", "failed"]
RunState = Literal["ready", "running", "done", "failed", "dead", "cancelled"]
StageState = Literal["pending", "running", "done", "skipped", "failed"]
SubtitleFormat = Literal["srt", "vtt"]


# --- what the ledger talks about ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunRef:
    """One unit of work that can be claimed: (video, object generation, lane)."""

    user_id: UUID
    run_id: UUID
    video_id: UUID
    #: Cloud Storage generation of the video object; a re-upload has a higher one.
    generation: int
    lane: Lane


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A claimed run. Every write made under it matches `fencing_token`."""

    run: RunRef
    owner: str
    #: Strictly increases with each claim of the same run.
    fencing_token: int
    #: 1 for the first attempt; counted at claim.
    attempt: int
    #: W3C trace context of the upload, or "".
    traceparent: str


# --- inputs of the media lane ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SubtitleFile:
    """A subtitle file uploaded beside the video; hostile bytes until parsed."""

    path: Path
    format: SubtitleFormat
    #: BCP 47 language the uploader declared, lower case, e.g. "ko".
    language: str


@dataclass(frozen=True, kw_only=True)
class MediaLimits:
    """Bounds on an upload; a file beyond one of them ends with the named code."""

    max_duration_ms: int = 10 * 60 * 1000  # duration_too_long
    max_pixels: int = 4096 * 2304  # frame_too_large
    max_streams: int = 16  # too_many_streams
    max_frames_per_second: int = 240  # too_many_frames
    #: Wall-clock bound of one sandboxed call. decode_budget_exceeded
    wall_budget_s: float = 600.0
    #: Address space of the child process. decode_budget_exceeded
    memory_bytes: int = 3 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Media:
    """The raw upload as local files; only ever opened inside the limited child process."""

    path: Path
    size_bytes: int
    #: Declared and signed at upload.
    content_type: str
    subtitles: tuple[SubtitleFile, ...] = ()
    limits: MediaLimits = field(default_factory=MediaLimits)


# --- outputs of the media lane -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VideoStream:
    """The video track that is used, as it will be shown (rotation applied)."""

    codec: str
    width_px: int
    height_px: int
    #: Clockwise degrees to apply to decoded frames: 0, 90, 180 or 270.
    rotation_deg: int
    #: Average rate; only a hint, as phones record variable frame rates.
    frames_per_second: float


@dataclass(frozen=True, kw_only=True)
class AudioStream:
    """The first audio track."""

    codec: str
    sample_rate_hz: int
    channels: int
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class SubtitleStream:
    """A text subtitle track inside the container."""

    #: Index of the stream in the container.
    index: int
    codec: str
    #: ISO code as the container says, or "".
    language: str


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`upload_validate`: what the container says, checked against the limits."""

    container: str
    duration_ms: int
    video: VideoStream
    audio: AudioStream | None
    subtitles: tuple[SubtitleStream, ...]


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One subtitle line; text without markup, NFC."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, kw_only=True)
class CueTrack:
    """The cues of one language, ordered by start."""

    #: BCP 47 primary language, lower case ("en", "ko"), or "" if unknown.
    language: str
    #: Where it came from: "embedded" or "uploaded".
    source: Literal["embedded", "uploaded"]
    cues: tuple[Cue, ...]


@dataclass(frozen=True, kw_only=True)
class AudioExtract:
    """`audio_extract`: sound as FLAC and subtitle tracks as cues."""

    #: 16 kHz mono 16-bit FLAC, or empty if there is no readable audio.
    flac: bytes
    sample_rate_hz: int
    duration_ms: int
    cue_tracks: tuple[CueTrack, ...]
    #: Codes of what could not be read though the video is still indexed (`audio_unreadable`, …).
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A shot, or a window of 8–12 s of a longer one."""

    #: 0-based, ordered by start.
    ordinal: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """`scene_detect`: scenes that cover the video without gap or overlap."""

    scenes: tuple[Scene, ...]
    #: Last presentation time seen by the decoder, at least `scenes[-1].end_ms`.
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One sampled picture."""

    scene_ordinal: int
    #: Exact presentation time.
    time_ms: int
    #: JPEG, RGB, longest side ≤ 1280 px, rotation applied.
    jpeg: bytes
    width_px: int
    height_px: int
    #: Variance of the Laplacian on the 0–255 luma; higher is sharper.
    sharpness: float


@dataclass(frozen=True, kw_only=True)
class SampledFrames:
    """`vision_sample_frames`: a few sharp, distinct frames per scene, ordered by time."""

    frames: tuple[Frame, ...]


@dataclass(frozen=True, kw_only=True)
class DecodePass:
    """The three results of the one decode of a file; each is the artifact of its own stage."""

    audio_extract: AudioExtract
    scene_detect: Scenes
    vision_sample_frames: SampledFrames


# --- outputs of the gpu lane -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word and when it is said."""

    start_ms: int
    end_ms: int
    text: str
    #: 0–1; 1 for subtitles.
    confidence: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of speech (or a subtitle line). Text is NFC."""

    start_ms: int
    end_ms: int
    text: str
    language: str
    words: tuple[Word, ...] = ()
    #: 0–1.
    confidence: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """`asr_transcribe`: all segments of all languages, ordered by start."""

    segments: tuple[Segment, ...]
    #: Model that made it ("subtitles" when cues were used), for the sidecar.
    source: str
    #: Why there is nothing ("profile_has_no_speech_model"), or "".
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SceneTranscript:
    """What is said in one scene. A segment belongs to the scene it overlaps most."""

    ordinal: int
    segments: tuple[Segment, ...]
    #: Languages present, most spoken first.
    languages: tuple[str, ...]

    @property
    def text(self) -> str:
        """All segments as one text, a line per segment."""
        return "\n".join(segment.text for segment in self.segments)


@dataclass(frozen=True, kw_only=True)
class SceneTranscripts:
    """`align_merge`: one transcript per scene, ordinals 0…n-1."""

    scenes: tuple[SceneTranscript, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseRows:
    """Learned weights of tokens, a row per text (compressed sparse rows).

    Row i owns `tokens[offsets[i]:offsets[i + 1]]` and the weights at the same places.
    """

    #: (n + 1,) int64, rising from 0.
    offsets: npt.NDArray[np.int64]
    #: (m,) int64, ids in the model's vocabulary; rising within a row, each once.
    tokens: npt.NDArray[np.int64]
    #: (m,) float32, above 0.
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextVectors:
    """`embed_text`: a dense vector per scene that has embeddable text."""

    #: Scene ordinals, one per row of `dense`; a scene without embeddable text is absent.
    ordinals: tuple[int, ...]
    #: (n, 1024) float32, L2-normalised; shorter models are zero-padded.
    dense: npt.NDArray[np.float32]
    model: str
    #: The same texts as learned weights of tokens, if the model gives them.
    sparse: SparseRows | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameVectors:
    """`vision_embed_frames`: a vector per sampled frame, in the order of `SampledFrames`."""

    #: (n_frames, 1152) float32, L2-normalised.
    vectors: npt.NDArray[np.float32]
    model: str


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A zero-shot tag of one scene."""

    ordinal: int
    #: Stable English key, e.g. "night", "red".
    tag: str
    #: Calibrated to 0–1.
    score: float


@dataclass(frozen=True, kw_only=True)
class Tags:
    """`vision_tags`: tags of all scenes, best first within a scene."""

    tags: tuple[Tag, ...]
    model: str


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line of on-screen text in one frame."""

    scene_ordinal: int
    time_ms: int
    text: str
    #: x, y, width, height as fractions of the frame, 0–1.
    box: tuple[float, float, float, float]
    #: 0–1.
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ScreenText:
    """`text_read`: on-screen text, ordered by time."""

    lines: tuple[TextLine, ...]
    model: str


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceObservation:
    """A face in a frame. Never a name: identity is a join made later."""

    scene_ordinal: int
    time_ms: int
    box: tuple[float, float, float, float]
    #: 0–1.
    quality: float
    #: (512,) float32, L2-normalised. Never logged.
    vector: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Faces:
    """`faces_detect`: observations, or a note why there are none."""

    observations: tuple[FaceObservation, ...]
    model: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """The immutable JSON of one scene."""

    scene_id: UUID
    #: Canonical JSON, UTF-8.
    json: bytes


@dataclass(frozen=True, kw_only=True)
class Sidecars:
    """`sidecar_build`: one sidecar per scene, in scene order."""

    sidecars: tuple[Sidecar, ...]


# --- what the commit makes searchable ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Term:
    """A lexical index entry of one scene."""

    #: "learned": the term is a token id of the text model, the weight what it learned.
    source: Literal["transcript", "screen", "learned"]
    term: str
    #: Term frequency (or a learned weight).
    weight: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneRow:
    """All that search needs to know of one scene."""

    scene_id: UUID
    ordinal: int
    start_ms: int
    end_ms: int
    transcript: tuple[Segment, ...]
    languages: tuple[str, ...]
    screen_text: tuple[TextLine, ...]
    tags: tuple[Tag, ...]
    terms: tuple[Term, ...]
    #: (1024,) float32 or None when the text model abstains.
    text_vector: npt.NDArray[np.float32] | None
    frame_times_ms: tuple[int, ...]
    #: (n_frames, 1152) float32.
    frame_vectors: npt.NDArray[np.float32]
    #: The sharpest frame, shown when no leg names a better one.
    best_frame_ms: int


@dataclass(frozen=True, kw_only=True)
class IndexRows:
    """`commit`: the rows of one video, written in one transaction."""

    index_version: str
    duration_ms: int
    #: Names of the models that made the vectors.
    text_model: str
    image_model: str
    scenes: tuple[SceneRow, ...]
