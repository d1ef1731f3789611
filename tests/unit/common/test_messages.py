"""Payloads and pushes."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest

from common.domain import LANES
from common.errors import ContractError
from common.messages import (
    PUSH_SUBSCRIPTIONS,
    RunReady,
    decode,
    decode_push,
    encode,
    lane_topic,
)
from tests.conftest import settings

READY = RunReady(user_id=UUID(int=1), run_id=UUID(int=2), lane="gpu")


def test_a_message_comes_back() -> None:
    """What is encoded is decoded."""
    assert decode(RunReady, encode(READY).encode()) == READY


def test_a_newer_producer_may_say_more() -> None:
    """Unknown fields are ignored, so that a deployment may change producers first."""
    data = json.loads(encode(READY)) | {"priority": 1}
    assert decode(RunReady, json.dumps(data).encode()) == READY


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"null",
        encode(READY).replace("gpu", "tpu").encode(),
        encode(READY).replace('"version":1', '"version":2').encode(),
    ],
)
def test_an_unreadable_message_is_one_error(data: bytes) -> None:
    """Damage, other lanes and other versions are refused alike."""
    with pytest.raises(ContractError, match="message_invalid"):
        decode(RunReady, data)


def test_a_push_tells_what_it_is_for() -> None:
    """The subscription names the lane, or the sweep."""
    for subscription, lane in PUSH_SUBSCRIPTIONS.items():
        body = {
            "message": {"data": base64.b64encode(b"x").decode(), "attributes": {"a": "b"}},
            "subscription": f"projects/p/subscriptions/{subscription}",
        }
        push = decode_push(json.dumps(body).encode())
        assert (push.lane, push.data, push.traceparent) == (lane, b"x", "")


@pytest.mark.parametrize("lane", LANES)
def test_topics_and_settings_agree(lane: str) -> None:
    """The names in messages and in the settings are the same."""
    (known,) = (x for x in LANES if x == lane)
    assert lane_topic(known) == settings().topic(known)
