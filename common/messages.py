"""What travels over Pub/Sub: versioned payloads, and the names of topics.

A message is a doorbell. It names a row of the ledger; what to do about it, the ledger says.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.domain import Lane
from common.errors import ContractError

SWEEP_TOPIC: Final = "heimdex-sweep"
DEAD_LETTER_TOPIC: Final = "heimdex-dead-letter"
EXPORT_TOPIC: Final = "heimdex-export"
#: Push subscriptions, and what is pushed: a lane's doorbell, or the sweep (None).
PUSH_SUBSCRIPTIONS: Final[Mapping[str, Lane | None]] = MappingProxyType(
    {"heimdex-media-doorbell": "media", "heimdex-gpu-doorbell": "gpu", "heimdex-sweep-push": None}
)


def lane_topic(lane: Lane) -> str:
    """Short name of the topic that a lane's workers and doorbell listen to."""
    return f"heimdex-{lane}"


class Message(BaseModel):
    """Fields that every payload has; unknown ones are ignored, so that producers may go first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1


class RunReady(Message):
    """A run can be claimed."""

    user_id: UUID
    run_id: UUID
    lane: Lane


class RunDied(Message):
    """A run used up its attempts; kept in the dead-letter topic for people to look at."""

    user_id: UUID
    run_id: UUID
    lane: Lane
    error_code: str


class ExportRequested(Message):
    """Somebody waits for an archive."""

    user_id: UUID
    export_id: UUID


M = TypeVar("M", bound=BaseModel)


def encode(message: Message) -> str:
    """The JSON text of a payload."""
    return message.model_dump_json()


def decode(cls: type[M], data: bytes) -> M:
    """Read a payload.

    Raises:
        ContractError: `message_invalid`.
    """
    try:
        return cls.model_validate_json(data)
    except ValidationError as error:
        detail = f"{cls.__name__}: {error.error_count()} errors"
        raise ContractError("message_invalid", detail) from error


class _PushedMessage(BaseModel):
    data: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    message_id: str = Field(default="", alias="messageId")


class _PushBody(BaseModel):
    message: _PushedMessage
    subscription: str


class Pushed(BaseModel):
    """A pushed message as it is, whatever its subscription."""

    model_config = ConfigDict(frozen=True)

    #: Short name.
    subscription: str
    message_id: str
    data: bytes
    attributes: Mapping[str, str]


class Push(BaseModel):
    """What Pub/Sub pushes to an HTTP endpoint, unwrapped."""

    model_config = ConfigDict(frozen=True)

    #: Which lane's doorbell it is; None for the sweep.
    lane: Lane | None
    data: bytes
    traceparent: str


def decode_push(body: bytes) -> Push:
    """Read the body of a push request.

    Raises:
        ContractError: `message_invalid`; not a push of one of our subscriptions.
    """
    pushed = unwrap_push(body)
    try:
        lane = PUSH_SUBSCRIPTIONS[pushed.subscription]
    except KeyError as error:
        raise ContractError("message_invalid", "push of another subscription") from error
    traceparent = pushed.attributes.get("traceparent", "")
    return Push(lane=lane, data=pushed.data, traceparent=traceparent)


def unwrap_push(body: bytes) -> Pushed:
    """Read the body of a push request of any subscription.

    Raises:
        ContractError: `message_invalid`; not the body of a push.
    """
    wrapped = decode(_PushBody, body)
    try:
        data = base64.b64decode(wrapped.message.data, validate=True)
    except binascii.Error as error:
        raise ContractError("message_invalid", "push: data is not base64") from error
    return Pushed(
        subscription=wrapped.subscription.rpartition("/")[2],
        message_id=wrapped.message.message_id,
        data=data,
        attributes=wrapped.message.attributes,
    )
