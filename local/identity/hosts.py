"""The Google hosts that the stand-in answers for; every other host is refused."""

from __future__ import annotations

from typing import Final

#: Firebase accounts: https://cloud.google.com/identity-platform/docs/reference/rest
IDENTITY_TOOLKIT: Final = "identitytoolkit.googleapis.com"
#: Refresh tokens to ID tokens.
SECURE_TOKEN: Final = "securetoken.googleapis.com"
#: Certificates of the keys that sign ID tokens.
CERTIFICATES: Final = "www.googleapis.com"
#: signBlob and generateAccessToken.
IAM_CREDENTIALS: Final = "iamcredentials.googleapis.com"
#: Service-account assertions to access tokens.
OAUTH: Final = "oauth2.googleapis.com"

ALL: Final = frozenset({IDENTITY_TOOLKIT, SECURE_TOKEN, CERTIFICATES, IAM_CREDENTIALS, OAUTH})
