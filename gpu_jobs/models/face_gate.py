"""The licence gate: which face recognisers may be used.

Weights of face recognisers are mostly trained on data that was collected for research, and come
without a licence for commercial use.
"""

from __future__ import annotations

from typing import Final

from common.errors import ConfigError
from common.registry import ALLOWED_LICENCES

#: Why there are no faces: the feature is not switched on.
SWITCHED_OFF: Final = "faces_switched_off"


def require_cleared(name: str, licence: str, *, licensed: bool) -> None:
    """Refuse a recogniser that may not be used commercially.

    Args:
        name: of the recogniser.
        licence: SPDX identifier of its weights' licence; "NOASSERTION" if there is none.
        licensed: the operator says that they hold a licence (`HEIMDEX_FEATURE_FACE_LICENSED=true`).

    Raises:
        ConfigError: it is not cleared, and the operator does not say so either.
    """
    if licence in ALLOWED_LICENCES or licensed:
        return
    raise ConfigError(
        f"the weights of {name} are not cleared for commercial use (licence: {licence or 'none'}); "
        "use sface, or set HEIMDEX_FEATURE_FACE_LICENSED=true if you hold a licence"
    )
