"""StreamingPull: messages flow to the client while it acknowledges on the same stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
from google.pubsub_v1 import types

from local.pubsub.broker import Broker
from local.pubsub.hub import Hub
from local.pubsub.model import Delivery
from local.pubsub.wire import ACK_DEADLINE_S, invalid, received
from local.rpc import CallFaults, RpcError

#: Messages in one response, and in flight when the client names no limit.
BATCH = 100
UNLIMITED = 1_000


class _Stream:
    """One client's stream, from its first request on."""

    def __init__(self, hub: Hub, first: types.StreamingPullRequest) -> None:
        if not ACK_DEADLINE_S[0] <= first.stream_ack_deadline_seconds <= ACK_DEADLINE_S[1]:
            raise invalid("stream_ack_deadline_seconds must be 10 to 600")
        self._hub = hub
        self._subscription = first.subscription
        self._lease_s = float(first.stream_ack_deadline_seconds)
        self._limit = first.max_outstanding_messages or UNLIMITED
        self._held: list[str] = []
        self.ended = threading.Event()

    def read(self, requests: Iterator[types.StreamingPullRequest]) -> None:
        """Apply the client's requests until it ends the stream or is gone."""
        try:
            for request in requests:
                self._apply(request)
        # gRPC ends the iterator of a cancelled call with a bare Exception.
        except Exception:  # noqa: BLE001
            pass
        finally:
            self.ended.set()
            self._hub.wake()

    def responses(self) -> Iterator[types.StreamingPullResponse]:
        """Messages as they become available, within the client's limit of unacknowledged ones."""
        while True:
            deliveries = self._hub.wait(self._take, cancelled=self.ended.is_set)
            if deliveries is None:
                return
            yield types.StreamingPullResponse(received_messages=[received(d) for d in deliveries])

    def _apply(self, request: types.StreamingPullRequest) -> None:
        with self._hub.broker() as broker:
            if request.stream_ack_deadline_seconds:
                self._lease_s = float(request.stream_ack_deadline_seconds)
            broker.acknowledge(self._subscription, request.ack_ids)
            pairs = zip(
                request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True
            )
            for ack_id, seconds in pairs:
                broker.modify_deadline(self._subscription, [ack_id], seconds)

    def _take(self, broker: Broker) -> list[Delivery]:
        self._held = [
            ack_id for ack_id in self._held if broker.leased(self._subscription, [ack_id])
        ]
        room = min(BATCH, self._limit - len(self._held))
        if room <= 0:
            return []
        deliveries = broker.pull(self._subscription, room, lease_s=self._lease_s)
        self._held += [delivery.ack_id for delivery in deliveries]
        return deliveries


def streaming_pull(hub: Hub, faults: CallFaults) -> grpc.RpcMethodHandler[bytes, bytes]:
    """The handler of `Subscriber/StreamingPull`."""

    def handle(
        requests: Iterator[types.StreamingPullRequest], context: grpc.ServicerContext
    ) -> Iterator[types.StreamingPullResponse]:
        fault = faults.draw("StreamingPull")
        if fault is not None:
            context.abort(fault.status, "injected fault")
        reader: threading.Thread | None = None
        try:
            stream = _Stream(hub, next(requests))
            reader = threading.Thread(target=stream.read, args=(requests,), daemon=True)
            reader.start()
            yield from stream.responses()
        except RpcError as error:
            context.abort(error.status, error.detail)
        if hub.closed:
            context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")

    return grpc.stream_stream_rpc_method_handler(
        handle,
        request_deserializer=types.StreamingPullRequest.deserialize,
        response_serializer=types.StreamingPullResponse.serialize,
    )
