"""All scenarios, in the order in which they are played: those that make the log long come last."""

from services.chaos.play import Scenario
from services.chaos.scenarios import (
    backpressure,
    clickhouse,
    crashes,
    input,
    kafka,
    quarantine,
    redemptions,
    state,
    stores,
    upgrade,
    workers,
)

SCENARIOS: tuple[Scenario, ...] = (
    *crashes.SCENARIOS,
    *workers.SCENARIOS,
    *redemptions.SCENARIOS,
    *kafka.SCENARIOS,
    *clickhouse.SCENARIOS,
    *input.SCENARIOS,
    *quarantine.SCENARIOS,
    *upgrade.SCENARIOS,
    *state.SCENARIOS,
    *stores.SCENARIOS,
    *backpressure.SCENARIOS,
)
