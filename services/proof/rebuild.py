"""Makes ClickHouse's tables again from what is on Kafka, beside the live ones and while traffic goes on; then switches over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from services.loyalty.account_snapshot import AS_OF_THEN
from services.projections.migrating import migrate_with, store_of, tables_gone
from services.projections.routing import TOPICS
from services.proof.progress import Progress
from services.proof.projecting import positions, project
from services.proof.scope import Scope
from services.proof.stores_compared import Compared
from services.proof.switch_over import SWITCHED, SWITCHING, SwitchOver
from services.proof.tables import VIEWS, View
from services.proof.tables_compared import compare_tables
from services.runtime.batches import TP
from services.runtime.log_reader import ends_now
from services.runtime.settings import Settings
from services.runtime.stage_process import kafka_connection
from services.runtime.warehouse import TABLES_GONE, Warehouse, WarehouseRefused

NEAR_ENOUGH = 5_000
ROUNDS = 10
COMPARED = tuple(replace(view, history=view.history | AS_OF_THEN, where="1") for view in VIEWS)
"""Of two snapshots with the same sequence number either may be the one that is kept."""


class OldTablesKept(Exception):
    """Raised by ``rebuild_projections``: the tables that the last rebuild replaced are still there."""


class RowsLost(Exception):
    """Raised by ``rebuild_projections``: the live tables hold touchpoints that Kafka does not, so switching over would lose them."""


@dataclass(slots=True)
class Rebuilt:
    """``seconds`` for ``messages``, without comparing. ``made``: live tables that somebody had dropped. ``changed``: what differed from
    the other live tables, which the switch put right; what changed while it was compared is left out."""

    messages: int = 0
    touchpoints: int = 0
    seconds: float = 0.0
    made: list[str] = field(default_factory=list)
    changed: list[Compared] = field(default_factory=list)
    switched: bool = False


async def rebuild_projections(
    settings: Settings, workers: int, progress: Progress, *, switch: bool = True, accept_loss: bool = False
) -> Rebuilt:
    """Call it again after a crash: it goes on where it was. Raises OldTablesKept, RowsLost, and what Kafka or ClickHouse raise."""
    with _over(settings) as (warehouse, over):
        return await _Rebuild(settings, workers, progress, warehouse, over).run(switch, accept_loss)


def drop_old(settings: Settings) -> None:
    """The tables that the last rebuild replaced, or what an unfinished one has made."""
    with _over(settings) as (_, over):
        if over.phase() == SWITCHING:
            raise OldTablesKept("a switch-over is under way: `rapport rebuild projections` finishes it")
        over.drop()


def beside(database: str) -> str:
    """The database of the tables that are not in use."""
    return f"{database}_rebuild"


def is_switching(warehouse: Warehouse, database: str) -> bool:
    """Whether a rebuild has begun to switch over, and is not through: until it is, rows may be missing."""
    return SwitchOver(warehouse, warehouse, database, beside(database)).phase() == SWITCHING


@contextmanager
def _over(settings: Settings) -> Iterator[tuple[Warehouse, SwitchOver]]:
    database = settings.clickhouse.database
    warehouse = Warehouse(settings.clickhouse.address, answer_seconds=600.0)
    once = Warehouse(settings.clickhouse.address, pauses=())
    try:
        yield warehouse, SwitchOver(warehouse, once, database, beside(database))
    finally:
        warehouse.close()
        once.close()


class _Rebuild:
    def __init__(self, settings: Settings, workers: int, progress: Progress, warehouse: Warehouse, over: SwitchOver) -> None:
        self._settings, self._workers, self._progress, self._warehouse = settings, workers, progress, warehouse
        self._live = settings.clickhouse.database
        self._new = beside(self._live)
        self._over = over
        self._rebuilt = Rebuilt()

    async def run(self, switch: bool, accept_loss: bool) -> Rebuilt:
        phase = self._over.phase()
        self._rebuilt.made = tables_gone(self._warehouse, self._live)
        if phase == SWITCHED:
            raise OldTablesKept("the tables that the last rebuild replaced are still kept")
        if phase != SWITCHING:
            migrate_with(self._warehouse, self._new)
            self._over.begin()
            await self._catch_up()
            await self._compare(accept_loss)
            if not switch:
                return self._rebuilt
        await self._switch()
        return self._rebuilt

    async def _catch_up(self) -> None:
        """Until next to nothing is missing."""
        began = time.monotonic()
        for _ in range(ROUNDS):
            if await self._take(self._new, positions(self._warehouse, self._new)) < NEAR_ENOUGH:
                break
        self._rebuilt.seconds += time.monotonic() - began
        query = f"SELECT count() FROM {store_of(self._new)}.touchpoints FINAL"
        self._rebuilt.touchpoints = self._warehouse.select(query)[0][0]

    async def _take(self, database: str, starts: dict[TP, int]) -> int:
        """What is on Kafka now beyond those offsets, into that database."""
        ends = await ends_now(kafka_connection(self._settings.kafka), TOPICS)
        count = await project(self._settings, database, starts, ends, self._workers, self._progress)
        self._rebuilt.messages += count
        return count

    async def _compare(self, accept_loss: bool) -> None:
        """With the live tables, twice: who differs both times did not change in between."""
        if self._lost():
            await self._catch_up()  # partitions do not end at one moment
        lost = self._lost()
        if lost and not accept_loss:
            raise RowsLost(f"{lost:,} touchpoints are in the live tables but not on Kafka; the live tables stay as they are")
        views = [view for view in COMPARED if self._can_be_read(view)]
        first = {one.store: one.unequal for one in compare_tables(self._warehouse, self._new, self._live, Scope(), self._progress, views)}
        if any(first.values()):
            await self._catch_up()
            again = compare_tables(self._warehouse, self._new, self._live, Scope(), self._progress, views)
            for one in again:
                one.unequal &= first[one.store]
                one.differences = [difference for difference in one.differences if difference.customer in one.unequal]
            self._rebuilt.changed = [one for one in again if one.unequal]

    def _can_be_read(self, view: View) -> bool:
        """Not where a table behind it was dropped."""
        try:
            self._warehouse.select(f"SELECT 1 FROM {self._live}.{view.name} LIMIT 0")
        except WarehouseRefused as refused:
            if refused.code in TABLES_GONE:
                return False
            raise
        return True

    def _lost(self) -> int:
        """Touchpoints of the live tables that the rebuilt ones lack, among those that were there when it caught up."""
        if "touchpoints" in self._rebuilt.made:
            return 0
        query = f"""
            SELECT count() FROM {store_of(self._live)}.touchpoints
            WHERE id <= (SELECT max(id) FROM {store_of(self._new)}.touchpoints)
              AND event_id NOT IN (SELECT event_id FROM {store_of(self._new)}.touchpoints)
            """
        return int(self._warehouse.select(query)[0][0])

    async def _switch(self) -> None:
        """Exchanges the tables; then what the projections wrote meanwhile, into those in use."""
        self._progress("projections: switching over", 0, 2)
        self._over.exchange(positions(self._warehouse, self._new))
        self._progress("projections: switching over", 1, 2)
        await self._take(self._live, self._over.reached())
        self._over.done()
        self._rebuilt.switched = True
        self._progress("projections: switching over", 2, 2)
