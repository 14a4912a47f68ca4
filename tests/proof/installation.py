"""A live installation in a folder, without Kafka: the stages' own business parts over SQLite files, fed as their workers would."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas import topics
from services.loyalty import programme_file
from services.loyalty.app import PROCESS as LOYALTY
from services.loyalty.redeeming import Answer, Redeem
from services.loyalty.stage import LoyaltyStage
from services.profile.app import PROCESS as PROFILE
from services.profile.app import identity_policy, lifecycle_policy
from services.profile.stage import ProfileStage
from services.proof.refold import Published, Refold, accepted_redemptions, published, refused_as_conflicting
from services.proof.scope import Scope
from services.proof.stores_compared import Compared
from services.proof.timers_compared import compare_timers
from services.runtime.clock import SetClock
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.settings import IdentitySettings, Settings
from services.runtime.store_snapshot import snapshot_of
from tests.profile.touchpoints import HOUR, NOON, Record, records
from tests.proof.both_ways import compared_both_ways

DAY_MS = 24 * HOUR // 1000
NOW_MS = NOON // 1000 + 300 * DAY_MS
IDENTITY = IdentitySettings(limits={"customer_id": 1, "email": 2}, partner_limit=2, blocked=[])


class Installation:
    """Both live stores, their clock, and the log they were fed."""

    def __init__(self, folder: Path, now_ms: int = NOW_MS) -> None:
        self.folder = folder
        self.settings = Settings(data_dir=folder, identity=IDENTITY)
        self.clock = SetClock(now_ms)
        self.log: list[Record] = []
        self._store = SQLiteEventStore(folder / "profile.sqlite", kinds=PROFILE.kinds, synchronous="NORMAL")
        self._ledger = SQLiteEventStore(folder / "loyalty.sqlite", kinds=LOYALTY.kinds, item_kinds=LOYALTY.item_kinds, synchronous="NORMAL")
        identity, lifecycle = identity_policy(self.settings.identity), lifecycle_policy(self.settings.lifecycle)
        self._profile = ProfileStage(self._store, identity, lifecycle, self.clock)
        self._loyalty = LoyaltyStage(self._ledger, programme_file.load(), self.clock)
        self._sent = 0

    def feed(self, *touchpoints: dict[str, Any]) -> None:
        """One batch through both stages."""
        batch = records(*touchpoints, start=len(self.log))
        self.log += batch
        self._store.commit(self._profile.decide(batch))
        self._pass_on()

    def tick(self, now_ms: int) -> None:
        """Time passes; what is overdue does not wait any longer."""
        self.clock.set(now_ms)
        for stage, store, passed in ((self._profile, self._store, 0), (self._loyalty, self._ledger, 60_000)):
            while (transaction := stage.tick(now_ms + passed)) is not None and not transaction.is_empty():
                store.commit(transaction)
            self._pass_on()

    def _pass_on(self) -> None:
        if events := self._store.events_after(self._sent, 100_000):
            self._sent = events[-1].id
            said = [published(event, topics.PROFILE_CHANGES.name) for event in events if event.type != "quarantined"]
            self._ledger.commit(self._loyalty.decide(said))

    def redeem(self, id: str, points: int) -> list[Answer]:
        """Everybody is asked to spend so many points, each by a redemption of its own."""
        commands = [Redeem(f"{id}-{account}", account, points, "", "till") for account, _ in self._ledger.all_rows("accounts")]
        transaction, answers = self._loyalty.answer(commands)
        self._ledger.commit(transaction)
        return answers

    def redemptions(self) -> list[Published]:
        """As a reader of ``loyalty-events`` gets them."""
        events = [published(event, topics.LOYALTY_CHANGES.name) for event in self._ledger.events_after(0, 100_000)]
        return accepted_redemptions(events, self._ledger.last_id)

    def messages(self) -> list[Published]:
        """All that was published: every event, and the latest snapshots."""
        said = []
        for stage, store, changes in (
            (self._profile, self._store, topics.PROFILE_CHANGES),
            (self._loyalty, self._ledger, topics.LOYALTY_CHANGES),
        ):
            events = store.events_after(0, 100_000)
            said += [published(event, topics.QUARANTINE.name if event.type == "quarantined" else changes.name) for event in events]
            originators = {event.originator for event in events if event.type != "quarantined"}
            said += [Published(m.topic, m.key, m.value, m.headers, offset=n) for n, m in enumerate(stage.snapshots(originators))]
        return said

    def close(self) -> None:
        self._store.close()
        self._ledger.close()

    def compared(self, scratch: Path, now_ms: int) -> tuple[Compared, Compared]:
        """Both stores against a fold of the log in another order."""
        scratch.mkdir(exist_ok=True)
        with snapshot_of(self.folder / "profile.sqlite") as profile, snapshot_of(self.folder / "loyalty.sqlite") as loyalty:
            refold = Refold(scratch, self.settings, now_ms, refused_as_conflicting(profile))
            refold.take(_shuffled(self.log))
            refold.end_of_log()
            list(refold.fold_loyalty(now_ms, self.redemptions()))
            with refold.profile() as expected, refold.loyalty() as expected_accounts:
                compared = compared_both_ways(expected, profile, expected_accounts, loyalty)
            late = compare_timers(refold.moves_on(), profile, Scope())
            compared[0].unequal |= late.unequal
            compared[0].differences += late.differences
            refold.close()
        return compared


def _shuffled(log: Sequence[Record]) -> list[Record]:
    return random.Random(len(log)).sample(list(log), len(log))
