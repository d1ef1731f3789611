"""What can be wrong with a photo: a closed list of codes, which `common.errors` puts in words."""

from __future__ import annotations

from typing import Final

NO_FACE: Final = "face_not_found"
SEVERAL_FACES: Final = "several_faces"
TOO_SMALL: Final = "face_too_small"
TURNED: Final = "face_turned"
BLURRED: Final = "face_blurred"
DIFFERENT: Final = "face_different"
UNREADABLE: Final = "photo_unreadable"
TOO_LARGE: Final = "photo_too_large"
#: No fault of the photo's.
UNAVAILABLE: Final = "faces_unavailable"
NO_CONSENT: Final = "consent_required"
FAILED: Final = "photo_failed"

PROBLEMS: Final = frozenset(
    {
        NO_FACE,
        SEVERAL_FACES,
        TOO_SMALL,
        TURNED,
        BLURRED,
        DIFFERENT,
        UNREADABLE,
        TOO_LARGE,
        UNAVAILABLE,
        NO_CONSENT,
        FAILED,
        "hash_mismatch",
        "size_mismatch",
        "type_mismatch",
        "upload_expired",
    }
)
#: What a decoder or its sandbox says of any file, and says of videos in other words.
_UNREADABLE: Final = frozenset({"decode_budget_exceeded", "decode_crashed", "empty_file"})


def problem_of(code: str) -> str:
    """The problem that an error code of a run stands for."""
    if code in _UNREADABLE:
        return UNREADABLE
    return code if code in PROBLEMS else FAILED
