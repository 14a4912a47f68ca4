"""The whole pure core as one machine: whatever is said, in whatever order, the same customers, points and ids come out."""

import json
import random
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.loyalty.programme import Programme
from services.loyalty.redeeming import Accepted
from services.profile.identifiers import derived_id
from tests.core.whole_core import PARTITIONS, WholeCore, comparable
from tests.examples import examples
from tests.loyalty import profile_world
from tests.loyalty.installation import END
from tests.loyalty.profile_world import moment, written
from tests.loyalty.reference import Reference
from tests.loyalty.scenarios import BIRTHDAYS, MIXED, PROGRAMMES, REFUNDS, TIERS, Theme, facts
from tests.profile import reference
from tests.profile.stage_run import POLICY
from tests.profile.touchpoints import IDENTIFIERS, Record, payloads

DAYS = st.integers(0, 480).map(lambda quarter: quarter / 4)
"""Facts come from these days in any order: most of them late, some ahead of the clock."""
NAMES = st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3, unique=True)
PAIRS = st.lists(st.sampled_from(IDENTIFIERS), min_size=2, max_size=2, unique=True)
NONSENSE = st.sampled_from([b"", b"{", b'{"event_id": "x"}', b'{"event_id": NaN}'])


class EveryOrder(RuleBasedStateMachine):
    """``counted``: the touchpoints that count, by event_id; ``waiting``: said, and not yet taken by the profile stage. ``spent``:
    (anchor, redemption)."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[str, dict[str, Any]] = {}
        self.of_loyalty: dict[str, dict[str, Any]] = {}
        self.waiting: list[Record] = []
        self.spent: list[tuple[str, dict[str, Any]]] = []
        self.day = 0.0
        self.others = self.repeats = self.offset = 0

    @initialize(
        programme=st.sampled_from(PROGRAMMES),
        theme=st.sampled_from([REFUNDS, TIERS, BIRTHDAYS, MIXED]),
        remember=st.sampled_from([1, 1000]),
    )
    def begin(self, programme: Programme, theme: Theme, remember: int) -> None:
        self.programme, self.theme = programme, theme
        self.core = WholeCore(programme, remember)

    # ---- what is said

    @rule(names=NAMES, data=st.data())
    def something_for_points(self, names: list[str], data: st.DataObject) -> None:
        fact = data.draw(facts(self._event_id(), self.theme))
        said = profile_world.touchpoint(fact)
        self.of_loyalty[fact["event_id"]] = fact
        self._say(said["type"], said["payload"], names, said["occurred_at"], said["source"])

    @rule(names=NAMES, payload=payloads, day=DAYS)
    def something_else(self, names: list[str], payload: tuple[str, dict[str, Any]], day: float) -> None:
        if payload[0] in ("purchase", "refund", "survey", "identify"):
            payload = "custom", {"name": "seen"}
        self._say(*payload, names, written(moment(day)))

    @rule(names=PAIRS, day=DAYS)
    def a_link(self, names: list[str], day: float) -> None:
        self._say("custom", {"name": "login"}, names, written(moment(day)))

    @rule(names=PAIRS, step=st.sampled_from(["voided", "voided", "restored"]), day=DAYS)
    def a_decision_on_a_link(self, names: list[str], step: str, day: float) -> None:
        self._say("link", {"step": step}, names, written(moment(day)))

    @precondition(lambda self: self.counted)
    @rule(data=st.data())
    def a_decision_on_what_was_linked(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([self.counted[id] for id in sorted(self.counted)]))
        names = [f"{name['type']}:{name['value']}" for name in one["identifiers"]]
        self._say("link", {"step": "voided"}, names, one["occurred_at"])

    @precondition(lambda self: self.counted)
    @rule(data=st.data())
    def a_repeat(self, data: st.DataObject) -> None:
        self._record(json.dumps(self.counted[data.draw(st.sampled_from(sorted(self.counted)))]).encode())
        self.repeats += 1

    @precondition(lambda self: self.counted)
    @rule(data=st.data())
    def another_content_of_the_same_event_id(self, data: st.DataObject) -> None:
        one = self.counted[data.draw(st.sampled_from(sorted(self.counted)))]
        self._record(json.dumps(one | {"type": "visit", "payload": {"place": "page", "name": "another"}}).encode())
        self.others += 1

    @precondition(lambda self: self.core.said.ids)
    @rule(data=st.data(), number=st.integers(0, 5), points=st.integers(1, 120))
    def points_are_spent(self, data: st.DataObject, number: int, points: int) -> None:
        customer = data.draw(st.sampled_from(sorted(self.core.said.ids)))
        answer = self.core.redeem(f"r{number}", customer, points)
        if isinstance(answer, Accepted) and not answer.repeated:
            said = json.loads(self.core.redemptions[-1])
            fact = {"type": "redemption", "event_id": f"redemption:r{number}", "at": datetime.fromisoformat(said["occurred_at"])}
            self.spent.append((said["anchor"], fact | {"points": points}))

    @rule(value=NONSENSE)
    def nonsense(self, value: bytes) -> None:
        self._record(value)
        self.others += 1

    # ---- what the stages do

    @rule()
    def profile_takes_a_batch(self) -> None:
        batch, self.waiting = self.waiting, []
        self.core.take(batch)

    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 8))
    def loyalty_reads(self, partition: int, count: int) -> None:
        self.core.read(partition, count)

    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 8))
    def loyalty_reads_again_what_it_had_read(self, partition: int, count: int) -> None:
        self.core.go_back(partition, count)

    @rule(days=st.sampled_from([1, 10, 40, 200]))
    def time_passes(self, days: int) -> None:
        self.day += days
        self.core.tick(self.day)

    @rule()
    def everything_restarts(self) -> None:
        self.core.forget()

    # ---- what must be true in the end

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        self.profile_takes_a_batch()
        self.core.finish(END, random.Random(1))
        again = self._in_another_order()
        self._outcomes()
        self._customers(again)
        self._accounts(again)
        self._ids(again)

    def _in_another_order(self) -> WholeCore:
        """The same set of facts, otherwise: shuffled, in batches of another size, partitions mixed otherwise, time at the end."""
        dice = random.Random(len(self.counted))
        core = WholeCore(self.programme, 1000)
        log = [Record(json.dumps(one).encode(), offset) for offset, one in enumerate(self.counted.values())]
        dice.shuffle(log)
        while log:
            size = dice.randint(1, 7)
            core.take(log[:size])
            log = log[size:]
            core.read(dice.randrange(PARTITIONS), dice.randint(0, 9))
        core.take_over(self.core.redemptions)
        core.finish(END, dice)
        return core

    def _outcomes(self) -> None:
        found = self.core.profile.outcomes
        assert found["applied", ""] == len(self.counted)
        assert found["duplicate", ""] == self.repeats
        assert sum(count for (outcome, _), count in found.items() if outcome == "quarantined") == self.others

    def _customers(self, again: WholeCore) -> None:
        expected = reference.customers(POLICY, self.counted.values())
        living = self.core.profile.living()
        assert comparable(living) == comparable(again.profile.living())
        held = {id: {f"{one['type']}:{one['value']}" for one in profile["identifiers"]} for id, profile in living.items()}
        assert held == {id: names for id, (names, _) in expected.items()}
        assert {id: one["touchpoints"] for id, one in living.items()} == {id: len(events) for id, (_, events) in expected.items()}

    def _accounts(self, again: WholeCore) -> None:
        theirs = {id: [self.of_loyalty[event] for event in events if event in self.of_loyalty] for id, (_, events) in self._expected()}
        for anchor, redemption in self.spent:
            theirs[self._holders()[anchor]].append(redemption)
        theirs = {id: said for id, said in theirs.items() if said}
        found, others = self.core.loyalty.accounts(), again.loyalty.accounts()
        assert {id: one["balance"] for id, one in found.items()} == {id: self.core.said.balances[id] for id in found}
        for id, said in theirs.items():
            expected = Reference(self.programme).run(said, moment(END + 1))
            if id in found or expected.balance:
                assert found[id]["balance"] == expected.balance
                totals = (expected.earned, expected.expired, expected.redeemed)
                assert (found[id]["earned"], found[id]["expired"], found[id]["redeemed"]) == totals
        both = theirs.keys() & found.keys() & others.keys()
        same, same_again = ({id: side[id] for id in both} for side in (found, others))
        assert comparable(same) == comparable(same_again)
        # facts that bring no entry open no account by themselves; passing ones, corrected since, may have opened it
        assert not any(one["balance"] or one["lots"] for side in (found, others) for id, one in side.items() if id not in both)

    def _ids(self, again: WholeCore) -> None:
        """Every id ever published, here or in another order, leads to the customer that holds the identifier now."""
        holders = self._holders()
        for core in (self.core, again):
            snapshots = core.profile.profiles()
            for id in core.said.ids:
                assert core.said.holders[id] == holders[id]
                if id in snapshots:
                    assert core.said.holder(id) == holders[id]
                    assert snapshots[id]["merged_into"] == core.said.survivors.get(id)
            for id, account in core.loyalty.accounts().items():
                assert account["merged_into"] == snapshots[id]["merged_into"]

    def _holders(self) -> dict[str, str]:
        return {derived_id(name, POLICY.key): id for id, (names, _) in self._expected() for name in names}

    def _expected(self) -> Any:
        return reference.customers(POLICY, self.counted.values()).items()

    # ---- saying it

    def _event_id(self) -> str:
        return f"e{len(self.counted):03d}"

    def _say(self, type: str, payload: dict[str, Any], names: list[str], at: str, source: str = "web") -> None:
        identifiers = [dict(zip(("type", "value"), name.split(":", 1), strict=True)) for name in names]
        said = {
            "event_id": self._event_id(),
            "type": type,
            "occurred_at": at,
            "source": source,
            "identifiers": identifiers,
            "payload": payload,
        }
        self.counted[said["event_id"]] = said
        self._record(json.dumps(said).encode())

    def _record(self, value: bytes) -> None:
        self.waiting.append(Record(value, self.offset))
        self.offset += 1


TestEveryOrder = EveryOrder.TestCase
TestEveryOrder.settings = settings(
    max_examples=examples(60),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
