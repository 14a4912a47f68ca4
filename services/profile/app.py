"""Runs the profile stage in the foreground."""

import uvloop

from schemas.topics import PROFILE_CHANGES, TOUCHPOINTS
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS, ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store import EventStore
from services.runtime.logging import configure_logging
from services.runtime.settings import IdentitySettings, LifecycleSettings, Settings
from services.runtime.stage_process import StageProcess, run_stage

PROCESS = StageProcess("profile", [TOUCHPOINTS.name], PROFILE_CHANGES.name, KINDS, metrics_port=9101)


async def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT; the exit code. Reads ``touchpoints``, writes ``profile-events``, ``profiles``, ``quarantine``."""

    def make(store: EventStore) -> ProfileStage:
        identity, lifecycle = identity_policy(settings.identity), lifecycle_policy(settings.lifecycle)
        return ProfileStage(store, identity, lifecycle, SystemClock(), settings.stage.cache)

    return await run_stage(settings, PROCESS, make)


def identity_policy(identity: IdentitySettings) -> IdentityPolicy:
    """Who is who, as configured."""
    return IdentityPolicy(
        key=identity.key.get_secret_value().encode(),
        default_region=identity.default_region,
        regions=identity.regions,
        priority=identity.priority,
        limits=identity.limits,
        partner_limit=identity.partner_limit,
        blocked=frozenset(identity.blocked),
    )


def lifecycle_policy(lifecycle: LifecycleSettings) -> LifecyclePolicy:
    """When a customer counts as at risk, and as lost, as configured."""
    return LifecyclePolicy(lifecycle.new_days, lifecycle.at_risk_days, lifecycle.lost_days)


def main() -> int:
    """``python -m services.profile.app``, configured by RAPPORT_* variables."""
    settings = Settings()
    configure_logging(settings.log.level, settings.log.format == "json")
    return uvloop.run(run(settings))


if __name__ == "__main__":
    raise SystemExit(main())
