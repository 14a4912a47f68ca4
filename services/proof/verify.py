"""Proves a live installation: folds the log again, and compares what comes out with everything that is stored, customer by customer.

The profile store is read as of one moment, which says exactly how far the log counts. Loyalty and ClickHouse are read when they have
all that was known then; customers that changed meanwhile are set apart and counted.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from schemas import topics
from schemas.times import from_millis
from services.loyalty import programme_file
from services.projections.migrating import TablesGone, tables_gone
from services.projections.routing import TOPICS
from services.proof import live, projecting
from services.proof.expected_tables import ExpectedTables, snapshot_times
from services.proof.holders import Holders
from services.proof.loyalty_state import behind_the_clock
from services.proof.positions_compared import HighestIds, compare_positions, compare_reached, positions_of, within
from services.proof.progress import Progress
from services.proof.published_compared import compare_published
from services.proof.refold import Refold, accepted_redemptions, refused_as_conflicting
from services.proof.scope import Scope
from services.proof.selection import Selection, customers_of, sample, whole_sets
from services.proof.shown import Difference
from services.proof.stores_compared import Compared, holders_of
from services.proof.stores_proven import prove_accounts, prove_profiles
from services.proof.tables import TOLD, VIEWS
from services.proof.tables_compared import compare_tables
from services.proof.timers_compared import compare_timers
from services.proof.unreadable import UnreadableMessages
from services.runtime.batches import TP
from services.runtime.clock import Clock
from services.runtime.log_reader import Fetched, LogReader, ends_now
from services.runtime.settings import Settings
from services.runtime.stage import Record
from services.runtime.stage_process import kafka_connection
from services.runtime.store_snapshot import StoreSnapshot, open_snapshot
from services.runtime.warehouse import Warehouse

SETTLING_LOOKS, SETTLING_SECONDS = 40, 0.25
PASSES = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be proven. ``sample``: so many customers drawn by ``seed``; ``since``: only customers with a touchpoint that was
    received then or later. ``patience``: seconds to wait for a stage that gets no nearer."""

    sample: int | None = None
    seed: int = 0
    since: datetime | None = None
    tables: bool = True
    patience: float = 60.0


@dataclass(slots=True)
class Report:
    """``touchpoints``: records of the log that were folded; ``apart``: customers that were not compared, since they changed meanwhile."""

    touchpoints: int = 0
    customers: int = 0
    apart: int = 0
    compared: list[Compared] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def unequal(self) -> set[str]:
        return set().union(*(one.unequal for one in self.compared))

    @property
    def differences(self) -> list[Difference]:
        return [difference for one in self.compared for difference in one.differences]


async def verify(settings: Settings, asked: Asked, clock: Clock, progress: Progress) -> Report:
    """Raises NotCaughtUp, StoreMissing, TopicMissing, TablesGone, and what Kafka, ClickHouse and the stores raise: then nothing is
    proven."""
    began = time.monotonic()
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="rapport-verify-")))
        report = await _Verification(settings, asked, clock, progress, folder, kept).run()
    report.seconds = time.monotonic() - began
    return report


class _Verification:
    """One run. What is opened here is closed by ``kept``."""

    def __init__(self, settings: Settings, asked: Asked, clock: Clock, progress: Progress, folder: Path, kept: ExitStack) -> None:
        self._settings, self._asked, self._clock, self._progress = settings, asked, clock, progress
        self._kafka, self._folder, self._kept = kafka_connection(settings.kafka), folder, kept
        self._report, self._scope = Report(), Scope()
        self._places: dict[TP, int] = {}

    async def run(self) -> Report:
        if self._asked.tables:
            self._require_tables()
        profile, now_ms = await self._settled_profiles()
        known = profile.last_id()
        await self._compare_places(profile)
        loyalty, loyalty_ms = await self._loyalty(profile)
        selection = await self._selection(profile)
        refold = await self._folded(profile, selection, now_ms)
        for done in refold.fold_loyalty(loyalty_ms, await self._redemptions(loyalty)):
            self._progress("folding loyalty", done, 0)
        expected = self._kept.enter_context(refold.profile())
        expected_accounts = self._kept.enter_context(refold.loyalty())
        if selection is not None:
            both = [store.rows("linked_sets") for store in (expected, profile)]
            self._scope.only = frozenset().union(*(customers_of(rows, selection.keys) for rows in both))
        holders = holders_of(expected, profile)
        self._set_apart(known, behind_the_clock(loyalty, from_millis(loyalty_ms)))
        self._progress("comparing stores", 0, 2)
        self._report.compared.append(prove_profiles(expected, profile, holders, self._scope))
        self._report.compared.append(compare_timers(refold.moves_on(), profile, self._scope))
        self._progress("comparing stores", 1, 2)
        self._report.compared.append(prove_accounts(expected_accounts, loyalty, holders, self._scope))
        if selection is None:
            await self._compare_published(profile, loyalty, holders)
        if self._asked.tables:
            await self._compare_tables(refold, profile, loyalty, known)
        self._report.customers = next(one.customers for one in self._report.compared if one.store == "profile")
        self._report.apart = len(self._scope.apart)
        return self._report

    def _require_tables(self) -> None:
        """Raises TablesGone, for which it would wait in vain."""
        warehouse = Warehouse(self._settings.clickhouse.address)
        try:
            gone = tables_gone(warehouse, self._settings.clickhouse.database)
        finally:
            warehouse.close()
        if gone:
            raise TablesGone(gone)

    async def _compare_places(self, profile: StoreSnapshot) -> None:
        """Also says how far the log is folded: no further than there is anything."""
        ends = await ends_now(self._kafka, [topics.TOUCHPOINTS.name])
        self._report.compared.append(compare_positions("profile", profile, ends))
        self._places = within(positions_of(profile), ends)

    async def _compare_published(self, profile: StoreSnapshot, loyalty: StoreSnapshot, holders: Holders) -> None:
        """What both stages say they published with what Kafka has, and what loyalty says it has read of that."""
        highest = HighestIds(positions_of(loyalty))
        for stage, store, topic in (("profile", profile, topics.PROFILE_CHANGES), ("loyalty", loyalty, topics.LOYALTY_CHANGES)):
            published = highest.noting(self._records([topic.name, topics.QUARANTINE.name]))
            self._report.compared.append(await compare_published(stage, store, published, holders, self._scope))
        ends = await ends_now(self._kafka, [topics.PROFILE_CHANGES.name])
        self._report.compared.append(compare_positions("loyalty", loyalty, ends, highest.found))

    async def _settled_profiles(self) -> tuple[StoreSnapshot, int]:
        """The profile store at a moment at which time owes nothing to it, and that moment."""
        for _ in range(SETTLING_LOOKS):
            store = open_snapshot(self._settings, "profile")
            now_ms = self._clock.now_ms()
            if not store.due(now_ms):
                break
            store.close()
            await asyncio.sleep(SETTLING_SECONDS)
        else:
            store, now_ms = open_snapshot(self._settings, "profile"), self._clock.now_ms()
            self._scope.apart |= store.due(now_ms)
        return self._kept.enter_context(store), now_ms

    async def _loyalty(self, profile: StoreSnapshot) -> tuple[StoreSnapshot, int]:
        """The loyalty store with all that the profile stage said by then, at a moment at which time owes nothing to it if possible."""
        patience, progress = self._asked.patience, self._progress
        await live.on_kafka(self._settings, "profile", profile, patience, progress)
        await live.taken(self._settings, "loyalty", self._kafka, [topics.PROFILE_CHANGES.name], patience, progress)
        for _ in range(SETTLING_LOOKS):
            store = open_snapshot(self._settings, "loyalty")
            now_ms = self._clock.now_ms()
            if not behind_the_clock(store, from_millis(now_ms)):
                return self._kept.enter_context(store), now_ms
            store.close()
            await asyncio.sleep(SETTLING_SECONDS)
        return self._kept.enter_context(open_snapshot(self._settings, "loyalty")), self._clock.now_ms()

    async def _selection(self, profile: StoreSnapshot) -> Selection | None:
        """What ``sample`` and ``since`` leave of the log; None: all of it."""
        if self._asked.sample is None and self._asked.since is None:
            return None
        ends = self._places
        keys: set[str] = set()
        if self._asked.since is not None:
            keys = await self._named_since(self._asked.since, ends)
            keys = whole_sets(profile.rows("linked_sets"), keys)
        if self._asked.sample is not None:
            sets = ((id, value) for id, value in profile.rows("linked_sets"))
            drawn = sample(sets, self._asked.sample, self._asked.seed)
            keys = drawn if self._asked.since is None else keys & drawn
        return Selection(self._settings, keys)

    async def _named_since(self, since: datetime, ends: dict[TP, int]) -> set[str]:
        """Every identifier that the log names from that moment on."""
        keys: set[str] = set()
        selection = Selection(self._settings, ())
        async with LogReader(self._kafka) as log:
            starts = ends | await log.at(ends, int(since.timestamp() * 1000))
            async for fetched in log.read(starts, ends):
                for records in fetched.values():
                    keys |= selection.keys_of(records)
        return keys

    async def _folded(self, profile: StoreSnapshot, selection: Selection | None, now_ms: int) -> Refold:
        """The log up to where the profile store is, folded."""
        later = refused_as_conflicting(profile)
        for number in range(PASSES):
            folder = self._folder / str(number)
            folder.mkdir()
            refold = Refold(folder, self._settings, now_ms, later)
            await self._fold_log(refold, self._places, selection)
            if selection is None or not selection.grew:
                break
            selection.grew = False
            refold.close()
        self._kept.callback(refold.close)
        refold.end_of_log()
        return refold

    async def _redemptions(self, loyalty: StoreSnapshot) -> list[Record]:
        """What was accepted, as Kafka tells it: no touchpoint does."""
        await live.on_kafka(self._settings, "loyalty", loyalty, self._asked.patience, self._progress)
        accepted: list[Record] = []
        last_id = loyalty.last_id()
        async with LogReader(self._kafka) as log:
            ends = await log.ends([topics.LOYALTY_CHANGES.name])
            done, total = 0, sum(ends.values())
            async for fetched in log.read({}, ends):
                for records in fetched.values():
                    accepted += accepted_redemptions(records, last_id)
                    done += len(records)
                self._progress("reading redemptions", done, total)
        return accepted

    async def _records(self, names: Sequence[str]) -> AsyncIterator[Fetched]:
        """All that is on these topics now."""
        async with LogReader(self._kafka) as log:
            ends = await log.ends(names)
            done, total = 0, sum(ends.values())
            async for fetched in log.read({}, ends):
                done += sum(map(len, fetched.values()))
                self._progress("reading what was published", done, total)
                yield fetched

    async def _in_quarantine(self) -> list[Record]:
        """What Kafka's quarantine has, and what projections must have put there because they cannot read it."""
        quarantined: list[Record] = []
        unreadable = UnreadableMessages()
        async for fetched in self._records(TOPICS):
            for tp, records in fetched.items():
                unreadable.take(records)
                if tp.topic == topics.QUARANTINE.name:
                    quarantined += records
        return [*quarantined, *unreadable.must_be_quarantined()]

    async def _fold_log(self, refold: Refold, ends: dict[TP, int], selection: Selection | None) -> None:
        done, total = 0, sum(ends.values())
        self._report.touchpoints = 0
        async with LogReader(self._kafka) as log:
            async for fetched in log.read({}, ends):
                every = [record for records in fetched.values() for record in records]
                records = every if selection is None else selection.wanted(every)
                refold.take(records)
                done += len(every)
                self._report.touchpoints += len(records)
                self._progress("folding the log", done, total)

    def _set_apart(self, known: int, waiting: set[str]) -> None:
        """Who changed since the profile store was read, or waits for the clock."""
        with open_snapshot(self._settings, "profile") as now:
            changed = {str(originator) for originator in now.originators_after(known)}
        self._scope.apart |= changed | waiting

    async def _compare_tables(self, refold: Refold, profile: StoreSnapshot, loyalty: StoreSnapshot, known: int) -> None:
        patience, progress, database = self._asked.patience, self._progress, self._settings.clickhouse.database
        warehouse = Warehouse(self._settings.clickhouse.address, answer_seconds=600.0)
        self._kept.callback(warehouse.close)
        await live.projected(warehouse, database, self._kafka, list(TOPICS), patience, progress)
        reached = projecting.positions(warehouse, database)
        self._report.compared.append(compare_reached("projections", reached, await ends_now(self._kafka, TOPICS)))
        expected = ExpectedTables(warehouse, f"{database}_verify")
        self._kept.callback(expected.drop)
        programme, times = programme_file.load(self._settings.loyalty.programme), snapshot_times(warehouse, database)
        quarantined = await self._in_quarantine()
        for done in expected.fill(refold, profile, loyalty, quarantined, programme, times):
            progress("filling the tables to compare with", done, 0)
        before = loyalty.last_id()
        self._report.compared += compare_tables(warehouse, expected.database, database, self._scope, progress, (*VIEWS, *TOLD))
        with open_snapshot(self._settings, "loyalty") as now:
            ticked = {str(originator) for originator in now.originators_after(before)}
        self._set_apart(known, ticked)
        for one in self._report.compared:
            one.unequal &= self._scope.of(one.unequal)
            one.differences = [difference for difference in one.differences if difference.customer in self._scope]
