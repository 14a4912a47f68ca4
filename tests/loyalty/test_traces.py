"""Entries carry the trace of the touchpoint that caused them, also where they correct what was posted before."""

import json

from services.loyalty.redeeming import Accepted, Redeem
from tests.loyalty.installation import Installation
from tests.loyalty.profile_world import Record, World, identifier, purchase, refund
from tests.loyalty.told import EUROS, programme

TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def traced(record: Record) -> Record:
    return Record(record.value, [*record.headers, ("traceparent", TRACE)], record.partition, record.offset)


def test_what_a_traced_fact_earns_and_what_a_late_one_corrects_carry_its_trace() -> None:
    installation, world = Installation(programme(EUROS)), World()
    installation.read([world.touch("ann", refund("r", 5, "late", 4_00))])
    # when
    decided = installation.stage.decide(
        [
            world.touch("gus", purchase("q", 6, 3_00)),
            traced(world.touch("ann", purchase("p", 6, 12_00))),
            traced(world.touch("ann", purchase("late", 4, 9_00))),
        ]
    )
    # then
    causes = [json.loads(event.state)["cause"] for event in decided.events]
    assert set(causes) == {"q", "p", "late"}
    assert decided.traces == {index: TRACE for index, cause in enumerate(causes) if cause != "q"}


def test_what_a_traced_command_spends_carries_its_trace_and_what_an_untraced_one_does_none() -> None:
    installation = Installation(programme(EUROS))
    installation.read([World().touch("ann", purchase("p", 0, 100_00))])
    installation.tick(1)
    installation.store.finish()
    # when
    commands = [Redeem("r1", identifier("ann"), 10, "", "till", TRACE), Redeem("r2", identifier("ann"), 20, "", "till")]
    decided, answers = installation.stage.answer(commands)
    # then
    said = [json.loads(event.state) for event in decided.events]
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert {event.type for index, event in enumerate(decided.events) if index in decided.traces} == {"redemption_accepted", "entry_posted"}
    causes = {said[index]["cause"] for index in decided.traces}
    assert len(causes) == 1
    assert decided.traces == {index: TRACE for index, one in enumerate(said) if one["cause"] in causes}


def test_points_that_come_along_with_a_merge_carry_the_trace_of_what_linked_the_two() -> None:
    installation, world = Installation(programme(EUROS)), World()
    installation.read([world.touch("ann", purchase("p", 0, 12_00)), world.touch("gus", purchase("q", 1, 5_00))])
    world.merge("ann", "gus")
    decided = installation.stage.decide([traced(record) for record in world.everything()[-2:]])
    assert decided.traces.keys() == set(range(len(decided.events)))
    assert {json.loads(decided.events[index].state)["account_id"] for index in decided.traces} == {identifier("ann"), identifier("gus")}
