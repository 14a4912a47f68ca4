"""All scenarios, in the order in which they are played: those that make the log long come last."""

from services.chaos.play import POSTGRES, SQLITE, Scenario
from services.chaos.scenarios import (
    backpressure,
    clickhouse,
    crashes,
    input,
    kafka,
    postgres,
    quarantine,
    redemptions,
    state,
    stores,
    upgrade,
    workers,
)

EVERY: tuple[Scenario, ...] = (
    *crashes.SCENARIOS,
    *workers.SCENARIOS,
    *redemptions.SCENARIOS,
    *postgres.SCENARIOS,
    *kafka.SCENARIOS,
    *clickhouse.SCENARIOS,
    *input.SCENARIOS,
    *quarantine.SCENARIOS,
    *upgrade.SCENARIOS,
    *state.SCENARIOS,
    *stores.SCENARIOS,
    *backpressure.SCENARIOS,
)
SCENARIOS = tuple(one for one in EVERY if one.store in ("", SQLITE))
OVER_POSTGRES = tuple(one for one in EVERY if one.store in ("", POSTGRES))
