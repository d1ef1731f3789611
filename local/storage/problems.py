"""Refusals, worded as Cloud Storage words them in its two APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.etree import ElementTree


class StorageProblem(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        code: name in the XML API, e.g. `NoSuchKey`.
        message: one sentence for people.
        reason: name in the JSON API, e.g. `notFound`.
        details: more elements of the XML body, e.g. `Details` or `StringToSign`.
        headers: response headers to send along.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        reason: str = "invalid",
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def as_xml(self) -> bytes:
        """Body in the XML API."""
        root = ElementTree.Element("Error")
        for tag, text in {"Code": self.code, "Message": self.message, **self.details}.items():
            ElementTree.SubElement(root, tag).text = text
        return b"<?xml version='1.0' encoding='UTF-8'?>" + ElementTree.tostring(root)

    def as_json(self) -> bytes:
        """Body in the JSON API."""
        cause = {"message": self.message, "domain": "global", "reason": self.reason}
        error = {"code": self.status, "message": self.message, "errors": [cause]}
        return json.dumps({"error": error}).encode()


def invalid(message: str, *, code: str = "InvalidArgument") -> StorageProblem:
    """400: the request contradicts itself or the protocol."""
    return StorageProblem(400, code, message)


def no_such_bucket(bucket: str) -> StorageProblem:
    """404 for a bucket."""
    message = f"The specified bucket does not exist: {bucket}"
    return StorageProblem(404, "NoSuchBucket", message, reason="notFound")


def no_such_object(bucket: str, name: str) -> StorageProblem:
    """404 for an object or one of its generations."""
    message = f"No such object: {bucket}/{name}"
    return StorageProblem(404, "NoSuchKey", message, reason="notFound")


def precondition_failed() -> StorageProblem:
    """412: an if-match condition does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return StorageProblem(412, "PreconditionFailed", message, reason="conditionNotMet")


def too_large() -> StorageProblem:
    """400: more bytes than `x-goog-content-length-range` or the declared size allow."""
    return invalid(
        "Your proposed upload exceeds the maximum allowed object size.", code="EntityTooLarge"
    )


def too_small() -> StorageProblem:
    """400: fewer bytes than `x-goog-content-length-range` or the declared size ask for."""
    return invalid(
        "Your proposed upload is smaller than the minimum allowed object size.",
        code="EntityTooSmall",
    )


def bad_digest(kind: str, promised: str, computed: str) -> StorageProblem:
    """400: the stored bytes do not have the promised checksum."""
    message = f'Provided {kind} "{promised}" doesn\'t match calculated {kind} "{computed}".'
    return invalid(message, code="BadDigest")


def access_denied(message: str, *, details: str = "") -> StorageProblem:
    """403 without saying more than necessary."""
    more = {"Details": details} if details else None
    return StorageProblem(403, "AccessDenied", message, reason="forbidden", details=more)
