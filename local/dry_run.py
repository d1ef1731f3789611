"""`python -m local.dry_run`: every unit started as it is deployed, on this machine.

What only shows in the cloud's environment shows here: a variable that Terraform does not set, a
package that a function's requirements lack, a file that a bundle lacks, a wrong entry point, a
guard that refuses to start. Each function runs out of its bundle, with only its own requirements
and by Cloud Run's own variables; each job by the command that Terraform gives it; each as its own
login of the database, with the role that the migrate job gave it, and with the settings that
Terraform sets (`local.deployed_units`). Google's services are the local cloud's stand-ins, by
explicit endpoints. What it cannot show: IAM, networks, the connector to Cloud SQL, and the image.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy
from aiohttp import web

from common.bus import Bus
from common.config import Settings
from common.messages import DEAD_LETTER_TOPIC
from local import bundles, clean_environment, deployed_units, smoke
from local.address import CloudAddress
from local.admin import operator_environment
from local.client import Client, sign_in
from local.cloud import started
from local.deployed_units import Unit
from local.environment import ARTIFACTS_BUCKET, PROJECT, UPLOADS_BUCKET
from local.serving import ServedApp
from local.unit_logs import Log, read
from local.units import AsDeployed

_TIMEOUT_S: Final = 180.0
_POLL_S: Final = 0.5
#: What Terraform runs them for a person, or not at all.
_OPERATOR_ARGUMENTS: Final = ("list",)


class _SpanSink(ServedApp):
    """Takes the spans that units send to Cloud Trace."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        super().__init__(app)

    @property
    def url(self) -> str:
        """Where spans go."""
        return f"{super().url}/v1/traces"

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How one unit did."""

    unit: str
    is_ok: bool
    reason: str


def run(
    units: Mapping[str, Unit], staged: Path, directory: Path, *, timeout_s: float = _TIMEOUT_S
) -> list[Verdict]:
    """Start every unit and take one upload through them all.

    Args:
        units: as deployed.
        staged: a folder per function, as `make package` makes it.
        directory: for the cloud's state and the functions' environments; made anew.
        timeout_s: for each thing that is waited for.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    interpreters = {
        name: clean_environment.make(
            directory / "environments" / name, staged / name / "requirements.txt"
        )
        for name in bundles.FUNCTIONS
    }
    with _SpanSink() as sink:
        spans = {"HEIMDEX_TRACE_ENDPOINT": sink.url}
        deployed = AsDeployed(units, staged, interpreters, spans)
        state = directory / "cloud"
        with started(state, units=deployed) as cloud:
            values = operator_environment(state)
            rehearsal = _Rehearsal(units, deployed, cloud.address, values, cloud.logs)
            rehearsal.run(timeout_s)
            return rehearsal.verdicts()


class _Rehearsal:
    """What is done with the units once they run, and what became of it.

    Args:
        units: as deployed.
        deployed: how they were started.
        address: of the local cloud.
        values: what the local cloud has for a process's environment.
        logs: a file per process.
    """

    def __init__(
        self,
        units: Mapping[str, Unit],
        deployed: AsDeployed,
        address: CloudAddress,
        values: Mapping[str, str],
        logs: Path,
    ) -> None:
        self._units = units
        self._deployed = deployed
        self._address = address
        self._values = values
        self._logs = logs
        self._failures: dict[str, str] = {}
        self._ran: set[str] = set()

    def run(self, timeout_s: float) -> None:
        """Every step, each as far as the ones before it let it."""
        self._job("migrate", self._units["migrate"].command)
        operator = self._units["operator"].command
        self._job("operator", (*operator[:3], *_OPERATOR_ARGUMENTS))
        if self._deployed.failures:
            return
        self._step("dead_letter", lambda: self._letter(timeout_s))
        email = "dry-run@example.com"
        token = sign_in(self._address.endpoints, email, "a dry run's password")
        options = smoke.Options(
            url=self._address.api_url, token=token, index=True, index_timeout_s=timeout_s
        )
        client = Client(self._address.endpoints, token)
        for outcome in smoke.run(options):
            if not outcome.is_ok:
                self._failures.setdefault("way through", f"{outcome.name}: {outcome.note}")
        self._step("build_export", lambda: self._export(client, timeout_s))

    def verdicts(self) -> list[Verdict]:
        """What became of each unit, and of the upload that needs them all."""
        found = [self._verdict(name) for name in self._units]
        if not self._deployed.failures:
            note = self._failures.get("way through", "")
            reason = note or "uploaded, indexed, found, exported"
            found.append(Verdict(unit="way through", is_ok=not note, reason=reason))
        return found

    def _verdict(self, name: str) -> Verdict:
        log = self._log(name)
        reason = self._deployed.failures.get(name, "") and (log.fault or "it did not start")
        reason = reason or log.fault or self._failures.get(name, "")
        if not reason and not log.actions and name not in self._ran:
            reason = "it was never called"
        done = f"{len(log.actions)} events logged" if log.actions else "ended well"
        return Verdict(unit=name, is_ok=not reason, reason=reason or done)

    def _log(self, name: str) -> Log:
        files = [self._logs / f"{name}.log", *self._logs.glob(f"heimdex-{name}-*.log")]
        return read([path for path in files if path.exists()])

    def _step(self, unit: str, step: Callable[[], None]) -> None:
        try:
            step()
        except smoke.FAILURES as error:
            self._failures[unit] = str(error)

    def _job(self, name: str, command: tuple[str, ...]) -> None:
        """Run a job that nobody rings for."""
        if name == "migrate":
            self._make_logins()
        environment = self._deployed.environment(name, self._values)
        program = sys.executable if command[0] == "python" else command[0]
        with (self._logs / f"{name}.log").open("ab") as output:
            done = subprocess.run(
                [program, *command[1:]],
                env=environment,
                cwd=bundles.ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            )
        self._ran.add(name)
        if done.returncode:
            self._failures[name] = f"exit code {done.returncode}"

    def _make_logins(self) -> None:
        """As Terraform does: without any right, but the one that migrates acts as the owner."""
        owner = sqlalchemy.create_engine(self._address.database_url)
        quote = owner.dialect.identifier_preparer.quote_identifier
        with owner.begin() as connection:
            for unit in self._units.values():
                login = unit.environment.get("HEIMDEX_DATABASE_USER")
                if not login:
                    continue
                connection.exec_driver_sql(f"CREATE ROLE {quote(login)} LOGIN")
                if role := unit.environment.get("HEIMDEX_DATABASE_ROLE"):
                    # Here the tables belong to the server's superuser.
                    connection.exec_driver_sql(f"CREATE ROLE {quote(role)} SUPERUSER")
                    connection.exec_driver_sql(f"GRANT {quote(role)} TO {quote(login)}")
        owner.dispose()

    def _letter(self, timeout_s: float) -> None:
        settings = Settings(
            project=PROJECT,
            uploads_bucket=UPLOADS_BUCKET,
            artifacts_bucket=ARTIFACTS_BUCKET,
            pubsub_endpoint=self._address.pubsub_endpoint,
        )
        with Bus.connect(settings) as bus:
            bus.publish(DEAD_LETTER_TOPIC, b"{}", {}, effect="dry_run.publish")
        self._wait(
            timeout_s, lambda: "dead_letter.recorded" in self._log("dead_letter").actions, "record"
        )

    def _export(self, client: Client, timeout_s: float) -> None:
        export_id = client.request_export()
        self._wait(timeout_s, lambda: client.export(export_id)["state"] == "ready", "archive")

    def _wait(self, timeout_s: float, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} after {timeout_s:.0f} s")
            time.sleep(_POLL_S)


def main() -> int:
    """Rehearse and print a table; returns the exit code: 0 if every unit is well."""
    parser = argparse.ArgumentParser(
        prog="python -m local.dry_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundles", type=Path, default=bundles.OUT, metavar="DIR")
    parser.add_argument("--plan", type=Path, help="`terraform show -json` of an environment")
    parser.add_argument("--without", action="append", default=[], metavar="UNIT:VARIABLE")
    parser.add_argument("--timeout-s", type=float, default=_TIMEOUT_S, metavar="SECONDS")
    options = parser.parse_args()
    if options.plan:
        units = deployed_units.of_plan(json.loads(options.plan.read_text(encoding="utf-8")))
    else:
        units = deployed_units.load()
    for each in options.without:
        name, _, variable = each.partition(":")
        units[name] = units[name].without(variable)
    with tempfile.TemporaryDirectory(prefix="heimdex-dry-run-") as directory:
        verdicts = run(units, options.bundles, Path(directory) / "run", timeout_s=options.timeout_s)
    for verdict in verdicts:
        print(f"{verdict.unit:<18}{'ok' if verdict.is_ok else 'FAILED':<8}{verdict.reason}")
    return 0 if all(verdict.is_ok for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
