"""Entity tags: polling that costs little, and changes that notice each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from werkzeug.datastructures import ETags

from common.errors import InputError
from common.web.models import ResponseModel


def entity_tag(body: str) -> str:
    """A tag of a JSON answer, without quotes; equal exactly when the answer is."""
    return hashlib.sha256(body.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class IfMatch:
    """The If-Match header of a request, if it has one."""

    tags: ETags

    def require(self, current: ResponseModel) -> None:
        """Refuse the change if the item is no longer what the client saw.

        Args:
            current: the answer that a GET would give now.

        Raises:
            InputError: `precondition_failed`.
        """
        if self.tags and not self.tags.contains(entity_tag(current.model_dump_json())):
            raise InputError("precondition_failed")
