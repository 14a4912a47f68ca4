"""A live store equals the fold of the log, whatever way it went; and whatever is changed in it is found."""

import random
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.loyalty.account_record import AccountRow
from services.loyalty.redeeming import Accepted
from services.proof.loyalty_proven import LoyaltyProof
from services.proof.profile_proven import ProfileProof
from services.proof.published_accounts import PublishedAccounts
from services.proof.published_profiles import FoldedProfiles, PublishedProfiles
from services.proof.refold import Refold, refused_as_conflicting
from services.proof.scope import Scope
from services.proof.stores_compared import Compared, holders_of
from services.proof.timers_compared import compare_timers
from services.runtime.store_snapshot import StoreSnapshot, snapshot_of
from tests.profile.touchpoints import logs, touchpoint
from tests.proof.both_ways import compared_both_ways
from tests.proof.installation import DAY_MS, NOW_MS, Installation
from tests.proof.story import REGULAR, STORY


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=logs(largest=14), seed=st.integers(0, 1000))
def test_stores_that_went_another_way_show_no_difference(log: list[dict[str, Any]], seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        # given: the log in another order, in several batches, with clock ticks in between
        live = Installation(Path(name), NOW_MS - 200 * DAY_MS)
        shuffled = random.Random(seed).sample(log, len(log))
        for start in range(0, len(log), 5):
            live.feed(*shuffled[start : start + 5])
            live.redeem(f"r{start}", 30)
            live.tick(NOW_MS - (200 - start) * DAY_MS)
        live.tick(NOW_MS)

        # when
        profiles, accounts = live.compared(Path(name) / "scratch", NOW_MS + 60_000)

        # then
        assert [*profiles.differences, *accounts.differences] == []
        assert profiles.unequal == accounts.unequal == set()
        assert profiles.customers > 0
        live.close()


def test_what_waited_for_a_release_that_knows_its_version_and_was_put_back_shows_no_difference(tmp_path: Path) -> None:
    # given: a message of a version that is not known yet, in quarantine, and put back when it is
    live = Installation(tmp_path)
    known = touchpoint("new", "email:a@example.org", type="custom")
    live.feed(touchpoint("before", "email:a@example.org"), known | {"version": 9})
    live.feed(known)
    live.log[1].value = live.log[2].value  # to the release that folds, both say the same

    # when
    profiles, _ = live.compared(tmp_path / "scratch", NOW_MS + 60_000)

    # then
    assert (profiles.differences, profiles.unequal, profiles.customers) == ([], set(), 1)
    live.close()


class Proof:
    """A fold of the story's log, kept for comparing with copies of the live stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "live").mkdir()
        (folder / "scratch").mkdir()
        live = Installation(folder / "live")
        live.feed(*STORY, *REGULAR[:10])
        live.feed(*REGULAR[10:])
        live.tick(NOW_MS)
        self.redeemed = sum(isinstance(answer, Accepted) for answer in live.redeem("r", 30))
        redemptions = live.redemptions()
        live.close()
        with snapshot_of(folder / "live" / "profile.sqlite") as profile:
            refold = Refold(folder / "scratch", live.settings, NOW_MS, refused_as_conflicting(profile))
        refold.take(list(reversed(live.log)))
        refold.end_of_log()
        list(refold.fold_loyalty(NOW_MS, redemptions))
        self._expected, self._expected_accounts = refold.profile(), refold.loyalty()
        refold.close()

    def copy(self) -> Path:
        """The live stores, to be damaged."""
        damaged = self.folder / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(self.folder / "live", damaged)
        return damaged

    def compare(self, live: Path) -> dict[str, Compared]:
        """Whatever the slow way finds in a store, the quick one does not prove equal; and what it proves equal the slow one finds so."""
        with snapshot_of(live / "profile.sqlite") as profile, snapshot_of(live / "loyalty.sqlite") as loyalty:
            both = compared_both_ways(self._expected, profile, self._expected_accounts, loyalty)
            found = dict(zip(("profile", "loyalty"), both, strict=True))
            for store, unproven in self.unproven(live).items():
                assert unproven or not found[store].unequal
            return found

    def unproven(self, live: Path) -> dict[str, set[str]]:
        def at(folder: Path) -> list[StoreSnapshot]:
            return [opened.enter_context(snapshot_of(folder / f"{stage}.sqlite")) for stage in ("profile", "loyalty")]

        with ExitStack() as opened:
            (profile, loyalty), (profiles, accounts) = at(live), at(self.folder / "live")
            said, told = PublishedProfiles(), PublishedAccounts()
            folded, folded_accounts = FoldedProfiles(said), PublishedAccounts()
            told_by = (said, profiles), (folded, self._expected), (told, accounts), (folded_accounts, self._expected_accounts)
            for known, store in told_by:
                for event in store.events():
                    known.take(event)
            holders = holders_of(self._expected, profile)
            return {
                "profile": ProfileProof(self._expected, profile, said, folded, holders, profiles).unproven(),
                "loyalty": LoyaltyProof(self._expected_accounts, loyalty, told, folded_accounts, holders, accounts).unproven(),
            }


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return Proof(tmp_path_factory.mktemp("proof"))


ALL_STATE = [("profile", "rows_facts", "value"), ("profile", "rows_linked_sets", "value"), ("profile", "rows_touchpoints", "value")]
ALL_STATE += [("profile", "rows_identifiers", "value"), ("loyalty", "items_facts", "value")]
ALL_STATE += [("loyalty", "rows_redemptions", "value"), ("loyalty", "rows_lots", "value")]


@pytest.mark.parametrize(("store", "table", "column"), ALL_STATE)
def test_every_single_bit_that_is_flipped_in_state_is_found(proof: Proof, store: str, table: str, column: str) -> None:
    dice = random.Random(table)
    for _ in range(12):
        live = proof.copy()
        flip_a_bit(live / f"{store}.sqlite", table, column, dice)

        found = proof.compare(live)

        assert found[store].unequal
        assert found[store].differences


EVERY_TABLE = [("profile", f"rows_{kind}") for kind in ("identifiers", "linked_sets", "customers", "facts", "touchpoints", "quarantines")]
EVERY_TABLE += [("profile", "stored_events"), ("loyalty", "stored_events"), ("loyalty", "items_facts")]
EVERY_TABLE += [("loyalty", "rows_redemptions"), ("loyalty", "rows_lots")]
EVERY_TABLE += [("loyalty", "rows_accounts WHERE replace(key, '-', '') IN (SELECT originator_id FROM stored_events)")]


@pytest.mark.parametrize(("store", "table"), EVERY_TABLE)
def test_every_row_that_is_removed_is_found(proof: Proof, store: str, table: str) -> None:
    with sqlite3.connect(proof.copy() / f"{store}.sqlite") as db:
        count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    assert count
    for number in range(count):
        live = proof.copy()
        key = {"stored_events": "originator_id, originator_version", "items_facts": "owner, item"}.get(table, "key")
        execute(
            live / f"{store}.sqlite", f"DELETE FROM {table.split()[0]} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT 1 OFFSET {number})"
        )

        assert proof.compare(live)[store].unequal, number


TIMERS = [
    ("profile", "INSERT INTO timers SELECT min(key), 5 FROM rows_linked_sets WHERE key IN (SELECT key FROM rows_customers)"),
    ("loyalty", "UPDATE timers SET due = due + 1 WHERE key IN (SELECT min(key) FROM timers)"),
    ("loyalty", "DELETE FROM timers WHERE key IN (SELECT min(key) FROM timers)"),
]


@pytest.mark.parametrize(("store", "change"), TIMERS)
def test_a_timer_that_is_missing_or_another_one_is_found(proof: Proof, store: str, change: str) -> None:
    live = proof.copy()
    execute(live / f"{store}.sqlite", change)

    (difference,) = proof.compare(live)[store].differences

    assert difference.field == "looked at again when it says"


DUE = AccountRow.__struct_fields__.index("due_ms")


def test_a_moment_that_is_changed_in_a_timer_and_in_its_row_is_found(proof: Proof) -> None:
    live = proof.copy()
    account, id = first_row(live / "loyalty.sqlite", "rows_accounts", lambda row: row[DUE] is not None)
    account[DUE] += 1
    replace(live / "loyalty.sqlite", "rows_accounts", id, account)
    execute(live / "loyalty.sqlite", f"UPDATE timers SET due = due + 1 WHERE key = '{id}'")

    (difference,) = proof.compare(live)["loyalty"].differences

    assert (difference.customer, difference.field) == (id, "looked at again")


def test_a_customer_that_would_be_looked_at_too_late_or_never_is_found_and_one_too_early_is_not(tmp_path: Path) -> None:
    live, scratch = Installation(tmp_path, NOW_MS - 299 * DAY_MS), tmp_path / "scratch"
    live.feed(*STORY)
    live.close()
    scratch.mkdir()
    refold = Refold(scratch, live.settings, live.clock.now_ms())
    refold.take(live.log)
    refold.end_of_log()
    moves_on = refold.moves_on()
    refold.close()
    (customer, moment), *_ = sorted(moves_on.items())

    def late(change: str) -> list[Any]:
        execute(tmp_path / "profile.sqlite", change)
        with snapshot_of(tmp_path / "profile.sqlite") as profile:
            return [(one.customer, one.found) for one in compare_timers(moves_on, profile, Scope()).differences]

    assert late(f"UPDATE timers SET due = {moment - 1} WHERE key = '{customer}'") == []
    assert late(f"UPDATE timers SET due = {moment + 1} WHERE key = '{customer}'") == [(customer, moment + 1)]
    assert late(f"DELETE FROM timers WHERE key = '{customer}'") == [(customer, "missing")]


def test_an_untouched_copy_shows_no_difference_and_counts_its_customers(proof: Proof) -> None:
    found = proof.compare(proof.copy())

    assert [one.unequal for one in found.values()] == [set(), set()]
    assert found["profile"].customers == 3
    assert proof.unproven(proof.copy()) == {"profile": set(), "loyalty": set()}


def test_a_touchpoint_that_was_published_in_another_spelling_is_no_difference_and_another_value_is_named(proof: Proof) -> None:
    def altered(change: dict[str, Any]) -> Compared:
        live = proof.copy()
        with sqlite3.connect(live / "profile.sqlite") as db:
            row, state = db.execute("SELECT rowid, state FROM stored_events WHERE topic = 'touchpoint_applied' LIMIT 1").fetchone()
            said = msgspec.json.decode(state)
            said["touchpoint"] = dict(reversed(list((said["touchpoint"] | change).items())))
            spelt = msgspec.json.format(msgspec.json.encode(said))
            assert spelt != state
            db.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (spelt, row))
        return proof.compare(live)["profile"]

    assert (altered({}).unequal, altered({}).differences) == (set(), [])
    (difference,) = altered({"source": "elsewhere"}).differences
    assert (difference.table, difference.field, difference.found) == ("touchpoint", "source", "elsewhere")


def test_a_changed_field_is_named_with_its_customer_and_both_values(proof: Proof) -> None:
    live = proof.copy()
    (customer, *record), id = first_row(live / "profile.sqlite", "rows_customers", lambda row: row[2] and row[4] is None)
    record[2] = "lost" if record[2] != "lost" else "new"
    replace(live / "profile.sqlite", "rows_customers", id, [customer, *record])

    (difference,) = proof.compare(live)["profile"].differences

    assert (difference.customer, difference.table, difference.field) == (customer, "customer", "lifecycle")
    assert difference.found == record[2] != difference.expected


def test_a_row_that_was_changed_is_found_even_where_later_events_put_it_right(proof: Proof) -> None:
    live = proof.copy()
    (customer, *record), id = first_row(live / "profile.sqlite", "rows_customers", lambda row: not row[2] and row[4] is None)
    assert record[2] == "prospect"
    record[2] = "lost"
    replace(live / "profile.sqlite", "rows_customers", id, [customer, *record])

    (difference,) = proof.compare(live)["profile"].differences

    assert (difference.customer, difference.field, difference.expected) == (customer, "lifecycle", "lost")


def test_points_that_were_changed_in_a_posted_entry_are_found_in_the_ledger_and_in_its_sum(proof: Proof) -> None:
    live = proof.copy()
    with sqlite3.connect(live / "loyalty.sqlite") as db:
        sql = "SELECT rowid, state FROM stored_events WHERE topic = 'entry_posted' LIMIT 1"
        row, state = db.execute(sql).fetchone()
        entry = msgspec.json.decode(state)
        entry["amount"] += 1
        db.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (msgspec.json.encode(entry), row))

    found = proof.compare(live)["loyalty"]

    assert found.unequal == {entry["account_id"]}
    assert {(one.table, one.field) for one in found.differences} == {("ledger", "amount"), ("account", "sum of its entries")}


def test_a_redemption_that_is_lost_or_altered_is_found_by_what_was_published(proof: Proof) -> None:
    assert proof.redeemed > 1
    live = proof.copy()
    with sqlite3.connect(live / "loyalty.sqlite") as db:
        sql = "SELECT owner, item, value FROM items_facts WHERE item LIKE '%redemption:%' LIMIT 1"
        owner, item, value = db.execute(sql).fetchone()
        fact = msgspec.msgpack.decode(value)
        fact[-1] -= 1
        db.execute("UPDATE items_facts SET value = ? WHERE owner = ? AND item = ?", (msgspec.msgpack.encode(fact), owner, item))

    found = proof.compare(live)["loyalty"]

    assert [(one.table, one.field) for one in found.differences] == [("fact", "what")]
    with sqlite3.connect(live / "loyalty.sqlite") as db:
        db.execute("DELETE FROM items_facts WHERE owner = ? AND item = ?", (owner, item))
    assert [(one.table, one.found) for one in proof.compare(live)["loyalty"].differences] == [("fact", "missing")]


def test_an_added_customer_is_found(proof: Proof) -> None:
    live = proof.copy()
    stranger = "00000000-0000-4000-8000-000000000001"
    replace(live / "profile.sqlite", "rows_customers", stranger, [stranger, "customer_id:77", 0, "prospect", None, None])

    assert proof.compare(live)["profile"].unequal == {stranger}


def flip_a_bit(path: Path, table: str, column: str, dice: random.Random) -> None:
    with sqlite3.connect(path) as db:
        rows = db.execute(
            f"SELECT {'owner, item' if table.startswith('items') else 'key, key'}, {column} FROM {table} ORDER BY 1, 2"
        ).fetchall()
        owner, item, value = dice.choice(rows)
        changed = bytearray(value)
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        where = "owner = ? AND item = ?" if table.startswith("items") else "key = ? AND key = ?"
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (bytes(changed), owner, item))


def first_row(path: Path, table: str, wanted: Any) -> tuple[list[Any], str]:
    with sqlite3.connect(path) as db:
        for key, value in db.execute(f"SELECT key, value FROM {table} ORDER BY key"):
            if wanted(row := msgspec.msgpack.decode(value)):
                return row, key
    raise LookupError(table)


def replace(path: Path, table: str, key: str, row: list[Any]) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, msgspec.msgpack.encode(row)))


def execute(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as db:
        assert db.execute(sql).rowcount == 1
