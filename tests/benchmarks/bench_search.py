"""Search against plain vector columns and HNSW, and whole searches through the function.

`python -m tests.benchmarks.bench_search [--quick | --full] [--total SCENES]` starts a Postgres of
its own, stores tenants of 100, 1k, 10k and 100k scenes (three frames each) among neighbours, and
asks each design in turn for the 20 nearest scenes by text and by best frame: one client, as the
runtime role under row-level security, everything in memory. Then it starts the search function as
deployed on the tenant of 10k scenes, asks it by HTTP with one client and with 100.

Tables go to stdout, progress to stderr; the last line of stdout is one JSON object. Which designs
hold how many neighbours is printed: a plain column's exact scan does not change with them, and an
HNSW index takes long to build. `--quick` leaves out the 100k tenant, `--full` has 1M scenes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection

from common.config import Settings
from common.database import Database
from common.encoders import load
from local.identity import IdentityServer
from local.postgres import Postgres
from tests.benchmarks import (
    search_data,
    search_designs,
    search_http,
    search_library,
    search_peers,
    search_store,
)
from tests.benchmarks.search_data import Material, Neighbour, Tenant
from tests.benchmarks.search_designs import LEGS, K, Question, Search
from tests.benchmarks.search_figures import Disk, Figures
from tests.benchmarks.search_http import Load
from tests.benchmarks.search_report import Stored, report

SQL = Path(__file__).parents[2] / "common" / "sql" / "schema.sql"
#: How often each question is asked, by the size of the tenant.
ROUNDS = {100: 10, 1_000: 10, 10_000: 4, 100_000: 2}
#: The tenant that is searched by whole requests.
WHOLE = 10_000
#: Requests before any is measured, then of the one client, and of each of the many.
WARM, ALONE, EACH = 10, 50, 3
#: Bytes that a scene and its frames take, about: in our tables, in plain columns, under HNSW.
_OURS_BYTES, _PLAIN_BYTES, _HNSW_BYTES = 13_000, 22_000, 55_000


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is stored."""

    sizes: tuple[int, ...]
    #: Scenes in our tables, in the plain ones and under HNSW, measured tenants included.
    total: int
    plain: int
    hnsw: int

    def measured_by_hnsw(self, scenes: int) -> bool:
        """Whether a tenant of this size is in the HNSW tables."""
        return sum(size for size in self.sizes if size <= scenes) <= self.hnsw


QUICK = Scale(sizes=(100, 1_000, 10_000), total=15_000, plain=15_000, hnsw=1_500)
NORMAL = Scale(sizes=(100, 1_000, 10_000, 100_000), total=150_000, plain=120_000, hnsw=12_000)
FULL = Scale(sizes=NORMAL.sizes, total=1_000_000, plain=250_000, hnsw=150_000)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="15k scenes, without the 100k tenant")
    size.add_argument("--full", action="store_true", help="1M scenes; takes about half an hour")
    parser.add_argument("--total", type=int, help="scenes in our tables in all")
    asked = parser.parse_args()
    scale = QUICK if asked.quick else FULL if asked.full else NORMAL
    scale = replace(scale, total=asked.total or scale.total)
    # So that the database and the function are stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="heimdex-bench-") as directory:
        _check_disk(Path(directory), scale)
        with search_http.identity(Path(directory) / "identity") as identity:
            Benchmark(Path(directory), scale, identity).run()


class Benchmark:
    """One run.

    Args:
        directory: for the database and logs; on the disk that is measured.
        scale: how much to store.
        identity: that signs the tenant of the whole requests in.
    """

    def __init__(self, directory: Path, scale: Scale, identity: IdentityServer) -> None:
        self._directory = directory
        self._scale = scale
        self._identity = identity
        self._models = load("offline")
        self._server = Postgres(directory / "postgres")
        self._account = search_http.account(identity)

    def run(self) -> None:
        """All of it."""
        scale = self._scale
        say("encoding sentences, drawing pictures")
        quick = scale.total <= QUICK.total
        made_of = search_data.material(self._models, spoken=500 if quick else 1_500, drawn=1_000)
        tenants = [self._tenant(made_of, number, size) for number, size in enumerate(scale.sizes)]
        others = search_data.neighbours(
            made_of, scale.total - sum(scale.sizes), first_number=len(tenants) + 1
        )
        prepare(self._server)
        try:
            stored = self._store(made_of, tenants, others)
            figures = [each for tenant in tenants for each in self._measure(tenant)]
            disks = self._disks()
            loads = self._whole(next(each for each in tenants if each.scenes == WHOLE))
        finally:
            self._server.stop()
        report(stored, figures, disks, loads, searched=WHOLE)

    def _tenant(self, made_of: Material, number: int, scenes: int) -> Tenant:
        user_id = self._account.user_id if scenes == WHOLE else None
        return search_data.tenant(made_of, number + 1, scenes, user_id=user_id)

    def _store(
        self, made_of: Material, tenants: Sequence[Tenant], others: Sequence[Neighbour]
    ) -> Stored:
        """Fill all tables."""
        scale = self._scale
        for_hnsw = [each for each in tenants if scale.measured_by_hnsw(each.scenes)]
        plain: list[Tenant | Neighbour] = [
            *tenants,
            *_some(others, scale.plain - sum(each.scenes for each in tenants)),
        ]
        under: list[Tenant | Neighbour] = [
            *for_hnsw,
            *_some(others, scale.hnsw - sum(each.scenes for each in for_hnsw)),
        ]
        engine = sqlalchemy.create_engine(self._server.url("bench"), poolclass=sqlalchemy.NullPool)
        with closing(engine.raw_connection()) as connection:
            search_store.fill(
                connection.driver_connection,
                [*tenants, *others],
                self._models,
                peered={each.user_id for each in plain},
                on_progress=_progress("scenes stored", scale.total),
            )
        whole = next(each for each in tenants if each.scenes == WHOLE)
        with closing(self._connect("heimdex_worker")) as worker:
            search_library.store(
                worker,
                whole,
                made_of,
                self._models,
                on_progress=_progress("scenes with words and tags", WHOLE),
            )
        say("building HNSW indexes")
        with closing(engine.raw_connection()) as connection:
            build_s = search_peers.build_hnsw(
                connection.driver_connection, [each.user_id for each in under]
            )
        say(f"HNSW indexes built in {build_s:.0f} s")
        self._server.execute("VACUUM ANALYZE", database="bench")
        return Stored(
            ours=scale.total,
            plain=sum(each.scenes for each in plain),
            hnsw=sum(each.scenes for each in under),
            build_s=build_s,
        )

    def _measure(self, tenant: Tenant) -> list[Figures]:
        """Ask all designs, in turn, and compare what they find with exact double precision."""
        say(f"asking the tenant of {tenant.scenes} scenes")
        designs: dict[str, Search] = {
            "ours": partial(search_designs.ours, self._models),
            "plain exact": search_designs.plain,
        }
        if self._scale.measured_by_hnsw(tenant.scenes):
            designs["HNSW, planner's choice"] = partial(search_designs.hnsw, forced=False)
            designs["HNSW, forced"] = partial(search_designs.hnsw, forced=True)
        found = {name: Figures(design=name, scenes=tenant.scenes) for name in designs}
        names = {tenant.scene_id(scene): scene for scene in range(tenant.scenes)}
        with (
            closing(self._connect("heimdex_api")) as database,
            database.tenant(tenant.user_id) as tx,
        ):
            for question in search_designs.questions(self._models):
                scores = search_designs.exact_scores(tenant, question)
                for name, search in designs.items():
                    rows = search(tx, tenant, question)
                    for leg in LEGS:
                        found[name].judge(leg, [names[row] for row in rows[leg]], scores[leg], K)
                for _ in range(ROUNDS[tenant.scenes]):
                    for name, search in designs.items():
                        found[name].times_ms.append(_timed_ms(search, tx, tenant, question))
                for name in designs:
                    if name.startswith("HNSW"):
                        found[name].plans = search_designs.plans(
                            tx, tenant, question, name.endswith("forced")
                        )
        for each in found.values():
            say(f"  {each.design}: {json.dumps(each.summary())}")
        return list(found.values())

    def _disks(self) -> list[Disk]:
        tables = {
            "ours, vectors": ("text_vectors", "frame_vectors"),
            "ours, codes": ("text_codes", "frame_codes"),
            "plain columns": ("peer_scenes", "peer_frames"),
            "HNSW": ("hnsw_scenes", "hnsw_frames"),
        }
        found = []
        for design, (scenes, frames) in tables.items():
            sizes = f"pg_total_relation_size('{scenes}') + pg_total_relation_size('{frames}')"
            ((size, count),) = self._server.execute(
                f"SELECT {sizes}, (SELECT count(*) FROM {scenes})", database="bench"
            )
            found.append(Disk(design=design, scenes=int(str(count)), size_bytes=int(str(size))))
        return found

    def _whole(self, tenant: Tenant) -> dict[str, Load]:
        """Whole requests: of one client, new and once more; then of many at once, all new."""
        say("starting the function")
        database_url = self._server.url("bench", "heimdex_api")
        new = search_http.texts(WARM + ALONE + search_http.CLIENTS * EACH)
        warm, alone, many = new[:WARM], new[WARM : WARM + ALONE], new[WARM + ALONE :]
        each = [many[place :: search_http.CLIENTS] for place in range(search_http.CLIENTS)]
        with search_http.search_function(self._identity, self._directory, database_url) as url:
            ask = partial(search_http.ask, url, self._account.token)
            ask([warm])
            say("asking it")
            asked = {"encoded": [alone], "cached": [alone], "many": each}
            loads = {}
            for name, queries in asked.items():
                loads[name] = ask(queries)
                say(f"  {name}: {json.dumps(loads[name].summary())}")
            return loads

    def _connect(self, role: str) -> Database:
        return Database.connect(
            Settings(
                project="heimdex-bench",
                uploads_bucket="bench-uploads",
                artifacts_bucket="bench-artifacts",
                database_url=self._server.url("bench", role),
            )
        )


def prepare(server: Postgres) -> None:
    """Start the server with room for everything in memory, and make the schemas."""
    server.start()
    for setting in ("shared_buffers = '4GB'", "max_wal_size = '8GB'", "fsync = off"):
        server.execute(f"ALTER SYSTEM SET {setting}")
    server.stop()
    server.start()
    server.create_database("bench")
    engine = sqlalchemy.create_engine(server.url("bench"), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(SQL.read_text())
        connection.exec_driver_sql(search_peers.SCHEMA)


def _timed_ms(search: Search, tx: Connection, tenant: Tenant, question: Question) -> float:
    started = time.perf_counter()
    search(tx, tenant, question)
    return (time.perf_counter() - started) * 1_000


def say(message: str) -> None:
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)


def _progress(what: str, total: int) -> Callable[[int], None]:
    """Says every tenth."""
    said = 0

    def progress(done: int) -> None:
        nonlocal said
        if done * 10 // total > said:
            said = done * 10 // total
            say(f"{what}: {done:,} of {total:,}")

    return progress


def _some(others: Sequence[Neighbour], scenes: int) -> list[Neighbour]:
    """As many of them as fit into so many scenes, the first that do."""
    chosen = []
    for each in others:
        if each.scenes <= scenes:
            chosen.append(each)
            scenes -= each.scenes
    return chosen


def _check_disk(directory: Path, scale: Scale) -> None:
    needed = scale.total * _OURS_BYTES + scale.plain * _PLAIN_BYTES + scale.hnsw * _HNSW_BYTES
    free = shutil.disk_usage(directory).free
    if needed > free:
        sys.exit(f"{directory} has {free / 1e9:.0f} GB free; {needed / 1e9:.0f} GB are needed")


if __name__ == "__main__":
    main()
