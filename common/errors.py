"""The closed list of error codes, and the exceptions that carry them.

Every code has a text in English and Korean that says what happened and what to do. A code, once
published, never changes its meaning: clients, the ledger and the logs all rely on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, kw_only=True)
class ErrorText:
    """What one code means to a person."""

    #: HTTP status when the code is the answer to a request.
    status: int
    #: English: what happened and what to do.
    en: str
    #: Korean: the same.
    ko: str


def _text(status: int, en: str, ko: str) -> ErrorText:
    return ErrorText(status=status, en=en, ko=ko)


#: Every code there is. A test asserts that no code outside this table is ever raised.
CODES: Final[Mapping[str, ErrorText]] = MappingProxyType(
    {
        # --- requests -------------------------------------------------------------------------
        "unauthenticated": _text(
            401,
            "Sign in and send a valid ID token in the Authorization header.",
            "로그인한 뒤 유효한 ID 토큰을 Authorization 헤더에 넣어 보내 주세요.",
        ),
        "sign_in_again": _text(
            401,
            "You signed in too long ago for this. Sign in again and repeat it within five minutes.",
            "로그인한 지 오래되었습니다. 다시 로그인하고 5분 안에 다시 시도해 주세요.",
        ),
        "not_found": _text(
            404,
            "There is nothing here under this id. Check the id; it may have been deleted.",
            "이 ID에 해당하는 항목이 없습니다. ID를 확인해 주세요. 이미 삭제되었을 수 있습니다.",
        ),
        "method_not_allowed": _text(
            405,
            "This address does not support the method. See /v1/openapi.json.",
            "이 주소에서는 지원하지 않는 메서드입니다. /v1/openapi.json을 확인해 주세요.",
        ),
        "invalid_request": _text(
            400,
            "The request is not valid. Correct the fields listed under errors and send it again.",
            "요청이 올바르지 않습니다. errors에 표시된 항목을 고쳐 다시 보내 주세요.",
        ),
        "request_too_large": _text(
            413,
            "The request body is larger than 64 KiB. Send less at once.",
            "요청 본문이 64 KiB보다 큽니다. 나누어 보내 주세요.",
        ),
        "invalid_page_token": _text(
            400,
            "The page token is not valid for this request. Start again without page_token.",
            "이 요청에 맞지 않는 페이지 토큰입니다. page_token 없이 다시 시작해 주세요.",
        ),
        "idempotency_key_reused": _text(
            422,
            "This Idempotency-Key was used with a different request. Use a new key.",
            "다른 요청에 이미 사용된 Idempotency-Key입니다. 새 키를 사용해 주세요.",
        ),
        "idempotency_conflict": _text(
            409,
            "A request with this Idempotency-Key is still in progress. Retry in a moment.",
            "같은 Idempotency-Key의 요청이 아직 처리 중입니다. 잠시 후 다시 시도해 주세요.",
        ),
        "wrong_state": _text(
            409,
            "The video is not in a state that allows this. Check its status and try again.",
            "영상의 현재 상태에서는 할 수 없는 작업입니다. 상태를 확인한 뒤 다시 시도해 주세요.",
        ),
        "precondition_failed": _text(
            412,
            "It changed since you read it. Read it again and repeat the change with the new ETag.",
            "읽은 뒤에 내용이 바뀌었습니다. 다시 읽고 새 ETag로 변경을 다시 요청해 주세요.",
        ),
        "content_type_not_allowed": _text(
            415,
            "This file type is not supported. Upload MP4, MOV, MKV, WebM or AVI video, "
            "and SRT or WebVTT subtitles.",
            "지원하지 않는 파일 형식입니다. MP4, MOV, MKV, WebM, AVI 영상과 SRT, WebVTT 자막을 "
            "올려 주세요.",
        ),
        "file_too_large": _text(
            413,
            "The file is larger than the limit (1 GB per video). Shorten or compress it.",
            "파일이 제한(영상당 1 GB)보다 큽니다. 길이를 줄이거나 압축해 주세요.",
        ),
        "unavailable": _text(
            503,
            "The service is briefly unavailable. Retry after the time in Retry-After.",
            "일시적으로 서비스를 사용할 수 없습니다. Retry-After에 표시된 시간 뒤에 다시 시도해 "
            "주세요.",
        ),
        "internal": _text(
            500,
            "Something went wrong on our side. Retry; if it stays, report the request id.",
            "서버에서 문제가 발생했습니다. 다시 시도하고, 계속되면 요청 ID를 알려 주세요.",
        ),
        # --- quotas ---------------------------------------------------------------------------
        "uploads_exhausted": _text(
            429,
            "You have used all uploads that your plan allows for now. Upload again after the time "
            "in Retry-After (seconds), or change to a larger plan.",
            "현재 요금제에서 할 수 있는 업로드를 모두 사용했습니다. Retry-After에 표시된 시간(초) "
            "뒤에 다시 올리거나 더 큰 요금제로 바꿔 주세요.",
        ),
        "bytes_exhausted": _text(
            429,
            "These files are more than your plan has left for now. Upload smaller files, or upload "
            "again after the time in Retry-After (seconds).",
            "파일이 현재 요금제의 남은 업로드 용량보다 큽니다. 더 작은 파일을 올리거나 "
            "Retry-After에 표시된 시간(초) 뒤에 다시 올려 주세요.",
        ),
        "minutes_exhausted": _text(
            429,
            "Your plan has not enough minutes of video left for another upload. Upload again after "
            "the time in Retry-After (seconds).",
            "현재 요금제에 남은 영상 시간(분)이 부족합니다. Retry-After에 표시된 시간(초) 뒤에 "
            "다시 올려 주세요.",
        ),
        "too_many_in_processing": _text(
            429,
            "As many of your videos as your plan allows are being uploaded or processed. Wait "
            "until one is finished, or delete one.",
            "요금제에서 동시에 올리고 처리할 수 있는 영상 수에 도달했습니다. 하나가 끝날 때까지 "
            "기다리거나 하나를 삭제해 주세요.",
        ),
        "searches_exhausted": _text(
            429,
            "You are searching faster than your plan allows. Search again after the time in "
            "Retry-After (seconds).",
            "요금제에서 허용하는 것보다 자주 검색하고 있습니다. Retry-After에 표시된 시간(초) "
            "뒤에 다시 검색해 주세요.",
        ),
        "exports_exhausted": _text(
            429,
            "You have used all exports that your plan allows for now. Export again after the time "
            "in Retry-After (seconds).",
            "현재 요금제에서 할 수 있는 내보내기를 모두 사용했습니다. Retry-After에 표시된 "
            "시간(초) 뒤에 다시 내보내 주세요.",
        ),
        # --- uploads --------------------------------------------------------------------------
        "upload_expired": _text(
            410,
            "The upload was not completed in time. Start a new upload.",
            "제한 시간 안에 업로드가 끝나지 않았습니다. 새로 업로드해 주세요.",
        ),
        "intent_unknown": _text(
            404,
            "The object was not announced by an upload request. Start with POST /v1/uploads.",
            "업로드 요청으로 등록되지 않은 파일입니다. POST /v1/uploads로 시작해 주세요.",
        ),
        "size_mismatch": _text(
            422,
            "The stored file does not have the declared size. Upload the file again.",
            "저장된 파일의 크기가 신고한 크기와 다릅니다. 파일을 다시 올려 주세요.",
        ),
        "hash_mismatch": _text(
            422,
            "The stored file does not have the declared checksum. Upload the file again.",
            "저장된 파일의 체크섬이 신고한 값과 다릅니다. 파일을 다시 올려 주세요.",
        ),
        "type_mismatch": _text(
            422,
            "The file's content is not of the declared type. Upload it with its true type.",
            "파일 내용이 신고한 형식과 다릅니다. 실제 형식으로 다시 올려 주세요.",
        ),
        # --- media ----------------------------------------------------------------------------
        "empty_file": _text(
            422,
            "The file is empty. Export the video again and upload it.",
            "빈 파일입니다. 영상을 다시 내보내 올려 주세요.",
        ),
        "not_video": _text(
            422,
            "The file is not a video. Upload an MP4, MOV, MKV, WebM or AVI file.",
            "영상 파일이 아닙니다. MP4, MOV, MKV, WebM, AVI 파일을 올려 주세요.",
        ),
        "external_reference": _text(
            422,
            "The file is a playlist or refers to other files. Upload the video itself.",
            "재생 목록이거나 다른 파일을 참조하는 파일입니다. 영상 파일 자체를 올려 주세요.",
        ),
        "container_not_allowed": _text(
            422,
            "This container format is not supported. Convert the video to MP4.",
            "지원하지 않는 컨테이너 형식입니다. MP4로 변환해 주세요.",
        ),
        "codec_not_allowed": _text(
            422,
            "The video uses a codec that is not supported. Convert it to H.264 in MP4.",
            "지원하지 않는 코덱입니다. MP4(H.264)로 변환해 주세요.",
        ),
        "encrypted": _text(
            422,
            "The video is encrypted (DRM). Upload a copy without protection.",
            "암호화(DRM)된 영상입니다. 보호되지 않은 파일을 올려 주세요.",
        ),
        "truncated": _text(
            422,
            "The file is cut off or damaged. Export or copy it again and upload it.",
            "파일이 잘렸거나 손상되었습니다. 다시 내보내거나 복사해 올려 주세요.",
        ),
        "no_video_stream": _text(
            422,
            "The file has no video track. Upload a file with pictures.",
            "영상 트랙이 없는 파일입니다. 화면이 있는 파일을 올려 주세요.",
        ),
        "too_many_streams": _text(
            422,
            "The file has too many tracks (more than 16). Export it with fewer.",
            "트랙이 너무 많습니다(16개 초과). 트랙을 줄여 내보내 주세요.",
        ),
        "frame_too_large": _text(
            422,
            "The picture is larger than 4096 x 2304 pixels. Scale the video down.",
            "화면이 4096 x 2304 픽셀보다 큽니다. 영상 크기를 줄여 주세요.",
        ),
        "duration_too_long": _text(
            422,
            "The video is longer than the limit (10 minutes). Cut it into parts.",
            "영상이 제한(10분)보다 깁니다. 나누어 올려 주세요.",
        ),
        "too_many_frames": _text(
            422,
            "The video has too many frames per second (more than 240). Export it with fewer.",
            "초당 프레임 수가 너무 많습니다(240 초과). 줄여서 내보내 주세요.",
        ),
        "decode_budget_exceeded": _text(
            422,
            "Decoding the file took too much time or memory. Convert it to H.264 in MP4.",
            "파일을 디코딩하는 데 시간이나 메모리가 너무 많이 필요합니다. MP4(H.264)로 변환해 "
            "주세요.",
        ),
        "decode_crashed": _text(
            422,
            "The file could not be decoded: the decoder crashed. Convert it to H.264 in MP4.",
            "디코더가 비정상 종료되어 파일을 읽을 수 없습니다. MP4(H.264)로 변환해 주세요.",
        ),
        "too_many_decode_errors": _text(
            422,
            "Too much of the video is damaged. Export or copy it again and upload it.",
            "영상의 손상된 부분이 너무 많습니다. 다시 내보내거나 복사해 올려 주세요.",
        ),
        "subtitle_unreadable": _text(
            422,
            "A subtitle file could not be read. Save it as UTF-8 SRT or WebVTT.",
            "자막 파일을 읽을 수 없습니다. UTF-8 SRT 또는 WebVTT로 저장해 주세요.",
        ),
        "audio_unreadable": _text(
            422,
            "The audio could not be decoded; pictures are still searchable.",
            "오디오를 디코딩할 수 없습니다. 화면은 계속 검색할 수 있습니다.",
        ),
        # --- photos of people -----------------------------------------------------------------
        "photo_type_not_allowed": _text(
            415,
            "This file type is not supported. Upload the photo as JPEG, PNG, WebP or HEIC.",
            "지원하지 않는 파일 형식입니다. JPEG, PNG, WebP, HEIC 사진을 올려 주세요.",
        ),
        "photo_file_too_large": _text(
            413,
            "The photo's file is larger than the limit (20 MB). Save it smaller and upload it.",
            "사진 파일이 제한(20 MB)보다 큽니다. 더 작게 저장해 올려 주세요.",
        ),
        "photo_too_large": _text(
            422,
            "The photo has more than 60 million pixels. Scale it down and upload it again.",
            "사진이 6천만 픽셀보다 큽니다. 크기를 줄여 다시 올려 주세요.",
        ),
        "photo_unreadable": _text(
            422,
            "The photo could not be read. Save it as JPEG and upload it again.",
            "사진을 읽을 수 없습니다. JPEG로 저장해 다시 올려 주세요.",
        ),
        "photo_failed": _text(
            500,
            "The photo could not be processed. Delete it and upload it again.",
            "사진을 처리하지 못했습니다. 삭제한 뒤 다시 올려 주세요.",
        ),
        "face_not_found": _text(
            422,
            "There is no face in the photo. Use one in which the face is well lit and looks at "
            "the camera.",
            "사진에서 얼굴을 찾지 못했습니다. 밝은 곳에서 카메라를 바라보는 사진을 올려 주세요.",
        ),
        "several_faces": _text(
            422,
            "There are several faces in the photo. Use one of this person alone, or cut the "
            "others off.",
            "사진에 얼굴이 여러 개 있습니다. 이 사람만 나오는 사진을 올리거나 다른 사람을 잘라 "
            "내 주세요.",
        ),
        "face_too_small": _text(
            422,
            "The face in the photo is too small. Use one taken from nearer, or cut the rest off.",
            "사진 속 얼굴이 너무 작습니다. 더 가까이에서 찍은 사진을 올리거나 주변을 "
            "잘라 내 주세요.",
        ),
        "face_turned": _text(
            422,
            "The face in the photo is turned away. Use one in which it looks at the camera.",
            "사진 속 얼굴이 옆을 향하고 있습니다. 카메라를 바라보는 사진을 올려 주세요.",
        ),
        "face_blurred": _text(
            422,
            "The face in the photo is blurred. Use a sharper one.",
            "사진 속 얼굴이 흐립니다. 더 선명한 사진을 올려 주세요.",
        ),
        "face_different": _text(
            422,
            "The face differs too much from the person's other photos. Check that it is the same "
            "person; if an earlier photo is the wrong one, delete that.",
            "이 인물의 다른 사진들과 얼굴이 너무 다릅니다. 같은 사람인지 확인해 주세요. 이전 "
            "사진이 잘못되었다면 그 사진을 삭제해 주세요.",
        ),
        "faces_unavailable": _text(
            503,
            "Faces are not looked for here at the moment; nothing was learned from the photo. "
            "Upload it again later.",
            "지금은 얼굴 인식을 사용할 수 없어 사진을 등록하지 못했습니다. 나중에 다시 올려 "
            "주세요.",
        ),
        "consent_required": _text(
            409,
            "Faces are looked for only with consent. Record it first: POST /v1/faces/consent for "
            "your videos, and for the person POST /v1/people/{person_id}/consent.",
            "얼굴 인식에는 동의가 필요합니다. 먼저 내 영상에 대해서는 POST /v1/faces/consent로, "
            "인물에 대해서는 POST /v1/people/{person_id}/consent로 동의를 기록해 주세요.",
        ),
        "too_many_people": _text(
            409,
            "You have as many people as an account can have. Delete one first.",
            "등록할 수 있는 인물 수에 도달했습니다. 먼저 한 명을 삭제해 주세요.",
        ),
        "too_many_photos": _text(
            409,
            "This person has as many photos as a person can have. Delete one first.",
            "이 인물에 등록할 수 있는 사진 수에 도달했습니다. 먼저 한 장을 삭제해 주세요.",
        ),
        # --- features -------------------------------------------------------------------------
        "feature_disabled": _text(
            403,
            "This feature is switched off here. What you have is kept.",
            "현재 사용할 수 없는 기능입니다. 기존 데이터는 그대로 보관됩니다.",
        ),
        "email_unverified": _text(
            403,
            "Verify your e-mail address first: follow the link in the mail you were sent, then "
            "sign in again.",
            "먼저 이메일 주소를 인증해 주세요. 받은 메일의 링크를 연 뒤 다시 로그인해 주세요.",
        ),
        # --- processing -----------------------------------------------------------------------
        "attempts_exhausted": _text(
            500,
            "Processing failed five times. Retry later or contact support with the video id.",
            "처리가 다섯 번 실패했습니다. 나중에 다시 시도하거나 영상 ID와 함께 문의해 주세요.",
        ),
        "stage_failed": _text(
            500,
            "A processing step failed unexpectedly. It is retried automatically.",
            "처리 단계가 예기치 않게 실패했습니다. 자동으로 다시 시도합니다.",
        ),
        "export_failed": _text(
            500,
            "The archive could not be built. Ask for a new one; if that fails too, contact "
            "support with the export id.",
            "압축 파일을 만들지 못했습니다. 다시 요청해 주세요. 계속 실패하면 내보내기 ID와 함께 "
            "문의해 주세요.",
        ),
        # --- what is said about faces -----------------------------------------------------------
        "faces_share_frame": _text(
            409,
            "Both are seen in one picture, so they are two people. Split the wrong face off first.",
            "한 화면에 함께 나오므로 서로 다른 사람입니다. 잘못 묶인 얼굴을 먼저 분리해 주세요.",
        ),
        "clusters_named_differently": _text(
            409,
            "The two groups of faces have different names. Merge the people instead.",
            "두 얼굴 묶음의 이름이 서로 다릅니다. 대신 인물을 합쳐 주세요.",
        ),
        "person_denied": _text(
            409,
            "You said of all these faces that they are not this person. Undo that first.",
            "이 얼굴들은 모두 이 인물이 아니라고 하셨습니다. 먼저 그 작업을 되돌려 주세요.",
        ),
        "nothing_to_undo": _text(
            409,
            "There is nothing to undo or to do again.",
            "되돌리거나 다시 실행할 작업이 없습니다.",
        ),
        "dependency_unavailable": _text(
            503,
            "A service that Heimdex depends on did not answer. It is retried automatically.",
            "의존하는 서비스가 응답하지 않았습니다. 자동으로 다시 시도합니다.",
        ),
        "schema_outdated": _text(
            503,
            "The service is being updated. Retry in a few minutes.",
            "서비스를 업데이트하고 있습니다. 몇 분 뒤에 다시 시도해 주세요.",
        ),
        "artifact_corrupt": _text(
            500,
            "A stored intermediate result is damaged. It is computed again automatically.",
            "저장된 중간 결과가 손상되었습니다. 자동으로 다시 계산합니다.",
        ),
        "lease_lost": _text(
            409,
            "Another worker took this video over. Nothing needs to be done.",
            "다른 작업자가 이 영상을 이어받았습니다. 따로 할 일은 없습니다.",
        ),
        "message_invalid": _text(
            400,
            "The message or event cannot be read by this version.",
            "이 버전에서 읽을 수 없는 메시지 또는 이벤트입니다.",
        ),
        "config_invalid": _text(
            500,
            "The service is configured wrongly and refuses to start.",
            "서비스 설정이 잘못되어 시작하지 않습니다.",
        ),
    }
)


class HeimdexError(Exception):
    """An error with a code from `CODES`.

    Args:
        code: a key of `CODES`.
        detail: for developers and logs: what, which id, expected, got. Never a transcript, a
            vector, a name, a token or a signed URL.
    """

    #: Whether trying the same thing again later can help.
    retryable: bool = False

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class PermanentError(HeimdexError):
    """Record the code; never retry."""


class InputError(PermanentError):
    """The user's file or request is at fault."""


class NotFoundError(PermanentError):
    """Missing, deleted, or another tenant's: the three are never told apart."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("not_found", detail)


class AuthError(PermanentError):
    """No token, or one that does not verify."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("unauthenticated", detail)


class StaleSignInError(PermanentError):
    """A token that verifies, of somebody who signed in too long ago for what is asked."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("sign_in_again", detail)


class ContractError(PermanentError):
    """A message, event or artifact that cannot be decoded: a bug or an attack."""


class ConfigError(PermanentError):
    """The process must not start with these settings."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("config_invalid", detail)


class QuotaError(PermanentError):
    """Too much, or too often, for the user's tier.

    Args:
        code: a key of `CODES` with status 429.
        retry_after_s: after this long the same request is granted, if nothing else is charged
            meanwhile; None if it never is.
        detail: for developers and logs.
    """

    def __init__(self, code: str, *, retry_after_s: int | None, detail: str = "") -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class LeaseLostError(PermanentError):
    """A write matched no row by its fencing token: someone else owns the run now."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("lease_lost", detail)


class TransientError(HeimdexError):
    """Retry with backoff."""

    retryable = True

    def __init__(self, code: str = "dependency_unavailable", detail: str = "") -> None:
        super().__init__(code, detail)
