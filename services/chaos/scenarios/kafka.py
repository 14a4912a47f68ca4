"""The log is away, slow, or breaks off in the middle of something."""

import signal

from services.chaos.play import Play, Scenario

DELAY_SECONDS = 2.0
ROOM_MB = 60
"""What a process may grow by while it waits: buffers, not everything that came."""


def connections(it: Play) -> None:
    """Reset, delayed, cut in the middle of a request."""
    proxy = it.stack.kafka_proxy
    for part in it.parts(it.times(4, 30)):
        it.send(part)
        it.under_way(it.sender.left // 2)
        proxy.reset_all()
        it.harm("all connections to Kafka reset")
        cut = proxy.cut + 3
        proxy.cut_messages(3)
        it.until(lambda cut=cut: proxy.cut >= cut or "not cut yet", "requests to be cut")  # type: ignore[misc]
        it.harm("a request to Kafka cut in the middle", 3)
    it.answered()
    proxy.delay = DELAY_SECONDS
    it.harm("Kafka 2 s late")
    it.send(it.requests[: it.times(2, 20)])
    it.answered()
    proxy.delay = 0.0


def lost_acknowledgements(it: Play) -> None:
    """What was asked for happened, and nobody learns that it did."""
    proxy = it.stack.kafka_proxy
    for part in it.parts(it.times(6, 40)):
        it.send(part)
        lost = proxy.lost + 2
        proxy.lose_answers(2)
        it.until(lambda lost=lost: proxy.lost >= lost or "not lost yet", "answers to be lost")  # type: ignore[misc]
        it.harm("an answer of Kafka lost", 2)
    it.answered()


def broker_down(it: Play) -> None:
    """503 with Retry-After, nothing answered 200, memory flat; then all goes on."""
    first, second = it.parts(2)
    it.send(first)
    it.under_way(it.sender.left // 2)
    it.stack.kill_backend("kafka")
    it.harm("Kafka killed")
    before = {slot: it.stack.resident_mb(slot) for slot in it.stack.services}
    refused = it.promised.statuses[503]
    it.send(second)
    it.until(lambda: it.promised.statuses[503] >= refused + 4 or "none yet", "503")
    promised = len(it.promised.events)
    it.pace(it.times(4, 60))
    it.must(len(it.promised.events) == promised, "ingest answered 200 while Kafka was down")
    it.must(it.promised.without_retry_after == 0, "ingest answered 503 without Retry-After")
    _flat(it, before)
    it.stack.start_kafka()
    it.harm("Kafka started again")
    it.answered()
    it.notes["answers 503 meanwhile"] = str(it.promised.statuses[503] - refused)


def broker_stopped(it: Play) -> None:
    """The broker accepts connections and says nothing: SIGSTOP."""
    first, second = it.parts(2)
    it.send(first)
    it.under_way(it.sender.left // 2)
    kafka = it.stack.backends["kafka"]
    kafka.send_signal(signal.SIGSTOP)
    try:
        refused = it.promised.statuses[503]
        it.send(second)
        it.until(lambda: it.promised.statuses[503] > refused or "none yet", "503")
        it.pace(it.times(1, 30))
    finally:
        kafka.send_signal(signal.SIGCONT)
        it.harm("Kafka stopped and continued")
    it.answered()


def _flat(it: Play, before: dict[str, int]) -> None:
    for slot, megabytes in before.items():
        now = it.stack.resident_mb(slot)
        it.notes[f"memory of {slot}"] = f"{megabytes} to {now} MB"
        it.must(now <= megabytes + ROOM_MB, f"{slot} grew from {megabytes} to {now} MB while it waited")


SCENARIOS = (
    Scenario("kafka-connections", 7, "connections to Kafka reset, cut in mid-message, 2 s late", connections, short=True),
    Scenario("kafka-down", 8, "Kafka killed and away", broker_down, short=True),
    Scenario("kafka-stopped", 8, "Kafka hangs", broker_stopped),
    Scenario("lost-acknowledgements", 9, "answers of Kafka lost", lost_acknowledgements, short=True),
)
