"""What channels send: repeats, contradictions, poison, and everything in the wrong order."""

import asyncio

from schemas.topics import TOUCHPOINTS
from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.traffic import POISON, Mix, Request
from services.runtime.kafka import KafkaConnection, new_producer

MOVES_ON_WITHIN = 1.0
SHARE = "RAPPORT_STAGE_MAX_QUARANTINE_SHARE"


def repeats(it: Play) -> None:
    """All of it three times: at once, and again when every memory of it is gone but the log's and the stores'."""
    it.send([Request(request.lines, 2) for request in it.requests])
    it.harm("a request sent twice", len(it.requests))
    it.answered()
    it.quiet()
    for slot in ("profile", "loyalty"):
        it.stack.kill(slot)
    it.send([Request(request.lines, 1) for request in it.requests])
    it.harm("a request sent again after a restart", len(it.requests))
    it.answered()


def as_they_come(it: Play) -> None:
    """What is odd is in the traffic itself."""
    it.send(it.requests)
    it.answered()
    it.harm("lines out of the ordinary", sum(len(request.lines) for request in it.requests))


def poison_in_the_log(it: Play) -> None:
    """Past ingest, straight into the topic: each partition must move on within a second."""
    begin, rest = it.parts(2)
    it.send(begin)
    it.answered()
    it.quiet()
    values = [one % b"straight" for one in POISON] + [b"", b"null", b"[]", b'"text"', b"x" * 900_000, b"\x00", b"{" * 50_000]
    asyncio.run(_produce(it.stack.bootstrap, [*values, None]))
    it.harm("poison in the log", len(values) + 1)
    probe = next(line for request in it.more(40) for line in request.lines if line.event_id)
    it.send([Request((probe,), 1)])
    it.answered()
    slow = 5.0 if not it.full else 1.0
    client = client_of(it.stack)
    seen = "SELECT count() FROM rapport.touchpoints WHERE event_id = %(id)s"
    took = it.until(lambda: client.execute(seen, {"id": probe.event_id}) == [(1,)] or "not seen", "the touchpoint behind the poison")
    it.notes["the next touchpoint seen after"] = f"{took:.1f} s"
    it.must(took <= MOVES_ON_WITHIN + slow, f"the touchpoint behind the poison came after {took:.1f} s")
    it.send(rest)
    it.answered()


def only_bad_input(it: Play) -> None:
    """The consumer stops at the configured share, says so, and has moved nothing; told to go on, it goes on."""
    it.send(it.requests)
    it.answered()
    it.quiet()
    it.stack.reconfigure("profile", {SHARE: "0.5"})
    it.stack.kill("profile")
    it.until(lambda: it.stack.answers("profile"), "profile to start")
    said = it.stack.log_of("profile").stat().st_size
    count = it.times(600, 1_500)
    asyncio.run(_produce(it.stack.bootstrap, [b"{}"] * count))
    it.harm("bad input and nothing else", count * TOUCHPOINTS.partitions)

    def says_so() -> bool | str:
        return b"OnlyBadInput" in it.stack.log_of("profile").read_bytes()[said:] or "nothing said"

    it.until(says_so, "profile to stop and say so")
    ((refused,),) = client_of(it.stack).execute("SELECT countIf(stage = 'profile') FROM rapport.quarantine WHERE original = '{}'")
    it.must(refused < 2_000, f"{refused} messages were put in quarantine all the same")
    it.stack.reconfigure("profile", {SHARE: "1"})
    it.stack.kill("profile")


async def _produce(bootstrap: str, values: list[bytes | None]) -> None:
    """Each into every partition."""
    producer = new_producer(KafkaConnection(bootstrap))
    await producer.start()
    try:
        for partition in range(TOUCHPOINTS.partitions):
            for value in values:
                await producer.send(TOUCHPOINTS.name, value, key=b"poison", partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


SCENARIOS = (
    Scenario("repeats", 12, "every request three times, once after a restart", repeats, short=True),
    Scenario("conflicts", 13, "event ids used again with other content", as_they_come, Mix(conflicts=0.2, again=0.3), short=True),
    Scenario("poison", 14, "poison over HTTP", as_they_come, Mix(poison=0.3)),
    Scenario("poison-in-the-log", 14, "poison written to the topic itself", poison_in_the_log, short=True),
    Scenario("only-bad-input", 15, "nothing but bad input", only_bad_input, short=True),
    Scenario("disorder", 19, "out of order, days late, clocks ahead by hours", as_they_come, Mix(late=0.6, early=0.1), short=True),
)
