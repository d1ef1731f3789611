"""Errors of Google's client libraries, as ours."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.auth.exceptions import GoogleAuthError, TransportError

from common.errors import ConfigError, ContractError, HeimdexError, TransientError

#: What these calls raise; catch this, then `translate`.
GOOGLE_ERRORS = (api.GoogleAPIError, GoogleAuthError)

#: The request itself is wrong: sending it again cannot help.
_WRONG_REQUEST = (api.InvalidArgument, api.OutOfRange, api.MethodNotImplemented)
#: The service account, the name of a resource, or the deployment is wrong.
_WRONG_SETUP = (api.NotFound, api.PermissionDenied, api.Unauthenticated)


def translate(error: Exception, what: str) -> HeimdexError:
    """Our error for one of `GOOGLE_ERRORS`; raise it `from` the cause.

    Args:
        error: what the library raised.
        what: the attempted thing, e.g. `publish to heimdex-gpu`; goes into the detail with the
            kind of the error, but not its text, which may quote the request.

    Returns:
        ContractError (`message_invalid`) for a request that is wrong in itself, ConfigError for
        missing resources or rights, TransientError for all else.
    """
    detail = f"{what}: {type(error).__name__}"
    if isinstance(error, _WRONG_REQUEST):
        return ContractError("message_invalid", detail)
    if isinstance(error, _WRONG_SETUP):
        return ConfigError(detail)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return TransientError(detail=detail) if error.retryable else ConfigError(detail)
    return TransientError(detail=detail)
