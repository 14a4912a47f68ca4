"""The stage: late facts, time, merges, a changed programme, what it publishes and when."""

import json
from typing import Any

import msgspec
import pytest

from schemas.loyalty_events import Account
from services.loyalty.account import AccountState
from services.loyalty.account_record import AccountRow, decode_row
from services.loyalty.batch import SETTLE_MS
from services.runtime.event_store import Transaction
from services.runtime.event_store_memory import MemoryDatabase
from tests.loyalty.installation import END, Installation, assert_ledger
from tests.loyalty.profile_world import World, identifier, identify, millis, moment, purchase, refund, survey, written
from tests.loyalty.told import EUROS, TIERS, programme

ANN, GUS = identifier("ann"), identifier("gus")
EXPIRING = EUROS + "\nlots: {expire_after_days: 10}"
WELCOME = EUROS + "\nbonuses: [{id: welcome, on: first_purchase, points: 50}]"


def reading(rules: str, *facts: tuple[str, dict[str, Any]]) -> tuple[Installation, World]:
    """Each fact read in a batch of its own."""
    installation, world = Installation(programme(rules)), World()
    for name, fact in facts:
        installation.read([world.touch(name, fact)])
    return installation, world


def posted(installation: Installation, account: str) -> list[tuple[str, str, int, str]]:
    """(kind, lot, points, cause)"""
    return [(one["kind"], one["lot_id"], one["amount"], one["cause"]) for one in installation.entries(account)]


def test_an_entry_says_everything_about_itself() -> None:
    installation, _ = reading(EXPIRING, ("ann", purchase("p", 0, 12_00)))
    [entry] = installation.entries(ANN)
    assert entry == {
        "account_id": ANN,
        "sequence": 1,
        "recorded_at": "2025-01-01T00:00:00.000000Z",
        "cause": "p",
        "event": "entry_posted",
        "entry_id": f"{ANN}:1",
        "programme": "test",
        "ledger": "points",
        "currency": None,
        "kind": "earn",
        "corrects": None,
        "corrected_kind": None,
        "amount": 12,
        "lot_id": "p:base",
        "source_event": "p",
        "rule": "base",
        "rule_version": 1,
        "effective_at": "2025-01-01T00:00:00.000000Z",
        "available_from": "2025-01-01T00:00:00.000000Z",
        "expires_at": "2025-01-11T00:00:00.000000Z",
        "balance": 12,
    }


def test_a_late_purchase_corrects_what_was_concluded_without_it() -> None:
    installation, _ = reading(WELCOME, ("ann", purchase("q", 5, 10_00)), ("ann", purchase("p", 1, 20_00)))
    assert posted(installation, ANN) == [
        ("earn", "q:base", 10, "q"),
        ("bonus", "q:welcome", 50, "q"),
        ("compensate", "q:welcome", -50, "p"),
        ("earn", "p:base", 20, "p"),
        ("bonus", "p:welcome", 50, "p"),
    ]
    correction = installation.entries(ANN)[2]
    assert (correction["corrects"], correction["corrected_kind"], correction["rule"]) == (f"{ANN}:2", "bonus", "welcome")


def test_a_purchase_that_comes_late_between_others_counts_once_however_often_it_is_told() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 10_00)), ("ann", purchase("q", 9, 20_00)))
    late = [world.touch("ann", purchase("late", 5, 30_00)) for _ in range(3)]
    installation.read(late[:2])
    installation.read(late[2:])
    assert posted(installation, ANN) == [("earn", f"{one}:base", points, one) for one, points in (("p", 10), ("q", 20), ("late", 30))]


def test_a_late_purchase_reads_nothing_again_of_what_came_after_it_where_it_changes_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 10_00)), ("ann", purchase("q", 9, 20_00)))
    monkeypatch.setattr("services.loyalty.archive.Archive.facts", None)
    installation.read([world.touch("ann", purchase("late", 5, 30_00)), world.touch("ann", purchase("r", 10, 40_00))])
    assert [lot for _, lot, _, _ in posted(installation, ANN)] == ["p:base", "q:base", "late:base", "r:base"]


def test_what_was_posted_is_never_edited() -> None:
    installation, world = reading(WELCOME, ("ann", purchase("q", 5, 10_00)))
    before = installation.events()
    installation.read([world.touch("ann", purchase("p", 1, 20_00))])
    installation.read([world.touch("ann", refund("r", 6, "q", 10_00))])
    assert installation.events()[: len(before)] == before


def test_a_late_purchase_that_lifts_the_tier_is_the_cause_of_what_later_ones_earn_more() -> None:
    installation, _ = reading(EUROS + TIERS, ("ann", purchase("q", 5, 10_00)), ("ann", purchase("p", 1, 120_00)))
    assert posted(installation, ANN)[-1] == ("earn", "q:tier-silver", 5, "p")
    assert installation.account(ANN)["tier"] == "silver"


def test_a_late_purchase_that_changes_only_since_when_a_tier_is_held_is_told_too() -> None:
    """It earns nothing, so that no entry says it."""
    by_spend = TIERS.replace("{window", "{by: spend, currency: EUR, window").replace("threshold: 100", "threshold: 10000")
    rules = "earn: [{id: base, currency: USD, points: 1}]" + by_spend.replace("threshold: 300", "threshold: 30000")
    installation, world = reading(rules, ("ann", purchase("p", 5, 120_00)))
    assert installation.account(ANN)["tier_since"] == written(moment(5))

    installation.read([world.touch("ann", purchase("late", 1, 120_00))])

    last = json.loads(installation.events()[-1].state)
    assert (last["before"], last["after"], last["effective_at"], last["cause"]) == ("silver", "silver", written(moment(1)), "late")
    account = installation.account(ANN)
    assert (account["tier_since"], account["sequence"]) == (written(moment(1)), last["sequence"])
    assert_ledger(installation, ANN, account)


def test_that_a_tier_is_kept_for_longer_is_told() -> None:
    installation, _ = reading(EUROS + TIERS, ("ann", purchase("p", 0, 120_00)))

    installation.tick(21)

    last = json.loads(installation.events()[-1].state)
    assert (last["before"], last["after"], last["cause"]) == ("silver", "silver", "clock")
    assert (installation.account(ANN)["tier_until"], installation.account(ANN)["sequence"]) == (written(moment(40)), last["sequence"])


def test_a_late_fact_does_not_take_back_what_time_has_done() -> None:
    installation, world = reading(EXPIRING, ("ann", purchase("p", 0, 10_00)))
    installation.tick(10)
    installation.read([world.touch("ann", purchase("q", 5, 20_00))])
    assert [entry[:3] for entry in posted(installation, ANN)] == [("earn", "p:base", 10), ("expire", "p:base", -10), ("earn", "q:base", 20)]


def test_points_expire_at_their_moment_and_not_before() -> None:
    installation, _ = reading(EXPIRING, ("ann", purchase("p", 0.5, 10_00)))
    installation.clock.set(millis(moment(10.5)) - 1)
    assert installation.stage.tick(installation.clock.now_ms() - 1) is not None, "the programme is noted"
    assert installation.store.due(millis(moment(10.5)) - 1, 10) == []
    installation.tick(10.5)
    assert posted(installation, ANN)[1:] == [("expire", "p:base", -10, "clock")]
    assert installation.entries(ANN)[1]["effective_at"] == written(moment(10.5))


def test_what_is_overdue_while_a_past_is_loaded_waits_a_little_for_more_of_it() -> None:
    installation, world = Installation(programme(EXPIRING)), World()
    installation.tick(100)
    installation.read([world.touch("ann", purchase("p", 0, 10_00))])
    installation.tick(100)
    installation.read([world.touch("ann", purchase("q", 5, 10_00))])
    assert [entry[0] for entry in posted(installation, ANN)] == ["earn", "earn"]
    assert installation.store.due(installation.clock.now_ms() + SETTLE_MS, 10) == [ANN]
    installation.tick(101)
    assert [entry[0] for entry in posted(installation, ANN)] == ["earn", "earn", "expire", "expire"]


def test_what_time_brings_is_the_same_whenever_the_clock_is_looked_at() -> None:
    """Replayable: one look after a year, or one every day."""
    facts = [("ann", purchase("p", 0, 120_00)), ("ann", identify("i", 0, "03-10"))]
    gifts = EXPIRING + TIERS + "bonuses: [{id: gift, on: birthday, points: 30}]"
    (seldom, _), (often, _) = reading(gifts, *facts), reading(gifts, *facts)
    for day in range(366):
        often.tick(day)
    seldom.tick(365)
    said = [[(e["kind"], e["amount"], e["effective_at"]) for e in installation.entries(ANN)] for installation in (seldom, often)]
    assert said[0] == said[1]
    assert seldom.account(ANN) | {"as_of": ""} == often.account(ANN) | {"as_of": ""}


def test_a_merge_posts_what_the_merged_account_held_anew_in_the_survivor() -> None:
    installation, world = reading(WELCOME + TIERS, ("ann", purchase("p", 1, 10_00)), ("gus", purchase("q", 2, 20_00)))
    world.merge("ann", "gus")
    for log in world.log.values():
        installation.read(log[1:])
    assert posted(installation, GUS)[2:] == [
        ("compensate", "q:base", -20, f"merge:{ANN}"),
        ("compensate", "q:welcome", -50, f"merge:{ANN}"),
    ]
    assert posted(installation, ANN)[2:] == [("earn", "q:base", 20, f"merge:{GUS}")]
    assert installation.account(GUS)["merged_into"] == ANN
    assert [event.type for event in installation.events()][-1] == "account_merged_into"
    assert installation.account(ANN)["balance"] == 80


@pytest.mark.parametrize("first", [0, 1])
def test_a_merge_is_the_same_whichever_partition_is_read_first(first: int) -> None:
    world = World()
    for name, fact in (("ann", purchase("p", 1, 10_00)), ("gus", purchase("q", 2, 20_00))):
        world.touch(name, fact)
    world.merge("ann", "gus")
    world.touch("gus", purchase("later", 3, 30_00))
    installation = Installation(programme(WELCOME))
    for partition in sorted(world.log, reverse=bool(first)):
        installation.read(world.log[partition])
    account = installation.account(ANN)
    assert (account["balance"], len(account["lots"])) == (110, 4)
    for id, shown in installation.accounts().items():
        assert_ledger(installation, id, shown)


def test_a_merge_that_is_undone_gives_each_his_points_back() -> None:
    installation, world = reading(WELCOME + TIERS, ("ann", purchase("p", 1, 10_00)), ("gus", purchase("q", 2, 20_00)))
    world.merge("ann", "gus")
    world.leave("gus")
    installation.read([record for log in world.log.values() for record in log[1:]])
    ann, gus = installation.account(ANN), installation.account(GUS)
    assert (ann["balance"], gus["balance"]) == (60, 70)
    assert (gus["merged_into"], gus["tier"]) == (None, "basic")


def test_the_account_of_a_merged_customer_who_returns_is_open_again() -> None:
    installation, world = reading(WELCOME + TIERS, ("gus", survey("s", 0)), ("fay", purchase("p", 1, 10_00)))
    world.move("fay", "gus")
    world.merge("ann", "gus")
    installation.read(world.everything())
    assert installation.account(GUS)["merged_into"] == ANN
    world.leave("gus")
    installation.read(world.everything()[-2:])
    installation.forget()
    account = installation.account(GUS)
    assert (account["merged_into"], account["tier"], account["balance"]) == (None, "basic", 0)


def test_a_fact_says_who_holds_its_anchor_where_nothing_said_so_before() -> None:
    """As after a log whose beginning is gone: of two statements the one with the higher id is right."""
    world = World()
    first = world.touch("ann", purchase("p", 1, 10_00))
    world.merge("gus", "ann")
    second = world.touch("ann", purchase("q", 2, 20_00))
    installation = Installation(programme(EUROS))
    installation.read([first])
    installation.read([second])
    assert installation.account(GUS)["balance"] == 30
    assert installation.account(ANN)["balance"] == 0


def test_a_refund_without_effect_is_counted_with_its_reason() -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 1, 10_00)), ("ann", refund("r", 2, "p", 10_00, currency="USD")))
    assert installation.outcomes["applied", "other_currency"] == 1
    assert installation.account(ANN)["balance"] == 10


def test_the_same_message_twice_is_a_duplicate() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 1, 10_00)))
    installation.read([log[0] for log in world.log.values()] * 2)
    assert installation.outcomes["duplicate", ""] == 2
    assert installation.account(ANN)["sequence"] == 1


def test_touchpoints_of_no_concern_open_no_account() -> None:
    installation, _ = reading(EUROS, ("ann", {"type": "need", "event_id": "n", "at": moment(1)}))
    assert installation.outcomes == {("applied", "no_concern"): 1}
    assert installation.events() == []


def test_after_a_change_of_the_programme_every_account_is_folded_anew() -> None:
    database = MemoryDatabase()
    world = World()
    before = Installation(programme(WELCOME), database, pipelined=False)
    before.read([world.touch("ann", purchase("p", 1, 10_00)), world.touch("gus", purchase("q", 1, 20_00))])
    before.tick(1)
    after = Installation(programme(WELCOME.replace("points: 50", "points: 60")), database)
    after.tick(2)
    assert posted(after, ANN)[2:] == [("compensate", "p:welcome", 10, "programme:1")]
    assert after.account(GUS)["balance"] == 80
    assert after.stage.tick(after.clock.now_ms()) is None


def test_accounts_that_an_older_version_kept_are_folded_anew_and_nothing_is_posted_again() -> None:
    installation, _ = reading(WELCOME, ("ann", purchase("p", 1, 10_00)), ("ann", purchase("q", 9, 20_00)))
    installation.finish()
    posted_before, [kept] = posted(installation, ANN), installation.store.rows("accounts", [ANN]).values()
    older = msgspec.msgpack.decode(kept)
    state, programme_digest = AccountRow.__struct_fields__.index("state"), AccountRow.__struct_fields__.index("programme")
    older[state], older[programme_digest] = older[state][: AccountState.__struct_fields__.index("turn")], "older"
    installation.store.commit(Transaction(rows={"accounts": {ANN: msgspec.msgpack.encode(older)}, "programme": {"digest": b"older"}}))
    after = Installation(programme(WELCOME), installation.store.database)
    after.tick(END)
    [now] = after.store.rows("accounts", [ANN]).values()
    assert decode_row(now).state == decode_row(kept).state
    assert posted(after, ANN) == posted_before


def test_an_account_that_is_touched_before_its_turn_is_folded_anew_at_once() -> None:
    database = MemoryDatabase()
    world = World()
    before = Installation(programme(WELCOME), database, pipelined=False)
    before.read([world.touch("ann", purchase("p", 1, 10_00))])
    after = Installation(programme(WELCOME.replace("points: 50", "points: 60")), database)
    after.read([world.touch("ann", purchase("q", 2, 20_00))])
    assert posted(after, ANN)[2:] == [("compensate", "p:welcome", 10, "programme:1"), ("earn", "q:base", 20, "q")]


def test_a_snapshot_shows_what_can_be_spent_and_what_expires_next() -> None:
    rules = "lots: {available_after_days: 3, expire_after_days: 10}\n" + EUROS + TIERS
    installation, _ = reading(rules, ("ann", purchase("p", 0, 10_00)), ("ann", purchase("q", 2, 20_00)))
    installation.clock.set(millis(moment(4)))
    [message] = installation.stage.snapshots([next(event.originator for event in installation.events())])
    assert message.topic == "loyalty-accounts"
    assert message.key == ANN.encode()
    assert message.headers == (("sequence", b"3"),)
    assert message.value is not None
    account = Account.model_validate_json(message.value)
    assert (account.balance, account.available, account.pending) == (30, 10, 20)
    assert (account.next_expiry_at, account.next_expiry_points) == (written(moment(10)), 10)
    assert (account.tier, account.qualifying) == ("basic", 30)


def test_the_snapshot_of_an_account_with_very_many_lots_still_fits_into_its_topic() -> None:
    installation, world = Installation(programme()), World()
    ids = ["\U0001f600" * 190 + f"{number:04d}" for number in range(600)]
    installation.read([world.touch("ann", purchase(id, number / 100, 10_00, "o")) for number, id in enumerate(ids)])
    [message] = installation.stage.snapshots([installation.events()[0].originator])
    assert message.value is not None
    assert len(message.value) < 2_000_000
    account = Account.model_validate_json(message.value)
    assert (account.balance, len(account.lots), account.further_lots) == (6_000, 500, 100)


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        (b"", "not_profile_event", "$"),
        (b"\xff\xfe", "not_profile_event", "$"),
        (b"[" * 100_000, "not_profile_event", "$"),
        (b'{"event":"customer_sneezed","customer_id":"x"}', "unknown_event", "$.event"),
        (b'{"event":"customers_merged","customer_id":"x","identifiers":[]}', "not_profile_event", "$.customer_id"),
    ],
)
def test_what_is_no_profile_event_goes_to_quarantine_with_its_place(value: bytes, reason: str, path: str) -> None:
    installation, world = Installation(programme()), World()
    good = world.touch("ann", purchase("p", 1, 10_00))
    bad = world.touch("ann", purchase("q", 1, 10_00))
    bad.value = value
    installation.read([bad, good])
    assert installation.outcomes == {("quarantined", reason): 1, ("applied", ""): 1}
    [event] = [event for event in installation.events() if event.type == "quarantined"]
    said = json.loads(event.state)
    assert (said["quarantine_id"], said["stage"], said["path"]) == (f"profile-events:{bad.partition}:1", "loyalty", path)
    assert installation.stage.route[event.type] == "quarantine"
    assert installation.account(ANN)["balance"] == 10


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"payload": {"order_id": "o", "total_minor": -1, "currency": "EUR"}}, "$.touchpoint.payload.total_minor"),
        ({"payload": {"order_id": "o", "total_minor": 10**16, "currency": "EUR"}}, "$.touchpoint.payload.total_minor"),
        ({"payload": {"order_id": "o", "total_minor": 1, "currency": "euro"}}, "$.touchpoint.payload.currency"),
        ({"payload": 1}, "$.touchpoint.payload"),
        ({"occurred_at": "2025-02-30T00:00:00.000000Z"}, "$.touchpoint.occurred_at"),
        ({"occurred_at": "2025-02-03T00:00:00Z"}, "$.touchpoint.occurred_at"),
        ({"occurred_at": "9999-12-31T00:00:00.000000Z"}, "$.touchpoint.occurred_at"),
        ({"event_id": ""}, "$.touchpoint.event_id"),
        ({"event_id": "a\0b"}, "$.touchpoint.event_id"),
    ],
)
def test_a_touchpoint_that_is_none_goes_to_quarantine_with_the_path_of_what_is_wrong(change: dict[str, Any], path: str) -> None:
    installation, world = Installation(programme()), World()
    record = world.touch("ann", purchase("p", 1, 10_00))
    body = json.loads(record.value)
    body["touchpoint"] |= change
    record.value = json.dumps(body).encode()
    installation.read([record])
    [event] = installation.events()
    assert (event.type, json.loads(event.state)["path"]) == ("quarantined", path)


@pytest.mark.parametrize("headers", [[], [("id", b"x")], [("id", b"")], [("type", b"1")]])
def test_a_message_without_its_place_among_the_others_goes_to_quarantine(headers: list[tuple[str, bytes]]) -> None:
    installation, world = Installation(programme()), World()
    record = world.touch("ann", purchase("p", 1, 10_00))
    record.headers = headers
    installation.read([record])
    assert installation.outcomes == {("quarantined", "no_notification_id"): 1}
