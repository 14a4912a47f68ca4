"""From one release to the next, process by process, and back, while channels speak both versions of a touchpoint."""

from collections.abc import Sequence

from schemas.topics import TOUCHPOINTS
from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.scenarios.workers import partitions
from services.chaos.stack import SERVICES
from services.chaos.traffic import Mix, Request

SECOND = "profile-2"
WAITS = "SELECT countIf(state = 'waiting'), countIf(stage = 'ingest'), count() FROM rapport.quarantine WHERE reason = 'unknown_version'"
A_TIME = 30
"""More, as long as something is waited for: chance may have left out of a small part what it is about."""
PUT_BACK = ("quarantine", "redrive", "--reason", "unknown_version", "--by", "the bench", "--why", "upgraded")


def rolling_upgrade(it: Play) -> None:
    """In the worst order: what writes is upgraded before what reads. So each service meets what it does not know yet: ingest and
    profile set it aside, loyalty and projections wait. After the upgrade it is put back, twice."""
    before, ingest_new, side_by_side, profile_new, all_new, back_again = it.parts(6)
    _exchange(it, *SERVICES, former=True)
    _send(it, before)
    _until_set_aside(it, "ingest")
    _exchange(it, "ingest", former=False)
    _send(it, ingest_new)
    _until_set_aside(it, "profile")
    it.stack.start("profile", SECOND)
    it.until(lambda: 0 < partitions(it.stack, SECOND) < TOUCHPOINTS.partitions or "not shared", f"{SECOND} to share the partitions")
    it.harm("a profile worker of the next release beside one of the former")
    _send(it, side_by_side)
    it.must(it.stack.end(SECOND) == 0, f"{SECOND} did not leave with 0")
    said = {slot: it.stack.log_of(slot).stat().st_size for slot in ("loyalty", "projections")}
    _exchange(it, "profile", former=False)
    _send(it, profile_new)
    for slot, size in said.items():
        _until_it_waits(it, slot, size)
        _exchange(it, slot, former=False)
    _send(it, all_new)
    it.quiet()
    _exchange(it, "ingest", "profile", former=True)
    _send(it, back_again)
    _exchange(it, "ingest", "profile", former=False)
    _put_back(it)


def _send(it: Play, part: Sequence[Request]) -> None:
    it.send(part)
    it.answered()


def _exchange(it: Play, *slots: str, former: bool) -> None:
    """The processes leave as they were asked to, and the other release starts in their place."""
    services = [it.stack.services[slot] for slot in slots]
    restarts = [service.restarts for service in services]
    for slot in slots:
        it.stack.exchange(slot, former)
    for service, before in zip(services, restarts, strict=True):
        it.until(lambda service=service, before=before: service.restarts > before or "still here", f"{service.slot} to leave")  # type: ignore[misc]
        it.answers_again(service.slot)
        it.harm(f"{service.slot} {'back to the former release' if former else 'upgraded'}")


def _until_set_aside(it: Play, stage: str) -> None:
    """Until that stage, which is the former release's, has met what it does not know."""
    query, client = "SELECT count() FROM rapport.quarantine WHERE reason = 'unknown_version' AND stage = %(stage)s", client_of(it.stack)

    def set_aside() -> bool | str:
        it.keep_sending(A_TIME)
        return client.execute(query, {"stage": stage}) != [(0,)] or "none yet"

    it.until(set_aside, f"{stage} to set something aside", every=0.2)


def _until_it_waits(it: Play, slot: str, size: int) -> None:
    """Until it says, beyond so many bytes of its log, that it does not know what it reads."""

    def waits() -> bool | str:
        it.keep_sending(A_TIME)
        return b"TooNew" in it.stack.log_of(slot).read_bytes()[size:] or "it says nothing"

    it.until(waits, f"{slot} to wait until it is upgraded", every=0.2)


def _put_back(it: Play) -> None:
    it.quiet()
    client = client_of(it.stack)
    ((waiting, at_the_door, every),) = client.execute(WAITS)
    it.must(0 < at_the_door < every, f"{every} were set aside, {at_the_door} of them by ingest: both it and profile should have met some")
    it.stack.rapport(*PUT_BACK)
    it.quiet()
    ids = [id for (id,) in client.execute("SELECT quarantine_id FROM rapport.quarantine WHERE reason = 'unknown_version'")]
    it.stack.rapport("quarantine", "redrive", *ids)
    it.quiet()
    it.harm("touchpoints of a version that was not known yet", waiting)
    ((waiting, _, _),) = client.execute(WAITS)
    it.must(waiting == 0, f"{waiting} still wait in quarantine after the upgrade")


SCENARIOS = (
    Scenario(
        "rolling-upgrade",
        22,
        "a rolling upgrade to the next version of a touchpoint, and back",
        rolling_upgrade,
        Mix(newer=0.7, conflicts=0),
        short=True,
    ),
)
