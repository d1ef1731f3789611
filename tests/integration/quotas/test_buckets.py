"""Token buckets: a plain model agrees with the database, and no one overdraws."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from common.database import Database
from common.errors import AuthError, QuotaError
from common.quotas.buckets import charge, levels, refund
from tests.clock import FakeClock
from tests.conftest import TestDatabase, insert_user

#: What cutting costs off to microseconds may add up to in one example.
_CUT_OFF = Fraction(1, 1000)


def _charge(db: Database, user_id: UUID, amount: int = 1, bucket: Any = "uploads") -> int | None:
    """Charge and commit; what is to be waited for, or None if granted."""
    with db.tenant(user_id, effect="test.charge") as tx:
        try:
            charge(tx, user_id, bucket, amount)
        except QuotaError as refused:
            return refused.retry_after_s
    return None


@dataclass(kw_only=True)
class Model:
    """A token bucket as a textbook has it, in exact numbers."""

    capacity: int
    refill_s: int
    tokens: Fraction = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Fraction(self.capacity)

    def pass_time(self, seconds: int) -> None:
        """It fills, but not over its rim."""
        rate = Fraction(self.capacity, self.refill_s)
        self.tokens = min(Fraction(self.capacity), self.tokens + seconds * rate)

    def take(self, amount: int) -> bool:
        """Take it out, if it is there."""
        if granted := self.tokens + _CUT_OFF >= amount:
            self.tokens -= amount
        return granted


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("wait"), st.integers(0, 200)),
        st.tuples(st.just("return"), st.integers(1, 8)),
    ),
    max_size=25,
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(capacity=st.integers(1, 13), refill_s=st.integers(1, 150), steps=_STEPS)
def test_the_bucket_is_the_textbook_one(
    api_database: Database,
    database: TestDatabase,
    clock: FakeClock,
    capacity: int,
    refill_s: int,
    steps: list[tuple[str, int]],
) -> None:
    """Same grants as the model, never more than capacity + rate × time, and honest waits."""
    user_id = insert_user(database, tier="free")
    database.owner_rows(
        "UPDATE tier_limits SET capacity = :capacity, refill_s = :refill_s "
        "WHERE tier = 'free' AND bucket = 'uploads'",
        capacity=capacity,
        refill_s=refill_s,
    )
    model = Model(capacity=capacity, refill_s=refill_s)
    begun_at, granted, returned = clock.now, 0, 0
    for kind, number in steps:
        if kind == "wait":
            clock.advance(number)
            model.pass_time(number)
        elif kind == "return":
            with api_database.tenant(user_id, effect="test.refund") as tx:
                refund(tx, user_id, "uploads", number)
            model.tokens = min(Fraction(capacity), model.tokens + number)
            returned += number
        elif number > capacity:
            assert _charge_is_hopeless(api_database, user_id, number)
        else:
            wait_s = _charge(api_database, user_id, number)
            assert (wait_s is None) == model.take(number)
            granted += number if wait_s is None else 0
            if wait_s is not None:
                missing_s = (number - model.tokens) * Fraction(refill_s, capacity)
                assert missing_s - 1 - _CUT_OFF <= wait_s - 1 <= missing_s + _CUT_OFF
        passed_s = Fraction((clock.now - begun_at).total_seconds())
        assert granted - returned <= capacity + passed_s * capacity / refill_s + _CUT_OFF
        with api_database.tenant(user_id) as tx:
            left = levels(tx, user_id)[0].left
        assert model.tokens - 1 - _CUT_OFF < left <= model.tokens + _CUT_OFF


def _charge_is_hopeless(db: Database, user_id: UUID, amount: int) -> bool:
    with pytest.raises(QuotaError) as refused, db.tenant(user_id, effect="test.charge") as tx:
        charge(tx, user_id, "uploads", amount)
    return refused.value.retry_after_s is None


@pytest.mark.parametrize(("bucket", "capacity"), [("uploads", 3), ("searches", 60), ("exports", 2)])
def test_after_the_time_it_says_it_is_granted_and_not_before(
    api_database: Database, clock: FakeClock, free_id: UUID, bucket: Any, capacity: int
) -> None:
    """A client that waits as told succeeds; one that waits a second less does not."""
    for _ in range(capacity):
        assert _charge(api_database, free_id, bucket=bucket) is None
    for _ in range(4):
        wait_s = _charge(api_database, free_id, bucket=bucket)
        assert wait_s is not None
        clock.advance(wait_s - 1)
        assert _charge(api_database, free_id, bucket=bucket) == 1
        clock.advance(1)
        assert _charge(api_database, free_id, bucket=bucket) is None


def test_a_day_later_the_bucket_is_full_and_no_fuller(
    api_database: Database, clock: FakeClock, free_id: UUID
) -> None:
    """What is not used in a month does not add up."""
    clock.advance(30 * 86_400)
    assert [_charge(api_database, free_id) for _ in range(3)] == [None] * 3
    assert _charge(api_database, free_id) == 28_800
    clock.advance(86_400)
    assert [_charge(api_database, free_id) for _ in range(3)] == [None] * 3
    assert _charge(api_database, free_id) == 28_800


@pytest.mark.parametrize("threads", [8])
def test_many_at_once_do_not_overdraw(
    database: TestDatabase, clock: FakeClock, free_id: UUID, threads: int
) -> None:
    """Threads that all charge an unused bucket get exactly what it holds."""
    db = database.as_role("heimdex_api")
    start = threading.Barrier(threads)

    def several() -> int:
        start.wait(timeout=30)
        return sum(_charge(db, free_id, bucket="searches") is None for _ in range(12))

    with ThreadPoolExecutor(threads) as pool:
        granted = [future.result() for future in [pool.submit(several) for _ in range(threads)]]
    db.close()
    assert sum(granted) == 60


def test_a_clock_that_goes_on_meanwhile_does_not_overdraw(
    database: TestDatabase, user_id: UUID
) -> None:
    """By the real clock, charges that wait for each other's row get no more than time allows."""
    database.owner_rows("UPDATE users SET tier = 'free'")
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 5, refill_s = 3600 WHERE bucket = 'searches'"
    )
    db = database.as_role("heimdex_api")
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: _charge(db, user_id, bucket="searches"), range(80)))
    db.close()
    assert waits.count(None) == 5
    assert all(wait is None or 700 <= wait <= 720 for wait in waits)


def test_limits_are_rows(
    api_database: Database, database: TestDatabase, clock: FakeClock, free_id: UUID
) -> None:
    """An operator's change counts from the next request on, and no row means no limit."""
    for _ in range(3):
        assert _charge(api_database, free_id) is None
    assert _charge(api_database, free_id) is not None
    database.owner_rows("UPDATE tier_limits SET capacity = 6 WHERE tier = 'free'")
    clock.advance(86_400)
    assert [_charge(api_database, free_id) for _ in range(6)] == [None] * 6
    assert _charge(api_database, free_id) is not None
    database.owner_rows("DELETE FROM tier_limits WHERE tier = 'free' AND bucket = 'uploads'")
    assert [_charge(api_database, free_id) for _ in range(20)] == [None] * 20


def test_new_users_are_free_and_enterprise_keeps_no_account(
    api_database: Database, database: TestDatabase, user_id: UUID
) -> None:
    """The default is the smallest tier; a tier without limits writes nothing."""
    new_id = uuid4()
    with api_database.tenant(new_id, effect="test.new") as tx:
        tx.exec_driver_sql(f"INSERT INTO users (id, firebase_uid) VALUES ('{new_id}', 'new')")
    (row,) = database.owner_rows("SELECT tier FROM users WHERE id = :id", id=new_id)
    assert row.tier == "free"
    assert [_charge(api_database, user_id) for _ in range(9)] == [None] * 9
    assert database.owner_rows("SELECT 1 FROM quota_buckets") == []


def test_a_deleted_user_is_asked_to_sign_in(api_database: Database) -> None:
    """A token may outlive its account for a while."""
    with api_database.tenant(user := uuid4()) as tx, pytest.raises(AuthError):
        charge(tx, user, "searches")


def test_what_is_rolled_back_was_not_charged(
    api_database: Database, clock: FakeClock, free_id: UUID
) -> None:
    """A request that fails after its charge leaves the bucket as it was."""
    for _ in range(5):
        with api_database.tenant(free_id) as tx:  # no effect: rolled back
            charge(tx, free_id, "uploads", 3)
    assert _charge(api_database, free_id, 3) is None


def _levels(db: Database, user_id: UUID) -> dict[str, int]:
    with db.tenant(user_id) as tx:
        return {level.bucket: level.left for level in levels(tx, user_id)}


def test_levels_show_whole_units(api_database: Database, clock: FakeClock, free_id: UUID) -> None:
    """Exactly what could be taken at once, at any time."""
    assert _levels(api_database, free_id)["uploads"] == 3
    for left in (2, 1, 0):
        _charge(api_database, free_id)
        assert _levels(api_database, free_id)["uploads"] == left
    clock.advance(28_799)
    assert _levels(api_database, free_id)["uploads"] == 0
    clock.advance(1)
    assert _levels(api_database, free_id)["uploads"] == 1


@pytest.fixture
def other_id(database: TestDatabase) -> UUID:
    """Another free user."""
    return insert_user(database, tier="free")


def test_buckets_of_users_never_meet(
    api_database: Database, clock: FakeClock, free_id: UUID, other_id: UUID
) -> None:
    """What one uses up, another still has; neither sees the other's rows."""
    assert _charge(api_database, free_id, 3) is None
    assert _charge(api_database, other_id, 3) is None
    with api_database.tenant(free_id) as tx:
        seen = tx.exec_driver_sql("SELECT user_id FROM quota_buckets").all()
        assert [row.user_id for row in seen] == [free_id]
        # Named outright, another's bucket is neither charged nor refilled.
        with pytest.raises(AuthError):
            charge(tx, other_id, "uploads", 1)
        refund(tx, other_id, "uploads", 3)
    assert _charge(api_database, other_id) == 28_800


_FORBIDDEN = (
    # A user who asks for more than their tier has to ask an operator.
    ("heimdex_api", "UPDATE users SET tier = 'pro'"),
    (
        "heimdex_api",
        "INSERT INTO users (id, firebase_uid, tier) VALUES (app_user_id(), 'x', 'pro')",
    ),
    ("heimdex_api", "SELECT set_tier(app_user_id(), 'pro')"),
    ("heimdex_ingest", "SELECT set_tier(app_user_id(), 'pro')"),
    ("heimdex_api", "UPDATE tier_limits SET capacity = 999"),
    ("heimdex_worker", "INSERT INTO tiers (name) VALUES ('mine')"),
    ("heimdex_api", "DELETE FROM quota_buckets"),
    ("heimdex_worker", "SELECT charge_bucket(app_user_id(), 'searches', 1)"),
)


def test_grants_keep_limits_from_those_who_are_limited(
    database: TestDatabase, free_id: UUID
) -> None:
    """No runtime role chooses a tier, changes a limit or empties a bucket's account."""
    for role, statement in _FORBIDDEN:
        db = database.as_role(role)
        with pytest.raises(Exception, match="permission denied"), db.tenant(free_id) as tx:
            tx.exec_driver_sql(statement)
        db.close()
