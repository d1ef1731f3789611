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
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy
from sqlalchemy import Connection

from common.config import Settings
from common.database import Database
from common.encoders import QueryEncoders, load
from functions.search.encoding import EncodedQuery, Encoders
from functions.search.finder import widths
from functions.search.model import Leg, Scope
from functions.search.retrieval import Asked, Retrieval
from local.identity import IdentityServer
from local.postgres import Postgres
from tests.benchmarks import (
    search_data,
    search_figures,
    search_http,
    search_library,
    search_peers,
    search_store,
)
from tests.benchmarks.search_data import (
    FRAMES_PER_SCENE,
    QUESTIONS,
    Floats,
    Material,
    Neighbour,
    Tenant,
)
from tests.benchmarks.search_figures import Disk, Figures
from tests.benchmarks.search_http import Load

SQL = Path(__file__).parents[2] / "common" / "sql" / "schema.sql"
K = 20
LEGS: tuple[Leg, ...] = ("dense", "vision")
#: How often each question is asked, by the size of the tenant.
ROUNDS = {100: 10, 1_000: 10, 10_000: 4, 100_000: 2}
#: The tenant that is searched by whole requests.
WHOLE = 10_000
#: Requests of the one client, and of each of the many.
ALONE, EACH = 50, 3
#: Bytes that a scene and its frames take, about: ours, and in each of the peers' tables.
_OURS_BYTES, _PEER_BYTES = 13_000, 22_000


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A query, for the database and for the oracle."""

    encoded: EncodedQuery
    text: Floats
    frame: Floats


Search = Callable[[Connection, Tenant, Question], dict[Leg, list[UUID]]]


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
            build_s = self._store(made_of, tenants, others)
            figures = [each for tenant in tenants for each in self._measure(tenant)]
            disks = self._disks()
            loads = self._whole(next(each for each in tenants if each.scenes == WHOLE))
        finally:
            self._server.stop()
        report(scale, figures, disks, loads, build_s)

    def _tenant(self, made_of: Material, number: int, scenes: int) -> Tenant:
        user_id = self._account.user_id if scenes == WHOLE else None
        return search_data.tenant(made_of, number + 1, scenes, user_id=user_id)

    def _store(
        self, made_of: Material, tenants: Sequence[Tenant], others: Sequence[Neighbour]
    ) -> float:
        """Fill all tables; seconds that HNSW indexes took."""
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
        return build_s

    def _measure(self, tenant: Tenant) -> list[Figures]:
        """Ask all designs, in turn, and compare what they find with exact double precision."""
        say(f"asking the tenant of {tenant.scenes} scenes")
        designs: dict[str, Search] = {"ours": partial(_ours, self._models), "plain exact": _plain}
        if self._scale.measured_by_hnsw(tenant.scenes):
            designs["HNSW, planner's choice"] = partial(_hnsw, forced=False)
            designs["HNSW, forced"] = partial(_hnsw, forced=True)
        found = {name: Figures(design=name, scenes=tenant.scenes) for name in designs}
        names = {tenant.scene_id(scene): scene for scene in range(tenant.scenes)}
        with (
            closing(self._connect("heimdex_api")) as database,
            database.tenant(tenant.user_id) as tx,
        ):
            for question in questions(self._models):
                scores = exact_scores(tenant, question)
                for name, search in designs.items():
                    rows = search(tx, tenant, question)
                    for leg in LEGS:
                        found[name].judge([names[row] for row in rows[leg]], scores[leg], K)
                for _ in range(ROUNDS[tenant.scenes]):
                    for name, search in designs.items():
                        found[name].times_ms.append(_timed_ms(search, tx, tenant, question))
                for name in designs:
                    if name.startswith("HNSW"):
                        found[name].plans = _plans(tx, tenant, question, name.endswith("forced"))
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
        """Whole requests: one client, text repeated, then new; then many at once, all new."""
        say("starting the function")
        database_url = self._server.url("bench", "heimdex_api")
        new = search_http.texts(10 + ALONE + search_http.CLIENTS * EACH)
        repeated, alone, many = new[:10], new[10 : 10 + ALONE], new[10 + ALONE :]
        each = [many[place :: search_http.CLIENTS] for place in range(search_http.CLIENTS)]
        with search_http.search_function(self._identity, self._directory, database_url) as url:
            ask = partial(search_http.ask, url, self._account.token)
            ask([repeated])
            say("asking it")
            asked = {
                "cached": [repeated * (ALONE // len(repeated))],
                "encoded": [alone],
                "many": each,
            }
            loads = {}
            for name, queries in asked.items():
                loads[name] = ask(queries)
                say(f"  {_LOADS[name]}: {json.dumps(loads[name].summary())}")
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


def questions(models: QueryEncoders) -> list[Question]:
    """The questions, encoded by the models that made the rows."""
    encoders = Encoders(models)
    found = []
    for said, seen in QUESTIONS:
        frame = models.image.encode(seen)
        assert frame is not None
        spoken, shown = encoders.encode(said), encoders.encode(seen)
        encoded = replace(spoken, frame_vector=shown.frame_vector, frame_code=shown.frame_code)
        found.append(Question(encoded=encoded, text=models.text.encode([said])[0], frame=frame))
    return found


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


def _ours(
    models: QueryEncoders, tx: Connection, tenant: Tenant, question: Question
) -> dict[Leg, list[UUID]]:
    rows = Retrieval(tx, user_id=tenant.user_id, index_version=search_store.VERSION)
    asked = Asked(
        legs=LEGS,
        text_vector=question.encoded.text_vector,
        frame_vector=question.encoded.frame_vector,
        widths=widths(models, tenant.scenes),
        text_code=question.encoded.text_code,
        frame_code=question.encoded.frame_code,
        terms=(),
        tags=(),
        people=(),
        scope=Scope(),
        allowed=None,
    )
    return rows.candidates(asked, k=K)


def _plain(tx: Connection, tenant: Tenant, question: Question) -> dict[Leg, list[UUID]]:
    parameters = _parameters(tenant, question)
    return {leg: list(tx.execute(search_peers.PLAIN[leg], parameters).scalars()) for leg in LEGS}


def _hnsw(
    tx: Connection, tenant: Tenant, question: Question, *, forced: bool
) -> dict[Leg, list[UUID]]:
    parameters = _parameters(tenant, question)
    with search_peers.only_hnsw(tx, forced=forced):
        return {leg: list(tx.execute(search_peers.HNSW[leg], parameters).scalars()) for leg in LEGS}


def _plans(tx: Connection, tenant: Tenant, question: Question, forced: bool) -> dict[str, str]:
    parameters = _parameters(tenant, question)
    with search_peers.only_hnsw(tx, forced=forced):
        return {
            leg: search_peers.indexes_used(tx, search_peers.HNSW[leg], parameters) for leg in LEGS
        }


def _parameters(tenant: Tenant, question: Question) -> dict[str, object]:
    return {
        "user_id": tenant.user_id,
        "text_vector": question.encoded.text_vector,
        "frame_vector": question.encoded.frame_vector,
        "k": K,
    }


def _timed_ms(search: Search, tx: Connection, tenant: Tenant, question: Question) -> float:
    started = time.perf_counter()
    search(tx, tenant, question)
    return (time.perf_counter() - started) * 1_000


def exact_scores(tenant: Tenant, question: Question) -> dict[Leg, npt.NDArray[np.float64]]:
    """Every scene's score per leg, in double precision from the original vectors."""
    frames = _products(tenant.frames, question.frame)
    return {
        "dense": _products(tenant.text, question.text),
        "vision": frames.reshape(-1, FRAMES_PER_SCENE).max(axis=1),
    }


def _products(vectors: Floats, query: Floats) -> npt.NDArray[np.float64]:
    chunks = np.array_split(vectors, len(vectors) // 20_000 + 1)
    return np.concatenate([chunk.astype(np.float64) @ query.astype(np.float64) for chunk in chunks])


def report(
    scale: Scale,
    figures: Sequence[Figures],
    disks: Sequence[Disk],
    loads: dict[str, Load],
    build_s: float,
) -> None:
    """The tables, and the JSON line."""
    medians = {(each.scenes, each.design): each.p50_ms for each in figures}
    ratios = {size: medians[size, "plain exact"] / medians[size, "ours"] for size in scale.sizes}
    print(
        f"scenes stored: {scale.total:,} in ours, {scale.plain:,} in plain columns, "
        f"{scale.hnsw:,} under HNSW (indexes built in {build_s:.0f} s); "
        f"{FRAMES_PER_SCENE} frames each\n"
    )
    search_figures.print_table(figures, ratios)
    search_figures.print_disk(disks)
    title = f"whole requests by HTTP, {WHOLE:,} scenes"
    print(f"\n{title:40} clients  p50 ms  p95 ms  errors      /s")
    for name, load_ in loads.items():
        found = load_.summary()
        print(f"{_LOADS[name]:40} " + " ".join(f"{found[key]:>7}" for key in _COLUMNS))
    for profile, needed in instances(loads).items():
        print(
            f"{search_http.CLIENTS} clients, p95 below {search_http.TARGET_S} s, encoders of the "
            f"{profile} profile ({search_http.ENCODING_MS[profile]} ms): {needed} instances"
        )
    print(json.dumps(summary(scale, figures, disks, loads, build_s, ratios)))


_LOADS = {
    "cached": "texts repeated (without encoding)",
    "encoded": "every text new",
    "many": "every text new, all clients at once",
}
_COLUMNS = ("clients", "p50_ms", "p95_ms", "errors", "requests_per_s")


def summary(
    scale: Scale,
    figures: Sequence[Figures],
    disks: Sequence[Disk],
    loads: dict[str, Load],
    build_s: float,
    ratios: dict[int, float],
) -> dict[str, object]:
    """For JSON."""
    ours = [each for each in figures if each.design == "ours"]
    plain = {each.scenes: each for each in figures if each.design == "plain exact"}
    by_size = {f"ratio_{_short(size)}": round(ratio, 2) for size, ratio in ratios.items()}
    return {
        **dict.fromkeys(("ratio_1k", "ratio_10k", "ratio_100k")),
        **by_size,
        "recall_min": min(min(each.recalls) for each in ours),
        "recall_mean": round(
            statistics.fmean(recall for each in ours for recall in each.recalls), 4
        ),
        "short_results": sum(each.short for each in ours),
        "percentiles": {
            str(each.scenes): {
                "ours_p50_ms": round(each.p50_ms, 2),
                "ours_p95_ms": round(each.p95_ms, 2),
                "peer_p50_ms": round(plain[each.scenes].p50_ms, 2),
                "peer_p95_ms": round(plain[each.scenes].p95_ms, 2),
            }
            for each in ours
        },
        "scenes": {"ours": scale.total, "plain": scale.plain, "hnsw": scale.hnsw},
        "hnsw": {
            "build_s": round(build_s, 1),
            **{
                f"{each.scenes}, {each.design}": each.summary()
                for each in figures
                if each.design.startswith("HNSW")
            },
        },
        "disk_bytes_per_scene": {each.design: round(each.per_scene_bytes) for each in disks},
        "http": {name: each.summary() for name, each in loads.items()},
        "instances": instances(loads),
    }


def instances(loads: dict[str, Load]) -> dict[str, int]:
    """Instances that the target takes, by profile."""
    return {
        profile: search_http.instances(
            encoding_ms / 1_000, loads["cached"].mean_ms / 1_000, loads["many"].spread
        )
        for profile, encoding_ms in search_http.ENCODING_MS.items()
    }


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
    """The first of them that have at most so many scenes together."""
    sums = np.cumsum([each.scenes for each in others])
    return [each for each, so_far in zip(others, sums, strict=True) if so_far <= scenes]


def _short(size: int) -> str:
    return str(size) if size < 1_000 else f"{size // 1_000}k"


def _check_disk(directory: Path, scale: Scale) -> None:
    needed = scale.total * _OURS_BYTES + (scale.plain + scale.hnsw) * _PEER_BYTES
    free = shutil.disk_usage(directory).free
    if needed > free:
        sys.exit(f"{directory} has {free / 1e9:.0f} GB free; {needed / 1e9:.0f} GB are needed")


if __name__ == "__main__":
    main()
