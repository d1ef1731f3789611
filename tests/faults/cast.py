"""Who takes part in a story, and which role each plays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Actor -> a key of `tests.faults.actors.ROLES`.
ROLE_OF: Final[Mapping[str, str]] = {
    "api": "api",
    "client": "client",
    "finalize": "finalize",
    "dispatch": "dispatch",
    "sweep": "dispatch",
    "media": "work",
    "gpu": "work",
    "search": "api",
    "delete": "api",
    "extend": "api",
    "rename": "api",
    "export": "api",
    "leave": "api",
    "person": "api",
    "letter": "letter",
    "builder": "build",
    "operator": "operate",
    "late_sweep": "dispatch",
}
#: Doors at which functions answer, and who does.
DOORS: Final[Mapping[str, str]] = {"/letter": "letter", "/export": "builder"}
