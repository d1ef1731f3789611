"""Our retrieval against two usual ways, as the runtime role under row-level security.

`python -m tests.benchmarks.bench_search [--quick]` starts a Postgres of its own, stores tenants of
100, 1k, 10k and 100k scenes (three frames each), and asks for the 20 nearest scenes by text and by
best frame, one client, everything in memory:

- ours: exact for small tenants, by binary codes and then exactly for large ones;
- plain columns: `vector` as it comes, in a fat row, all of the tenant's compared;
- HNSW: the same with an index over all tenants at pgvector's defaults and a filter by tenant. Text
  only, as building it takes minutes; the planner is kept from sorting so that it uses the index.

Prints a table; the last line is one JSON object. `--quick` leaves out the 100k tenant.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy
from sqlalchemy import Connection, text

from common import coding
from common.config import Settings
from common.database import Database
from common.encoders import QueryEncoders, load
from common.search_index import halfvec
from functions.search.encoding import EncodedQuery
from functions.search.finder import widths
from functions.search.model import Leg, Scope
from functions.search.retrieval import Asked, Retrieval
from local.postgres import Postgres
from tests.benchmarks import search_store
from tests.benchmarks.search_data import FRAMES_PER_SCENE, QUESTIONS, Floats, Tenant, tenants

SCHEMA = Path(__file__).parents[2] / "common" / "sql" / "schema.sql"
K = 20
LEGS: tuple[Leg, ...] = ("dense", "vision")
#: How often each question is asked, by the size of the tenant.
ROUNDS = {100: 10, 1_000: 10, 10_000: 4, 100_000: 2}
#: Scores nearer than this are a tie: five standard deviations of the error of an inner product of
#: unit vectors of this width in half precision. (Plain colours tie exactly by hundreds.)
TIE = 2e-5

_PEER = text("""
    (SELECT 'dense' AS leg, id AS scene_id FROM peer_scenes WHERE user_id = :user_id
     ORDER BY text_vector <=> CAST(:text_vector AS vector) LIMIT :k)
    UNION ALL
    (SELECT 'vision', scene_id FROM peer_frames WHERE user_id = :user_id
     GROUP BY scene_id ORDER BY min(vector <=> CAST(:frame_vector AS vector)) LIMIT :k)
""")

_HNSW = text("""
    SELECT id FROM peer_scenes WHERE user_id = :user_id
    ORDER BY text_vector <=> CAST(:text_vector AS vector) LIMIT :k
""")


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A query, for the database and for the oracle."""

    encoded: EncodedQuery
    text: Floats
    frame: Floats


@dataclass(kw_only=True)
class Figures:
    """What was measured for one tenant."""

    scenes: int
    ours_ms: list[float] = field(default_factory=list)
    peer_ms: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    short_results: int = 0
    hnsw_ms: list[float] = field(default_factory=list)
    hnsw_recalls: list[float] = field(default_factory=list)
    hnsw_rows: list[int] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The peer's median over ours."""
        return statistics.median(self.peer_ms) / statistics.median(self.ours_ms)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10k scenes")
    quick = parser.parse_args().quick
    sizes = (100, 1_000, 10_000) if quick else (100, 1_000, 10_000, 100_000)
    models = load("offline")
    asked = questions(models)
    started = time.perf_counter()
    stored = list(tenants(models, sizes, spoken=500 if quick else 1_500, drawn=1_000))
    print(f"vectors made in {time.perf_counter() - started:.0f} s")
    with tempfile.TemporaryDirectory(prefix="heimdex-bench-") as directory:
        server = Postgres(Path(directory))
        prepare(server)
        try:
            started = time.perf_counter()
            store(server, stored)
            print(f"stored twice in {time.perf_counter() - started:.0f} s")
            figures = [measure(server, models, tenant, asked) for tenant in stored]
            disk = disk_mb(server)
            started = time.perf_counter()
            server.execute(search_store.HNSW, database="bench")
            print(f"HNSW index built in {time.perf_counter() - started:.0f} s")
            for tenant, each in zip(stored, figures, strict=True):
                measure_hnsw(server, tenant, asked, each)
            report(figures, disk)
        finally:
            server.stop()


def questions(models: QueryEncoders) -> list[Question]:
    """The questions, encoded by the models that made the rows."""
    found = []
    for said, seen in QUESTIONS:
        frame = models.image.encode(seen)
        assert frame is not None
        vector = models.text.encode([said])[0]
        encoded = EncodedQuery(
            text_vector=halfvec(vector),
            frame_vector=halfvec(frame),
            text_code=coding.of_model(models.text.name).codes(vector[None])[0],
            frame_code=coding.of_model(models.image.name).codes(frame[None])[0],
            pictured=(),
            tags=(),
        )
        found.append(Question(encoded=encoded, text=vector, frame=frame))
    return found


def prepare(server: Postgres) -> None:
    """Start the server with room for everything in memory, and make the schemas."""
    server.start()
    for setting in (
        "shared_buffers = '4GB'",
        "max_wal_size = '8GB'",
        "maintenance_work_mem = '2GB'",
        "fsync = off",
    ):
        server.execute(f"ALTER SYSTEM SET {setting}")
    server.stop()
    server.start()
    server.create_database("bench")
    engine = sqlalchemy.create_engine(server.url("bench"), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(SCHEMA.read_text())
        connection.exec_driver_sql(search_store.PEER)


def store(server: Postgres, stored: Sequence[Tenant]) -> None:
    """Fill both schemas and let the planner know."""
    engine = sqlalchemy.create_engine(server.url("bench"), poolclass=sqlalchemy.NullPool)
    with closing(engine.raw_connection()) as connection:
        search_store.fill(connection.driver_connection, stored)
    server.execute("VACUUM ANALYZE", database="bench")


def measure(
    server: Postgres, models: QueryEncoders, tenant: Tenant, asked: Sequence[Question]
) -> Figures:
    """Ask ours and plain columns, in turn, and compare ours with exact double precision."""
    reach = widths(models, tenant.scenes)
    figures = Figures(scenes=tenant.scenes)
    names = {tenant.scene_id(scene): scene for scene in range(tenant.scenes)}
    ours = partial(_ours, reach=reach)
    database = Database.connect(_settings(server))
    with closing(database), database.tenant(tenant.user_id) as tx:
        for question in asked:
            found = _ours(tx, tenant.user_id, question, reach)
            _peer(tx, tenant.user_id, question)
            for _ in range(ROUNDS[tenant.scenes]):
                figures.ours_ms.append(_timed_ms(ours, tx, tenant.user_id, question))
                figures.peer_ms.append(_timed_ms(_peer, tx, tenant.user_id, question))
            _judge(figures, tenant, question, found, names)
    return figures


def measure_hnsw(
    server: Postgres, tenant: Tenant, asked: Sequence[Question], figures: Figures
) -> None:
    """Ask the index over all tenants for the nearest by text."""
    names = {tenant.scene_id(scene): scene for scene in range(tenant.scenes)}
    wanted = min(K, tenant.scenes)
    database = Database.connect(_settings(server))
    with closing(database), database.tenant(tenant.user_id) as tx:
        for setting in ("enable_sort", "enable_seqscan", "enable_bitmapscan"):
            tx.execute(text(f"SET LOCAL {setting} = off"))
        for question in asked:
            found = _hnsw(tx, tenant.user_id, question)
            for _ in range(ROUNDS[tenant.scenes]):
                figures.hnsw_ms.append(_timed_ms(_hnsw, tx, tenant.user_id, question))
            scores = exact_scores(tenant, question)["dense"]
            least = np.partition(scores, -wanted)[-wanted]
            right = sum(scores[names[scene]] >= least - TIE for scene in found)
            figures.hnsw_recalls.append(right / wanted)
            figures.hnsw_rows.append(len(found))


def _hnsw(tx: Connection, user_id: UUID, question: Question) -> list[UUID]:
    parameters = {"user_id": user_id, "text_vector": question.encoded.text_vector, "k": K}
    return [row.id for row in tx.execute(_HNSW, parameters)]


def disk_mb(server: Postgres) -> dict[str, float]:
    """Size of each table with its indexes, in megabytes."""
    engine = sqlalchemy.create_engine(server.url("bench"), poolclass=sqlalchemy.NullPool)
    tables = ("text_vectors", "text_codes", "frame_vectors", "frame_codes")
    with engine.connect() as connection:
        return {
            name: round(
                connection.execute(
                    text("SELECT pg_total_relation_size(CAST(:name AS regclass)) / 1e6"),
                    {"name": name},
                ).scalar_one(),
                1,
            )
            for name in (*tables, "peer_scenes", "peer_frames")
        }


def _ours(
    tx: Connection, user_id: UUID, question: Question, reach: Mapping[Leg, int]
) -> dict[Leg, list[UUID]]:
    rows = Retrieval(tx, user_id=user_id, index_version=search_store.VERSION)
    asked = Asked(
        legs=LEGS,
        text_vector=question.encoded.text_vector,
        frame_vector=question.encoded.frame_vector,
        text_code=question.encoded.text_code,
        frame_code=question.encoded.frame_code,
        widths=reach,
        terms=(),
        tags=(),
        people=(),
        scope=Scope(),
        allowed=None,
    )
    return rows.candidates(asked, k=K)


def _peer(tx: Connection, user_id: UUID, question: Question) -> list[tuple[str, UUID]]:
    parameters = {
        "user_id": user_id,
        "text_vector": question.encoded.text_vector,
        "frame_vector": question.encoded.frame_vector,
        "k": K,
    }
    return [(row.leg, row.scene_id) for row in tx.execute(_PEER, parameters)]


def _timed_ms(
    search: Callable[[Connection, UUID, Question], object],
    tx: Connection,
    user_id: UUID,
    question: Question,
) -> float:
    started = time.perf_counter()
    search(tx, user_id, question)
    return (time.perf_counter() - started) * 1_000


def _judge(
    figures: Figures,
    tenant: Tenant,
    question: Question,
    found: dict[Leg, list[UUID]],
    names: dict[UUID, int],
) -> None:
    """Recall against exact scores; scenes that tie with the k-th best are as good as it is."""
    for leg, scores in exact_scores(tenant, question).items():
        wanted = min(K, tenant.scenes)
        figures.short_results += len(found[leg]) != wanted
        least = np.partition(scores, -wanted)[-wanted]
        right = sum(scores[names[scene]] >= least - TIE for scene in set(found[leg]))
        figures.recalls.append(right / wanted)


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


def report(all_figures: Sequence[Figures], disk: Mapping[str, float]) -> None:
    """The tables, and the JSON line."""
    print(f"{'scenes':>8} {'':>14} {'p50 ms':>9} {'p95 ms':>9} {'ratio':>6} {'recall@20':>10} rows")
    for figures in all_figures:
        ours = f"{figures.ratio:>6.2f} {min(figures.recalls):>10.3f} {min(K, figures.scenes):>4}"
        hnsw = (
            f"{'':>6} {statistics.fmean(figures.hnsw_recalls):>10.3f} {min(figures.hnsw_rows):>4}"
        )
        for name, times, more in (
            ("plain columns", figures.peer_ms, ""),
            ("HNSW, text", figures.hnsw_ms, hnsw),
            ("ours", figures.ours_ms, ours),
        ):
            p50, p95 = _percentiles(times)
            print(f"{figures.scenes:>8} {name:>14} {p50:>9.2f} {p95:>9.2f} {more}")
    print("on disk, MB: " + ", ".join(f"{name} {size}" for name, size in disk.items()))
    print(json.dumps(_summary(all_figures) | {"disk_mb": disk}))


def _summary(all_figures: Sequence[Figures]) -> dict[str, object]:
    by_size = {figures.scenes: figures for figures in all_figures}
    return {
        "ratio_1k": _ratio(by_size.get(1_000)),
        "ratio_10k": _ratio(by_size.get(10_000)),
        "ratio_100k": _ratio(by_size.get(100_000)),
        "recall_min": min(min(figures.recalls) for figures in all_figures),
        "recall_mean": round(
            statistics.fmean(recall for figures in all_figures for recall in figures.recalls), 4
        ),
        "short_results": sum(figures.short_results for figures in all_figures),
        "hnsw": {
            str(figures.scenes): {
                "p50_ms": round(_percentiles(figures.hnsw_ms)[0], 2),
                "recall_mean": round(statistics.fmean(figures.hnsw_recalls), 3),
                "rows_min": min(figures.hnsw_rows),
            }
            for figures in all_figures
        },
        "percentiles": {
            str(figures.scenes): {
                "ours_p50_ms": round(_percentiles(figures.ours_ms)[0], 2),
                "ours_p95_ms": round(_percentiles(figures.ours_ms)[1], 2),
                "peer_p50_ms": round(_percentiles(figures.peer_ms)[0], 2),
                "peer_p95_ms": round(_percentiles(figures.peer_ms)[1], 2),
            }
            for figures in all_figures
        },
    }


def _ratio(figures: Figures | None) -> float | None:
    return None if figures is None else round(figures.ratio, 2)


def _percentiles(times_ms: Sequence[float]) -> tuple[float, float]:
    return float(np.percentile(times_ms, 50)), float(np.percentile(times_ms, 95))


def _settings(server: Postgres) -> Settings:
    return Settings(
        project="heimdex-bench",
        uploads_bucket="bench-uploads",
        artifacts_bucket="bench-artifacts",
        database_url=server.url("bench", "heimdex_api"),
    )


if __name__ == "__main__":
    main()
