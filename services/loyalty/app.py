"""Runs the loyalty stage in the foreground."""

import logging

import uvloop

from schemas.topics import LOYALTY_CHANGES, PROFILE_CHANGES
from services.loyalty import programme_file
from services.loyalty.archive import ITEM_KINDS, KINDS
from services.loyalty.door import create_app
from services.loyalty.redeem_keys import redeem_keys_of
from services.loyalty.stage import LoyaltyStage
from services.loyalty.yaml_section import WrongProgramme
from services.runtime.clock import SystemClock
from services.runtime.commands import Commands
from services.runtime.event_store import EventStore
from services.runtime.http_server import Door, PortInUse
from services.runtime.logging import configure_logging
from services.runtime.settings import Settings
from services.runtime.stage_process import StageProcess, run_stage
from services.runtime.tracing import Tracer

log = logging.getLogger(__name__)
WRONG_PROGRAMME = 2
PROCESS = StageProcess(
    "loyalty", [PROFILE_CHANGES.name], LOYALTY_CHANGES.name, KINDS, metrics_port=9102, item_kinds=ITEM_KINDS, deduplicate_by_id=True
)


async def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT; the exit code. Reads ``profile-events``, writes ``loyalty-events``, ``loyalty-accounts``, ``quarantine``;
    takes redemptions over HTTP.

    1 where the port is taken; 2 where the programme cannot be read or is wrong: each wrong line is logged, and trying again will not help.
    """
    try:
        programme = programme_file.load(settings.loyalty.programme)
    except (WrongProgramme, OSError) as error:
        for line in str(error).split("\n"):
            log.error("the loyalty programme cannot be used: %s", line)
        return WRONG_PROGRAMME

    def make(store: EventStore) -> LoyaltyStage:
        return LoyaltyStage(store, programme, SystemClock(), settings.stage.cache)

    def door(commands: Commands, tracer: Tracer | None) -> Door:
        return Door(create_app(commands.ask, redeem_keys_of(settings.data_dir), tracer), settings.loyalty.host, settings.loyalty.port)

    try:
        return await run_stage(settings, PROCESS, make, door if settings.loyalty.port else None)
    except PortInUse as error:
        log.error("%s: choose another with RAPPORT_LOYALTY_PORT (0: no redemptions over HTTP)", error)
        return 1


def main() -> int:
    """``python -m services.loyalty.app``, configured by RAPPORT_* variables."""
    settings = Settings()
    configure_logging(settings.log.level, settings.log.format == "json")
    return uvloop.run(run(settings))


if __name__ == "__main__":
    raise SystemExit(main())
