"""The most telling scenarios of ``rapport chaos``, small. A failure prints the command that repeats it."""

import pytest

from services.chaos.catalogue import SCENARIOS
from services.chaos.play import Scenario
from tests.faults.conftest import Benches

EVENTS = 800
SEED = 1


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.short], ids=lambda one: str(one.name))
def test_nothing_is_lost_and_nothing_counts_twice_when(scenario: Scenario, benches: Benches) -> None:
    result = benches.bench().play(scenario, EVENTS, SEED, full=False)
    if result.wrong:
        benches.close()
    assert not result.wrong, "\n".join([f"repeat it: {result.command}", *result.wrong])
    assert result.faults or scenario.fault == 0, "no fault was injected"
    assert result.figures["counted"] > 0
