"""The statements of search.

Every one carries the tenant and, where the table has it, the index version, which are the leading
columns of the keys; row-level security holds even if the predicate is forgotten (a test removes
it). A leg compares the tenant's own rows one by one, so it returns min(k, rows).

Query vectors come as text and are cast once, in a scalar sub-select; a cast beside the operator
could be repeated for every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from sqlalchemy import TextClause, text

from functions.search.model import Leg

TENANT = "user_id = :user_id"
_VERSION: Final = "index_version = :index_version"
_TEXT_VECTOR: Final = "(SELECT CAST(:text_vector AS halfvec))"
_FRAME_VECTOR: Final = "(SELECT CAST(:frame_vector AS halfvec))"
_TEXT_CODE: Final = "(SELECT CAST(:text_code AS bit(1024)))"
_FRAME_CODE: Final = "(SELECT CAST(:frame_code AS bit(1152)))"
_TERMS: Final = "term = ANY(CAST(:terms AS text[]))"
_IDS: Final = "ANY(CAST(:scene_ids AS uuid[]))"

_BY_TERMS: Final = f"""
    SELECT scene_id FROM scene_terms
    JOIN unnest(CAST(:terms AS text[]), CAST(:term_shares AS float8[])) AS q (term, share)
         USING (term)
    WHERE {{tenant}} AND {_VERSION} AND source = '{{source}}' AND {_TERMS} {{scope}}
    GROUP BY scene_id ORDER BY sum(share) DESC, sum(weight) DESC, scene_id LIMIT :k
"""
#: Each gives the leg's k best scenes, best first.
_LEGS: Final[Mapping[Leg, str]] = {
    "dense": f"""
        SELECT scene_id FROM text_vectors WHERE {{tenant}} AND {_VERSION} {{scope}}
        ORDER BY vector <#> {_TEXT_VECTOR}, scene_id LIMIT :k
    """,
    "sparse": f"""
        SELECT scene_id FROM scene_terms
        JOIN unnest(CAST(:tokens AS text[]), CAST(:token_weights AS float8[])) AS q (term, asked)
             USING (term)
        WHERE {{tenant}} AND {_VERSION} AND source = 'learned'
          AND term = ANY(CAST(:tokens AS text[])) {{scope}}
        GROUP BY scene_id ORDER BY sum(weight * asked) DESC, scene_id LIMIT :k
    """,
    "lexical": _BY_TERMS.replace("{source}", "transcript"),
    "screen": _BY_TERMS.replace("{source}", "screen"),
    # OFFSET 0 keeps the distance in the sub-select. Merged into the grouping it would be computed
    # last, and whole vectors be sorted by scene (measured: 4 times as long, spilling to disk).
    "vision": f"""
        SELECT scene_id FROM (
            SELECT scene_id, vector <#> {_FRAME_VECTOR} AS distance FROM frame_vectors
            WHERE {{tenant}} AND {_VERSION} {{scope}} OFFSET 0) AS frames
        GROUP BY scene_id ORDER BY min(distance), scene_id LIMIT :k
    """,
    "tags": f"""
        SELECT scene_id FROM scene_tags
        JOIN unnest(CAST(:tags AS text[]), CAST(:tag_shares AS float8[])) AS q (tag, share)
             USING (tag)
        WHERE {{tenant}} AND {_VERSION} AND tag = ANY(CAST(:tags AS text[])) {{scope}}
        GROUP BY scene_id ORDER BY sum(share * score) DESC, scene_id LIMIT :k
    """,
    "people": f"""
        SELECT scene_id FROM scene_people
        WHERE {{tenant}} AND person_id = ANY(CAST(:person_ids AS uuid[])) {{scope}}
          AND scene_id IN (SELECT id FROM scenes WHERE {{tenant}} AND {_VERSION})
        GROUP BY scene_id ORDER BY sum(confidence) DESC, scene_id LIMIT :k
    """,
}
#: The same for a large tenant: the rows nearest by code, then those compared exactly. LATERAL with
#: OFFSET 0 makes that one look-up by key for each of them, whatever the planner thinks of the
#: tables: joined freely, all of the tenant's vectors could be read after all.
_CODED_LEGS: Final[Mapping[Leg, str]] = {
    "dense": f"""
        SELECT near.scene_id FROM (
            SELECT scene_id FROM text_codes WHERE {{tenant}} AND {_VERSION} {{scope}}
            ORDER BY code <~> {_TEXT_CODE}, scene_id LIMIT :text_width) AS near
        CROSS JOIN LATERAL (
            SELECT vector <#> {_TEXT_VECTOR} AS distance FROM text_vectors
            WHERE {{tenant}} AND {_VERSION} AND scene_id = near.scene_id OFFSET 0) AS exact
        ORDER BY distance, scene_id LIMIT :k
    """,
    "vision": f"""
        SELECT near.scene_id FROM (
            SELECT scene_id, time_ms FROM frame_codes WHERE {{tenant}} AND {_VERSION} {{scope}}
            ORDER BY code <~> {_FRAME_CODE}, scene_id, time_ms LIMIT :frame_width) AS near
        CROSS JOIN LATERAL (
            SELECT vector <#> {_FRAME_VECTOR} AS distance FROM frame_vectors
            WHERE {{tenant}} AND {_VERSION} AND scene_id = near.scene_id
              AND time_ms = near.time_ms OFFSET 0) AS exact
        GROUP BY near.scene_id ORDER BY min(distance), scene_id LIMIT :k
    """,
}
#: Restrictions of the scenes searched, by name: of the video, of the scene itself, and others.
_OF_VIDEO: Final[Mapping[str, str]] = {
    "videos": "id = ANY(CAST(:scope_video_ids AS uuid[]))",
    "created_from": "created_at >= CAST(:scope_created_from AS timestamptz)",
    "created_before": "created_at < CAST(:scope_created_before AS timestamptz)",
    "min_duration": "duration_ms >= CAST(:scope_min_duration_ms AS bigint)",
    "max_duration": "duration_ms <= CAST(:scope_max_duration_ms AS bigint)",
    "indexed_until": "indexed_at <= CAST(:scope_indexed_until AS timestamptz)",
}
_OF_SCENE: Final[Mapping[str, str]] = {
    "language": "CAST(:scope_language AS text) = ANY(languages)",
    "speech": "jsonb_array_length(transcript) > 0",
    "no_speech": "jsonb_array_length(transcript) = 0",
}
_OTHERS: Final[Mapping[str, str]] = {
    "all_people": """scene_id IN (
        SELECT scene_id FROM scene_people
        WHERE {tenant} AND person_id = ANY(CAST(:scope_person_ids AS uuid[]))
        GROUP BY scene_id HAVING count(*) = :scope_people)""",
    "any_people": """scene_id IN (
        SELECT scene_id FROM scene_people
        WHERE {tenant} AND person_id = ANY(CAST(:scope_person_ids AS uuid[])))""",
    "scenes": "scene_id = ANY(CAST(:scope_scene_ids AS uuid[]))",
    "other_than": "scene_id <> CAST(:scope_other_than AS uuid)",
}


def _statement(written: str) -> TextClause:
    """A statement without its indentation: the driver looks at every character, every time."""
    return text(" ".join(written.split()))


def _scope(names: tuple[str, ...]) -> str:
    """A predicate on `scene_id`, to be appended to another; the tenant is still to be filled in."""
    of_video = [_OF_VIDEO[name] for name in names if name in _OF_VIDEO]
    of_scene = [_OF_SCENE[name] for name in names if name in _OF_SCENE]
    if of_video:
        within = " AND ".join(["{tenant}", *of_video])
        of_scene.append(f"video_id IN (SELECT id FROM videos WHERE {within})")
    scopes = [_OTHERS[name] for name in names if name in _OTHERS]
    if of_scene:
        within = " AND ".join(["{tenant}", *of_scene])
        scopes.append(f"scene_id IN (SELECT id FROM scenes WHERE {within})")
    return "".join(f" AND {scope}" for scope in scopes)


@lru_cache
def people() -> TextClause:
    """The tenant's enrolled people: who each is part of, if anybody, and their names.

    One row, as a thousand take the driver longer to read than all else.
    """
    return _statement(f"""
        SELECT json_agg(json_build_array(id, merged_into, name, aliases) ORDER BY id)
        FROM people WHERE {TENANT}
    """)


@lru_cache
def library(scopes: tuple[str, ...] = ()) -> TextClause:
    """About how many scenes there are, and when the newest video was indexed.

    A sum over videos, so that it costs next to nothing.
    """
    within = "".join(f" AND {_OF_VIDEO[name]}" for name in scopes)
    return _statement(f"""
        SELECT coalesce(sum(scene_count), 0) AS scenes, max(indexed_at) AS indexed_until
        FROM videos WHERE {TENANT} AND deleted_at IS NULL {within}
    """)


@lru_cache
def frequencies(scopes: tuple[str, ...] = ()) -> TextClause:
    """In how many scenes each term is said or shown."""
    within = _scope(scopes).replace("{tenant}", TENANT)
    return _statement(f"""
        SELECT term, max(scenes) AS scenes FROM (
            SELECT source, term, count(*) AS scenes FROM scene_terms
            WHERE {TENANT} AND {_VERSION} AND source IN ('transcript', 'screen') AND {_TERMS}
                  {within}
            GROUP BY source, term) AS per_source
        GROUP BY term
    """)


@lru_cache
def example() -> TextClause:
    """What one scene is compared by: the vector of its text, that of its frame, its tags."""
    return _statement(f"""
        SELECT s.id, s.tags,
               (SELECT CAST(vector AS text) FROM text_vectors
                WHERE {TENANT} AND {_VERSION} AND scene_id = s.id) AS text_vector,
               (SELECT CAST(vector AS text) FROM frame_vectors
                WHERE {TENANT} AND {_VERSION} AND scene_id = s.id
                ORDER BY time_ms <> s.best_frame_ms, time_ms LIMIT 1) AS frame_vector
        FROM (SELECT id, tags, best_frame_ms FROM scenes
              WHERE {TENANT} AND {_VERSION} AND id = CAST(:scene_id AS uuid)) AS s
    """)


@lru_cache
def with_all_terms(scopes: tuple[str, ...] = ()) -> TextClause:
    """Texts of the scenes that hold all of `terms` in one source: a phrase can only be there."""
    within = _scope(scopes).replace("{tenant}", TENANT)
    return _statement(f"""
        SELECT id, transcript, screen_text FROM scenes
        WHERE {TENANT} AND {_VERSION} AND id IN (
            SELECT scene_id FROM scene_terms
            WHERE {TENANT} AND {_VERSION} AND source IN ('transcript', 'screen') AND {_TERMS}
                  {within}
            GROUP BY source, scene_id HAVING count(*) = cardinality(CAST(:terms AS text[])))
        ORDER BY id LIMIT :k
    """)


@lru_cache
def recall(
    legs: tuple[Leg, ...], scopes: tuple[str, ...], coded: frozenset[Leg] = frozenset()
) -> TextClause:
    """The k best scenes of each leg, as (leg, ids as JSON, best first), in one statement.

    Args:
        legs: to ask.
        scopes: names of the restrictions.
        coded: legs that go by binary codes first.
    """
    scope = _scope(scopes)
    statements = {leg: (_CODED_LEGS if leg in coded else _LEGS)[leg] for leg in legs}
    parts = [
        f"(SELECT '{leg}', json_agg(scene_id) FROM ({statement.replace('{scope}', scope)}) AS l)"
        for leg, statement in statements.items()
    ]
    return _statement(" UNION ALL ".join(parts).replace("{tenant}", TENANT))


#: What each leg adds to the evidence of a scene `s`: columns, what stands for them if the leg does
#: not take part, and a join. (Those that are not asked for would still have to be planned.)
_EVIDENCE: Final[tuple[tuple[tuple[Leg, ...], str, str, str], ...]] = (
    (
        ("dense",),
        "t.distance",
        "NULL",
        f"""LEFT JOIN LATERAL (
            SELECT vector <#> {_TEXT_VECTOR} AS distance FROM text_vectors
            WHERE {{tenant}} AND {_VERSION} AND scene_id = s.id) AS t ON true""",
    ),
    (
        ("vision",),
        "f.distance, f.time_ms",
        "NULL, NULL",
        f"""LEFT JOIN LATERAL (
            SELECT vector <#> {_FRAME_VECTOR} AS distance, time_ms FROM frame_vectors
            WHERE {{tenant}} AND {_VERSION} AND scene_id = s.id
            ORDER BY distance, time_ms LIMIT 1) AS f ON true""",
    ),
    (
        ("sparse",),
        "l.product",
        "NULL",
        f"""LEFT JOIN (
            SELECT scene_id, sum(weight * asked) AS product FROM scene_terms
            JOIN unnest(CAST(:tokens AS text[]), CAST(:token_weights AS float8[]))
                 AS q (term, asked) USING (term)
            WHERE {{tenant}} AND {_VERSION} AND source = 'learned'
              AND term = ANY(CAST(:tokens AS text[])) AND scene_id = {_IDS}
            GROUP BY scene_id) AS l ON l.scene_id = s.id""",
    ),
    (
        ("lexical", "screen"),
        "w.spoken, w.shown",
        "NULL, NULL",
        f"""LEFT JOIN (
            SELECT scene_id, array_agg(term) FILTER (WHERE source = 'transcript') AS spoken,
                   array_agg(term) FILTER (WHERE source = 'screen') AS shown
            FROM scene_terms
            WHERE {{tenant}} AND {_VERSION} AND source IN ('transcript', 'screen') AND {_TERMS}
              AND scene_id = {_IDS} GROUP BY scene_id) AS w ON w.scene_id = s.id""",
    ),
    (
        ("tags",),
        "g.tags",
        "NULL",
        f"""LEFT JOIN (
            SELECT scene_id, jsonb_object_agg(tag, score) AS tags FROM scene_tags
            WHERE {{tenant}} AND {_VERSION} AND tag = ANY(CAST(:tags AS text[]))
              AND scene_id = {_IDS} GROUP BY scene_id) AS g ON g.scene_id = s.id""",
    ),
    (
        ("people",),
        "p.people",
        "NULL",
        f"""LEFT JOIN (
            SELECT scene_id, jsonb_object_agg(person_id, confidence) AS people FROM scene_people
            WHERE {{tenant}} AND person_id = ANY(CAST(:person_ids AS uuid[]))
              AND scene_id = {_IDS} GROUP BY scene_id) AS p ON p.scene_id = s.id""",
    ),
)


@lru_cache
def evidence(legs: tuple[Leg, ...]) -> TextClause:
    """What these legs find in each of `scene_ids`; none is missing because a leg's k cut it.

    One row, of a JSON array per scene: hundreds of rows take the driver many times as long to read.
    """
    asked = [(set(of) & set(legs), there, absent, join) for of, there, absent, join in _EVIDENCE]
    columns = ", ".join(there if takes_part else absent for takes_part, there, absent, _ in asked)
    joins = " ".join(join for takes_part, _, _, join in asked if takes_part)
    return _statement(f"""
        SELECT json_agg(json_build_array(s.id, s.video_id, s.start_ms, s.end_ms, {columns}))
        FROM (SELECT id, video_id, start_ms, end_ms FROM scenes
              WHERE {TENANT} AND {_VERSION} AND id = {_IDS}) AS s
        JOIN (SELECT id FROM videos WHERE {TENANT} AND deleted_at IS NULL) AS v
             ON v.id = s.video_id
        {joins.replace("{tenant}", TENANT)}
    """)


@lru_cache
def moments() -> TextClause:
    """What is shown of each of `scene_ids`."""
    return _statement(f"""
        SELECT s.id, s.video_id, v.title, s.start_ms, s.end_ms, s.transcript, s.languages,
               s.screen_text, s.tags, s.best_frame_ms, p.people
        FROM (SELECT * FROM scenes WHERE {TENANT} AND id = {_IDS}) AS s
        JOIN (SELECT id, title FROM videos WHERE {TENANT}) AS v ON v.id = s.video_id
        LEFT JOIN (
            SELECT scene_id, jsonb_agg(jsonb_build_array(
                       person_id, name, confidence, first_ms, last_ms, best_ms)
                   ORDER BY name, person_id) AS people
            FROM (SELECT * FROM scene_people
                  WHERE {TENANT} AND scene_id = {_IDS}) AS seen
            JOIN (SELECT id AS person_id, name FROM people WHERE {TENANT}) AS known
                 USING (person_id)
            GROUP BY scene_id) AS p ON p.scene_id = s.id
    """)
