"""Every message that Rapport takes or publishes, by the name that its schema, its example and its documentation share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas.loyalty_events import LOYALTY_EVENTS, Account
from schemas.profile_events import PROFILE_EVENTS, Profile
from schemas.quarantine import Quarantined, QuarantineDecision
from schemas.topics import LOYALTY_ACCOUNTS, LOYALTY_CHANGES, PROFILE_CHANGES, PROFILES, QUARANTINE, TOUCHPOINTS, Topic
from schemas.touchpoints import PAYLOADS

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """One message type of one topic. ``model`` is the whole message, or the payload of a touchpoint."""

    name: str
    title: str
    topic: Topic
    model: type[BaseModel]
    kind: str
    version: int = 1

    @property
    def example_file(self) -> Path:
        return FOLDER / "examples" / f"{self.name}.json"

    @property
    def schema_file(self) -> Path:
        return FOLDER / "json" / f"{self.name}.schema.json"

    def example(self) -> Any:
        return json.loads(self.example_file.read_text(encoding="utf-8"))


def touchpoints() -> list[Entry]:
    """What channels send."""
    return [Entry(f"touchpoint.{kind}.v{version}", kind, TOUCHPOINTS, model, kind, version) for (kind, version), model in PAYLOADS.items()]


def published() -> list[Entry]:
    """What Rapport's stages publish."""
    return [
        *(Entry(f"profile.{kind}", kind, PROFILE_CHANGES, model, kind) for kind, model in PROFILE_EVENTS.items()),
        Entry("profile", "profile", PROFILES, Profile, "profile"),
        *(Entry(f"loyalty.{kind}", kind, LOYALTY_CHANGES, model, kind) for kind, model in LOYALTY_EVENTS.items()),
        Entry("account", "account", LOYALTY_ACCOUNTS, Account, "account"),
        Entry("quarantined", "quarantined", QUARANTINE, Quarantined, "quarantined"),
        Entry("quarantine_decided", "quarantine_decided", QUARANTINE, QuarantineDecision, "quarantine_decided"),
    ]


def entries() -> list[Entry]:
    return [*touchpoints(), *published()]
