"""A stage's store is built again while it is in use: right whatever was wrong with it, and nobody is told what was known before."""

import asyncio
import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.loyalty_events import LOYALTY_EVENTS
from schemas.profile_events import PROFILE_EVENTS
from services.loyalty.app import PROCESS as LOYALTY
from services.loyalty.redeeming import Accepted, Redeem
from services.loyalty.stage import LoyaltyStage
from services.profile.app import PROCESS as PROFILE
from services.profile.identity import LinkedSet
from services.proof import stores_proven
from services.proof.profile_corrections import Contradicted
from services.proof.store_rebuild import FactsLost, OldStoreKept, RebuiltStore, drop_old_store, rebuild_store_from
from services.runtime import failpoints, store_check
from services.runtime.event_store import StoreLost, Transaction
from services.runtime.failpoints import FailpointFailed
from services.runtime.store_check import check_file
from services.runtime.store_exchange import exchange_of
from tests.profile.touchpoints import logs, touchpoint
from tests.proof.installation import DAY_MS, NOW_MS
from tests.proof.living import Living, heard, living_on
from tests.proof.story import LINES, REGULAR, STORY

PROCESSES = {"profile": PROFILE, "loyalty": LOYALTY}
TOPICS = {"profile": topics.PROFILE_CHANGES.name, "loyalty": topics.LOYALTY_CHANGES.name}


def quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def rebuilt(living: Living, stage: str, progress: Callable[[str, int, int], None] = quiet, **asked: bool) -> RebuiltStore:
    return asyncio.run(rebuild_store_from(living.log, living.settings, stage, living.clock, progress, **asked))


@pytest.fixture(params=["sqlite", "postgres"])
def living(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Living]:
    with living_on(request, tmp_path) as living:
        living.say(*STORY)
        living.work()
        living.tick(NOW_MS)
        yield living


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Living]:
    living = Living(tmp_path / "data")
    living.say(*STORY)
    living.work()
    living.tick(NOW_MS)
    yield living
    living.close()


def published(living: Living, stage: str) -> list[tuple[int, str, int, str]]:
    return [(event.id, str(event.originator), event.version, event.type) for event in heard(living.log, TOPICS[stage])]


def require_right(living: Living, scratch: Path) -> None:
    """The stores equal a fold of the log; whoever followed the topics saw numbers without a hole, and every balance that is stored."""
    profiles, accounts = living.compared(scratch)
    assert [*profiles.differences, *accounts.differences] == []
    assert profiles.unequal == accounts.unequal == set()
    for stage in TOPICS:
        numbers: Counter[str] = Counter()
        for _, originator, version, _ in published(living, stage):
            numbers[originator] += 1
            assert version == numbers[originator], (stage, originator)
    assert refused_links(living) <= told_of_refusal(living)
    for stage, models in (("profile", PROFILE_EVENTS), ("loyalty", LOYALTY_EVENTS)):
        for event in heard(living.log, TOPICS[stage]):
            models[event.type].model_validate_json(event.state)


def refused_links(living: Living) -> set[tuple[str, str]]:
    """As the store has them now, by type:value."""
    sets = [msgspec.msgpack.decode(value, type=LinkedSet) for _, value in living.profile.store.all_rows("linked_sets")]
    return {pair for one in sets for pair in one.refused}


def told_of_refusal(living: Living) -> set[tuple[str, str]]:
    told = [json.loads(event.state) for event in heard(living.log, TOPICS["profile"]) if event.type == "link_refused"]
    return {tuple(f"{one[side]['type']}:{one[side]['value']}" for side in ("anchor", "refused")) for one in told}  # type: ignore[misc]


# ---- where nothing is wrong


@pytest.mark.parametrize("stage", ["profile", "loyalty"])
def test_a_store_in_which_nothing_is_wrong_is_proven_equal_without_showing_all_its_state(
    living: Living, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(stores_proven, "compare_profiles")
    monkeypatch.delattr(stores_proven, "compare_accounts")

    found = rebuilt(living, stage)

    assert found.compared is not None
    assert (found.compared.customers > 1, found.compared.unequal) == (True, set())


@pytest.mark.parametrize("stage", ["profile", "loyalty"])
def test_where_nothing_is_wrong_nothing_is_said_and_work_goes_on(living: Living, stage: str, tmp_path: Path) -> None:
    before = {topic: list(living.log.of(topic)) for topic in TOPICS.values()}

    found = rebuilt(living, stage)

    assert (found.switched, found.corrections) == (True, 0)
    assert found.compared is not None
    assert found.compared.differences == []
    living.work()
    assert {topic: living.log.of(topic) for topic in TOPICS.values()} == before
    living.say(touchpoint("next", "customer_id:1", hour=9, type="purchase", order_id="o9", total_minor=800, currency="EUR"))
    living.work()
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")
    assert "next" in str([event.state for event in heard(living.log, TOPICS["profile"])])


def test_traffic_goes_on_while_a_store_is_rebuilt(living: Living, tmp_path: Path) -> None:
    numbers = iter(range(1, 25))
    phases = Counter[str]()

    def more(phase: str, done: int, total: int) -> None:
        phases[phase] += 1
        if phases[phase] < 3 and (n := next(numbers, 0)):
            living.say(
                touchpoint(
                    f"more{n}",
                    f"customer_id:{n % 3}",
                    f"email:m{n % 5}@example.org",
                    hour=10 + n,
                    type="purchase",
                    order_id=f"m{n}",
                    total_minor=100 * n,
                    currency="EUR",
                    lines=LINES,
                ),
                touchpoint(f"twice{n % 4}", "customer_id:1", hour=1, name=f"said {n}"),
            )
            living.profile.work(publish=n % 3 > 0)
            living.loyalty.work(publish=n % 2 > 0)

    for stage in ("profile", "loyalty"):
        assert rebuilt(living, stage, more).corrections == 0

    living.work()
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")
    assert len(phases) > 5


# ---- where something is wrong


def test_a_wrong_fact_is_put_right_and_its_customer_is_said_again_with_the_next_number(living: Living, tmp_path: Path) -> None:
    facts = dict(living.profile.store.all_rows("facts"))
    anchor, value = next((anchor, value) for anchor, value in facts.items() if msgspec.msgpack.decode(value)[2] > 1)
    wrong = msgspec.msgpack.decode(value)
    wrong[2] += 1
    living.profile.store.commit(Transaction(rows={"facts": {anchor: msgspec.msgpack.encode(wrong)}}))
    living.profile.stage.forget()
    before = published(living, "profile")

    found = rebuilt(living, "profile")
    living.work()

    assert found.compared is not None
    assert {difference.field for difference in found.compared.differences} == {"count"}
    (said,) = published(living, "profile")[len(before) :]
    assert (said[1], said[3]) == (next(iter(found.compared.unequal)), "identifiers_joined")
    require_right(living, tmp_path / "scratch")


def test_a_touchpoint_that_was_skipped_is_published_and_its_points_are_posted(living: Living, tmp_path: Path) -> None:
    # given: positions that were moved past touchpoints that link two customers and buy something
    skipped = touchpoint(
        "lost", "customer_id:1", "email:grace@example.org", hour=20, type="purchase", order_id="lost", total_minor=5_000, currency="EUR"
    )
    living.say(skipped)
    skip_what_waits(living)
    living.say(touchpoint("later", "email:grace@example.org", hour=21))
    living.work()

    assert rebuilt(living, "profile").corrections
    living.work()
    living.tick(NOW_MS)

    require_right(living, tmp_path / "scratch")
    assert [type for *_, type in published(living, "profile")[-3:]] == ["customers_merged", "customer_merged_into", "touchpoint_applied"]
    assert "lost" in [json.loads(event.state).get("source_event") for event in heard(living.log, TOPICS["loyalty"])]


def test_a_possible_duplicate_that_nobody_was_told_of_is_told_once(living: Living, tmp_path: Path) -> None:
    # given: a position that was moved past a touchpoint whose link would let one customer be two
    living.say(touchpoint("hers", "customer_id:1", "email:us@example.org", hour=20))
    living.work()
    living.say(touchpoint("his", "customer_id:2", "email:us@example.org", hour=21))
    skip_what_waits(living)
    told = told_of_refusal(living)

    # when
    rebuilt(living, "profile")
    living.work()

    # then
    assert told_of_refusal(living) - told == {("customer_id:2", "email:us@example.org")}
    *_, notice = (json.loads(event.state) for event in heard(living.log, TOPICS["profile"]) if event.type == "link_refused")
    assert (notice["reason"], notice["cause"]) == ("limit:customer_id", "rebuild")
    require_right(living, tmp_path / "scratch")
    before = published(living, "profile")
    drop_old_store(living.settings, "profile")
    assert rebuilt(living, "profile").corrections == 0
    living.work()
    assert published(living, "profile") == before


def skip_what_waits(living: Living) -> None:
    """Moves the profile stage's positions past everything that it has not taken."""
    starts = living.profile.store.positions()
    ends = {f"{tp.topic}:{tp.partition}": len(of) for tp, of in living.log.records.items() if tp.topic == "touchpoints"}
    living.profile.store.commit(Transaction(positions={name: (starts.get(name, 0), end) for name, end in ends.items()}))


def test_points_that_were_posted_wrongly_are_compensated(living: Living, tmp_path: Path) -> None:
    # given: a purchase that the loyalty stage never took, and a wrong amount in an account's state
    living.say(touchpoint("unseen", "customer_id:2", hour=30, type="purchase", order_id="u", total_minor=7_000, currency="EUR"))
    living.profile.work()
    starts = living.loyalty.store.positions()
    ends = {f"{tp.topic}:{tp.partition}": len(of) for tp, of in living.log.records.items() if tp.topic == TOPICS["profile"]}
    living.loyalty.store.commit(Transaction(positions={name: (starts.get(name, 0), end) for name, end in ends.items()}))
    account, value = next(iter(living.loyalty.store.all_rows("accounts")))
    record = msgspec.msgpack.decode(value)
    record[4][3] += 5
    living.loyalty.store.commit(Transaction(rows={"accounts": {account: msgspec.msgpack.encode(record)}}))
    living.loyalty.stage.forget()

    found = rebuilt(living, "loyalty")
    living.work()
    living.tick(NOW_MS)

    assert found.compared is not None
    assert account in found.compared.unequal
    assert account in [originator for _, originator, _, _ in published(living, "loyalty")[-found.corrections :]]
    require_right(living, tmp_path / "scratch")


def test_lots_that_are_missing_come_back_and_the_account_goes_on_with_them(living: Living, tmp_path: Path) -> None:
    # given: an account with more lots than are stored with it, without the others
    for some in (REGULAR[:10], REGULAR[10:11]):
        living.say(*some)
        living.work()
    store = living.loyalty.store
    [(account, _)] = store.all_rows("lots")
    store.commit(Transaction(rows={"lots": {account: None}}))
    living.loyalty.stage.forget()

    found = rebuilt(living, "loyalty")
    living.say(*REGULAR[11:])
    living.work()
    living.tick(NOW_MS)

    assert found.compared is not None
    assert found.compared.unequal == {account}
    require_right(living, tmp_path / "scratch")


def test_a_redemption_is_taken_over_from_what_was_published(living: Living, tmp_path: Path) -> None:
    stage = living.loyalty.stage
    assert isinstance(stage, LoyaltyStage)
    customer = next(account for account, value in living.loyalty.store.all_rows("accounts") if msgspec.msgpack.decode(value)[2] >= 10)
    transaction, (answer,) = stage.answer([Redeem("r1", customer, 10, "", "till")])
    assert isinstance(answer, Accepted)
    living.loyalty.commit(transaction)
    living.loyalty.publish()

    assert rebuilt(living, "loyalty").corrections == 0

    require_right(living, tmp_path / "scratch")
    living.loyalty.store.refresh()
    stage.forget()
    _, (again,) = stage.answer([Redeem("r1", customer, 10, "", "till")])
    assert isinstance(again, Accepted)
    assert again.repeated


# ---- where the store is lost


LOSSES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:20_000]),
    "full of rubbish": lambda path: path.write_bytes(random.Random(1).randbytes(30_000)),
}


@pytest.mark.parametrize("stage", ["profile", "loyalty"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_store_that_was_lost_comes_back_with_the_numbers_that_were_published(
    on_sqlite: Living, stage: str, loss: str, tmp_path: Path
) -> None:
    living = on_sqlite
    before = {topic: list(living.log.of(topic)) for topic in TOPICS.values()}
    living.close()
    LOSSES[loss](living.folder / f"{stage}.sqlite")

    found = rebuilt(living, stage)

    assert (found.switched, found.compared, found.corrections) == (True, None, 0)
    living.open()
    living.work()
    assert {topic: living.log.of(topic) for topic in TOPICS.values()} == before
    living.say(touchpoint("next", "customer_id:2", hour=9, type="purchase", order_id="o9", total_minor=800, currency="EUR"))
    living.work()
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")


@pytest.mark.parametrize("stage", ["profile", "loyalty"])
def test_a_store_too_large_to_be_looked_at_before_a_start_is_looked_at_whole_before_it_is_counted_on(
    on_sqlite: Living, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = on_sqlite
    living.close()
    monkeypatch.setattr(store_check, "CHECKED_WHOLE_BYTES", 1000)
    damage_unseen(living.folder / f"{stage}.sqlite")

    found = rebuilt(living, stage)

    assert (found.switched, found.compared, found.corrections) == (True, None, 0)
    living.open()


def damage_unseen(path: Path) -> None:
    """Makes rubbish of a page that a look at the edges does not come upon."""
    content, dice = path.read_bytes(), random.Random(1)
    size = int.from_bytes(content[16:18], "big")
    for start in range(size, len(content), size):
        path.write_bytes(content[:start] + dice.randbytes(size) + content[start + size :])
        with suppress(StoreLost):
            check_file(path)
            return
    raise AssertionError("a look at the edges comes upon every page")


@pytest.mark.parametrize("stage", ["profile", "loyalty"])
def test_a_store_that_was_emptied_or_put_back_from_an_old_copy_comes_back_too(living: Living, stage: str, tmp_path: Path) -> None:
    # given: a sound store that does not know what was published, as a stage leaves it that was started without one
    before = {topic: list(living.log.of(topic)) for topic in TOPICS.values()}
    exchange = exchange_of(living.settings, stage, PROCESSES[stage].kinds, PROCESSES[stage].item_kinds)
    exchange.beside().close()
    exchange.close()
    exchange.exchange()
    exchange.drop_kept()

    found = rebuilt(living, stage)

    assert (found.compared, found.corrections) == (None, 0)
    living.work()
    assert {topic: living.log.of(topic) for topic in TOPICS.values()} == before
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")


def test_events_on_their_way_when_the_store_was_lost_leave_no_hole_and_no_number_twice(on_sqlite: Living, tmp_path: Path) -> None:
    # given: of the last events, some are on Kafka and one before them is not
    living = on_sqlite
    living.say(*(touchpoint(f"way{n}", f"customer_id:{n}", hour=40 + n) for n in range(10, 16)))
    living.profile.work(publish=False)
    waiting = living.profile.store.events_after(living.profile.store.watermark("published"), 100)
    for event in (waiting[0], waiting[2], waiting[5]):
        living.profile._say(event)
    living.close()
    (living.folder / "profile.sqlite").unlink()

    found = rebuilt(living, "profile")

    assert found.corrections >= 3
    living.open()
    living.work()
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")
    ids = [id for id, *_ in published(living, "profile")]
    assert len(ids) == len(set(ids))
    drop_old_store(living.settings, "profile")
    assert rebuilt(living, "profile").corrections == 0
    require_right(living, tmp_path / "scratch")


# ---- crashes, and what people must decide


@pytest.mark.parametrize("point", ["rebuild_closed", "rebuild_complete", "rebuild_exchanged"])
@pytest.mark.parametrize("stage", ["profile", "loyalty"])
def test_a_rebuild_that_ends_anywhere_is_finished_by_the_same_command(
    living: Living, stage: str, point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {topic: list(living.log.of(topic)) for topic in TOPICS.values()}
    monkeypatch.setattr(failpoints, "_armed", {point: ("fail", 1)})
    with pytest.raises(FailpointFailed):
        rebuilt(living, stage)
    if point == "rebuild_exchanged":  # what was done since the exchange must not be undone
        living.say(touchpoint("since", "customer_id:1", hour=50))
        living.work()
        before = {topic: list(living.log.of(topic)) for topic in TOPICS.values()}

    assert rebuilt(living, stage).switched

    living.work()
    assert {topic: living.log.of(topic) for topic in TOPICS.values()} == before
    living.tick(NOW_MS)
    require_right(living, tmp_path / "scratch")


def test_what_was_replaced_is_kept_until_told_otherwise(living: Living) -> None:
    rebuilt(living, "profile")
    with pytest.raises(OldStoreKept, match="is still kept"):
        rebuilt(living, "profile")

    drop_old_store(living.settings, "profile")

    assert rebuilt(living, "profile").switched


def test_a_rebuild_can_stop_before_the_switch_and_be_given_up(living: Living, tmp_path: Path) -> None:
    assert not rebuilt(living, "profile", switch=False).switched
    drop_old_store(living.settings, "profile")
    assert not (living.folder / "rebuild" / "profile").exists()
    living.say(touchpoint("next", "customer_id:1", hour=9))
    living.work()
    require_right(living, tmp_path / "scratch")


def test_another_identity_configuration_is_refused(on_sqlite: Living) -> None:
    identity = on_sqlite.settings.identity.model_copy(update={"priority": ["anonymous_id", "email", "customer_id"]})
    on_sqlite.settings = on_sqlite.settings.model_copy(update={"identity": identity})

    with pytest.raises(Contradicted, match="was the configuration of"):
        rebuilt(on_sqlite, "profile")


def test_what_was_published_and_is_no_longer_in_the_log_is_not_given_up_unasked(on_sqlite: Living) -> None:
    living = on_sqlite
    living.say(touchpoint("forgotten", "customer_id:77", hour=9))
    living.work()
    for records in living.log.records.values():
        if records[-1].value and b'"forgotten"' in records[-1].value and records[-1].topic == "touchpoints":
            records[-1].value = b"gone"

    with pytest.raises(FactsLost, match="1 touchpoints were published that Kafka does not have"):
        rebuilt(living, "profile")
    assert rebuilt(living, "profile", accept_loss=True).switched


# ---- any log, any damage


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=logs(largest=12), seed=st.integers(0, 1_000))
def test_whatever_is_wrong_with_a_store_its_rebuild_equals_the_fold_of_the_log(log: list[dict[str, Any]], seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        # given: an installation that took the log in some order, and stores of which something is wrong or missing
        living = Living(Path(name) / "data")
        shuffled = dice.sample(log, len(log))
        for start in range(0, len(log), 4):
            living.say(*shuffled[start : start + 4])
            living.work()
            living.tick(NOW_MS - (200 - 10 * start) * DAY_MS)
        living.tick(NOW_MS)
        for stage, store in (("profile", living.profile), ("loyalty", living.loyalty)):
            damage(store.store, stage, dice)
            store.stage.forget()

        # when
        rebuilt(living, "profile")
        living.work()
        rebuilt(living, "loyalty")
        living.work()
        living.tick(NOW_MS)

        # then
        require_right(living, Path(name) / "scratch")
        living.close()


def damage(store: Any, stage: str, dice: random.Random) -> None:
    kinds = {"profile": ("identifiers", "linked_sets", "customers", "facts", "touchpoints"), "loyalty": ("accounts", "holders")}[stage]
    gone: dict[str, dict[str, None]] = defaultdict(dict)
    for kind in kinds:
        rows = [key for key, _ in store.all_rows(kind)]
        gone[kind] = dict.fromkeys(dice.sample(rows, dice.randrange(len(rows) + 1)))
    store.commit(Transaction(rows={kind: dict(keys) for kind, keys in gone.items()}))
