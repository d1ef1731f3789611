"""How the local cloud runs functions and jobs: from the sources, or as they are deployed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from sqlalchemy import make_url

from local.deployed_units import Unit
from local.functions import FunctionSpec

#: Settings of the local cloud that only shorten waiting.
_PATIENCE: Final = ("HEIMDEX_RETRY_BACKOFF_S", "HEIMDEX_RING_AGAIN_AFTER_S")
_EVENT_FUNCTIONS: Final = frozenset({"upload_finalized"})


class Units(Protocol):
    """What the cloud asks for each function and job."""

    def function(self, name: str) -> FunctionSpec:
        """How to start a function."""

    def command(self, job: str) -> tuple[str, ...]:
        """What an execution of a job runs; of `media` and `gpu`."""

    def environment(self, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a unit's process.

        Args:
            name: of the function or job.
            values: what the cloud has for it: endpoints, buckets, database, identity.
        """

    def failed(self, name: str, error: RuntimeError) -> None:
        """A function did not start; raise, or go on without it."""


class FromSource:
    """Out of this repository and its virtual environment, with everything that the cloud has."""

    def function(self, name: str) -> FunctionSpec:
        """See `Units`."""
        return FunctionSpec(name=name, signature=signature_of(name))

    def command(self, job: str) -> tuple[str, ...]:
        """See `Units`."""
        return (sys.executable, "-m", "gpu_jobs", "--lane", job)

    def environment(self, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """See `Units`."""
        return dict(values)

    def failed(self, name: str, error: RuntimeError) -> None:
        """See `Units`."""
        raise error


class AsDeployed:
    """Bundles in environments of their own, and jobs by their command, as Cloud Run starts them.

    A process gets the settings that Terraform sets, and no others: with the value that the local
    cloud has for a name, or else Terraform's own. On top come what Cloud Run adds, and where the
    stand-ins are, which nobody needs to tell a process on Google Cloud.

    Args:
        units: what Terraform sets.
        bundles: a folder per function, as `make package` makes it.
        interpreters: Python of each function's own environment.
        replaced: values in place of Terraform's, where it names something of Google's.
    """

    def __init__(
        self,
        units: Mapping[str, Unit],
        bundles: Path,
        interpreters: Mapping[str, Path],
        replaced: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._units = units
        self._replaced = replaced
        self._bundles = bundles
        self._interpreters = interpreters
        #: Functions that did not start, and why.
        self.failures: dict[str, str] = {}

    def function(self, name: str) -> FunctionSpec:
        """See `Units`."""
        return FunctionSpec(
            name=name,
            signature=signature_of(name),
            bundle=self._bundles / name,
            python=str(self._interpreters[name]),
        )

    def command(self, job: str) -> tuple[str, ...]:
        """See `Units`."""
        # The image's `python` is the one that the requirements are installed for.
        program, *arguments = self._units[job].command
        return (sys.executable if program == "python" else program, *arguments)

    def environment(self, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """See `Units`."""
        unit = self._units[name]
        names = (*unit.environment, *unit.secrets)
        known = {**unit.environment, **self._replaced, **values}
        settings = {each: known.get(each, "") for each in names}
        kept = {each: value for each, value in values.items() if not each.startswith("HEIMDEX_")}
        if unit.kind == "function":
            kept.pop("PYTHONPATH", None)
        stand_ins = _stand_ins(values, login=unit.environment.get("HEIMDEX_DATABASE_USER", ""))
        return {**kept, **settings, **stand_ins, **_added_by_cloud_run(unit)}

    def failed(self, name: str, error: RuntimeError) -> None:
        """See `Units`."""
        self.failures[name] = str(error)


def signature_of(function: str) -> str:
    """How a function is called: "http" or "cloudevent"."""
    return "cloudevent" if function in _EVENT_FUNCTIONS else "http"


def _stand_ins(values: Mapping[str, str], *, login: str) -> dict[str, str]:
    """Where they are, the database as the unit's own login; and patience for a laptop."""
    found = {name: value for name, value in values.items() if name.endswith("_ENDPOINT")}
    found |= {name: values[name] for name in _PATIENCE if name in values}
    if login:
        url = make_url(values["HEIMDEX_DATABASE_URL"]).set(username=login)
        found["HEIMDEX_DATABASE_URL"] = url.render_as_string(hide_password=False)
    return found


def _added_by_cloud_run(unit: Unit) -> dict[str, str]:
    """Source: cloud.google.com/run/docs/container-contract#env-vars, …/functions/docs/env-vars."""
    if unit.kind == "job":
        return {"CLOUD_RUN_JOB": unit.resource}
    return {
        "K_SERVICE": unit.resource,
        "K_REVISION": f"{unit.resource}-00001-dry",
        "K_CONFIGURATION": unit.resource,
        "FUNCTION_TARGET": unit.entry_point,
        "FUNCTION_SIGNATURE_TYPE": signature_of(unit.name),
    }
