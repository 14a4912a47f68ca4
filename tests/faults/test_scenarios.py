"""The most telling scenarios of ``rapport chaos``, small. A failure prints the command that repeats it."""

import pytest

from services.chaos.catalogue import SCENARIOS
from services.chaos.play import Scenario
from services.chaos.quiet import client_of
from tests.faults.conftest import Benches

EVENTS = 500
SEED = 1
FAULTS = 22
"""0 is none at all."""


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.short], ids=lambda one: str(one.name))
def test_nothing_is_lost_and_nothing_counts_twice_when(scenario: Scenario, benches: Benches) -> None:
    result = benches.bench().play(scenario, EVENTS, SEED, full=False)
    if result.wrong:
        benches.close()
    assert not result.wrong, "\n".join([f"repeat it: {result.command}", *result.wrong])
    assert result.faults or scenario.fault == 0, "no fault was injected"
    assert result.figures["counted"] > 0


def test_every_fault_of_the_list_is_injected_by_a_scenario_that_is_played_here_too() -> None:
    assert {one.fault for one in SCENARIOS if one.short} == set(range(FAULTS + 1))


def test_a_single_missing_row_and_a_single_wrong_amount_are_seen(benches: Benches) -> None:
    """Last: it leaves the bench spoilt."""
    bench = benches.bench()
    assert not bench.play(SCENARIOS[0], 500, SEED + 1, full=False).wrong
    client = client_of(bench.stack)
    ((event,),) = client.execute("SELECT min(event_id) FROM rapport.touchpoints WHERE type = 'visit'")
    ((entry,),) = client.execute("SELECT min(entry_id) FROM rapport.loyalty_ledger WHERE kind = 'earn'")
    now = {"mutations_sync": 1}
    client.execute("ALTER TABLE rapport_store.touchpoints DELETE WHERE event_id = %(id)s", {"id": event}, settings=now)
    client.execute(
        "ALTER TABLE rapport_store.loyalty_ledger UPDATE amount = amount + 1 WHERE entry_id = %(id)s", {"id": entry}, settings=now
    )
    wrong = bench.check.run().wrong
    benches.close()
    assert any(line.startswith("I1") and event in line for line in wrong)
    assert any(line.startswith("I3: the ledger's sums") and entry.partition(":")[0] in line for line in wrong)
