"""All scenarios, in the order in which they are played."""

from services.chaos.play import Scenario
from services.chaos.scenarios import clickhouse, crashes, input, kafka, state, workers

SCENARIOS: tuple[Scenario, ...] = (
    *crashes.SCENARIOS,
    *workers.SCENARIOS,
    *kafka.SCENARIOS,
    *clickhouse.SCENARIOS,
    *input.SCENARIOS,
    *state.SCENARIOS,
)
