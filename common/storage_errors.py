"""The errors of Cloud Storage's libraries, translated into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from google.api_core import exceptions as api_errors
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from common.errors import HeimdexError, NotFoundError, PermanentError, TransientError

#: Raised when there was no answer, or one that makes no sense.
_UNANSWERED = (
    api_errors.RetryError,
    DataCorruption,
    InvalidResponse,
    GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
)
#: The same request will be refused again.
_PERMANENT = (api_errors.BadRequest, api_errors.PreconditionFailed, api_errors.Conflict)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our errors instead of the libraries'.

    Args:
        what: for the log: bucket and name, never a URL, which may be signed.

    Raises:
        NotFoundError: the object or bucket does not exist.
        PermanentError: the request is wrong.
        TransientError: anything else.
    """
    try:
        yield
    except api_errors.GoogleAPICallError as error:
        hang_up(error)
        raise _as_ours(error, what) from error
    except _UNANSWERED as error:
        hang_up(error)
        raise TransientError(detail=f"{what}: {type(error).__name__}") from error


def hang_up(error: BaseException) -> None:
    """Close the answer that an error carries.

    A download whose status is an error leaves its answer unread, and with it a connection that is
    in no pool any more: it would stay open until the garbage collector comes by.

    Args:
        error: of one attempt, or of the last.
    """
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        response.close()


def _as_ours(error: Exception, what: str) -> HeimdexError:
    if isinstance(error, api_errors.NotFound):
        return NotFoundError(what)
    detail = f"{what}: {type(error).__name__}"
    if isinstance(error, _PERMANENT):
        return PermanentError("internal", detail)
    # Refused credentials count as transient, too: they are a fault of the environment.
    return TransientError(detail=detail)
