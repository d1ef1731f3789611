"""A stand-in for Firebase Auth, IAM Credentials and Google's OAuth token endpoint.

It speaks their REST protocols, so the official libraries verify tokens and sign URLs unchanged:
a local proxy answers for Google's hosts with certificates of a local authority.
"""

from local.identity.faults import Faults
from local.identity.mail import Mail
from local.identity.server import IdentityServer

__all__ = ["Faults", "IdentityServer", "Mail"]
