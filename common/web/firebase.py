"""Firebase tokens as the way in, for the mains of HTTP functions.

Firebase's library takes a third of what all else takes to load, so it is loaded when it is first
needed, and an instance answers earlier.
"""

from __future__ import annotations

from common.database import Database
from common.effects import effect as durable_effect
from common.errors import ConfigError, TransientError
from common.web.routes import Authenticate, Principal, RequestHeaders


def authenticator(database: Database) -> Authenticate:
    """Verify tokens with Firebase; the tenant's row is there afterwards."""

    def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> Principal:
        from common.web import auth

        identity = auth.authenticate(headers, check_revoked=check_revoked)
        return auth.principal(database, identity)

    return authenticate


class FirebaseAccounts:
    """The project's accounts, changed with the process's own identity."""

    def delete(self, firebase_uid: str, *, effect: str) -> None:
        """Make sure that there is no such account; it may be gone already.

        Tokens that it was given before still verify until they expire (an hour at most).

        Args:
            firebase_uid: of the account.
            effect: name of the durable effect.

        Raises:
            TransientError: Firebase did not answer.
            ConfigError: the process may not delete accounts.
        """
        from firebase_admin import auth as firebase
        from firebase_admin import exceptions
        from google.auth.exceptions import GoogleAuthError

        from common.web import auth

        with durable_effect(effect):
            try:
                firebase.delete_user(firebase_uid, app=auth.app())
            except firebase.UserNotFoundError:
                return
            except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
                raise ConfigError(f"firebase: {type(error).__name__}") from error
            except (exceptions.FirebaseError, GoogleAuthError, OSError) as error:
                raise TransientError(detail=f"firebase: {type(error).__name__}") from error
