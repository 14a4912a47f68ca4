"""Takes what is in quarantine, decides for each, and writes touchpoints and decisions to Kafka."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence

from schemas import times
from schemas.topics import QUARANTINE, TOUCHPOINTS, Topic
from services.cli.errors import CommandFailed
from services.ingest.message_key import keys_by
from services.projections.answers import RefusedWhole
from services.projections.queries import Queries
from services.quarantine.decisions import Decider, Told, decided, redriven
from services.quarantine.redriving import Admitted, InQuarantine, Outcome, Redriving
from services.quarantine.rules import Rule
from services.runtime.kafka import KafkaConnection
from services.runtime.message_sender import MessageSender, key_hash
from services.runtime.reachability import Unreached, count_topics
from services.runtime.settings import Settings
from services.runtime.stage_process import kafka_connection

AT_ONCE = 200
"""Originals in memory, and messages between two acknowledgements."""
WAITING = "waiting"


class Selection:
    """What a command is about: ids in any state, or what waits and fits the filters."""

    def __init__(self, queries: Queries, ids: Sequence[str], only: dict[str, str | int | None]) -> None:
        self._queries = queries
        self.ids = list(dict.fromkeys(ids)) or queries.quarantine_ids(**only, state=WAITING)

    def pages(self) -> Iterator[list[RefusedWhole]]:
        """Raises CommandFailed for an id that is not there, before anything is done for its page."""
        for start in range(0, len(self.ids), AT_ONCE):
            wanted = self.ids[start : start + AT_ONCE]
            found = self._queries.quarantined_whole(wanted)
            if missing := set(wanted) - {one.quarantine_id for one in found}:
                raise CommandFailed(f"nothing in quarantine is called {min(missing)}", "`rapport quarantine list` shows the latest")
            yield found


def try_out(selection: Selection, rules: Sequence[Rule]) -> Outcome:
    """What would become of them; changes nothing."""
    redriving, outcome = Redriving(rules), Outcome()
    for page in selection.pages():
        for one in page:
            outcome.count(redriving.tried(_in_quarantine(one)))
    return outcome


def redrive(selection: Selection, rules: Sequence[Rule], decider: Decider, settings: Settings) -> Outcome:
    """Writes those that would be admitted to ``touchpoints``, and then their decisions: interrupted, run it again.

    Raises CommandFailed where Kafka does not take them; what was written is a duplicate the next time.
    """
    redriving, outcome, key_of = Redriving(rules), Outcome(), keys_by(settings.identity.priority)
    connection = _reachable(settings)
    for page in selection.pages():
        results = [redriving.tried(_in_quarantine(one)) for one in page]
        events, decisions = [], []
        for one in (result for result in results if isinstance(result, Admitted)):
            decision_id = str(uuid.uuid4())
            events.append(redriven(one, key_of(one.identifiers), decision_id))
            decisions.append(decided(decider, "redriven", one.quarantine_id, decision_id, rules, one.event_id))
        _write(connection, ((TOUCHPOINTS, events), (QUARANTINE, decisions)))
        for result in results:
            outcome.count(result)
    return outcome


def discard(selection: Selection, decider: Decider, settings: Settings) -> tuple[int, int]:
    """How many were discarded, and how many stay because they were decided about before. Raises as ``redrive`` does."""
    connection = _reachable(settings)
    done = stayed = 0
    for page in selection.pages():
        found = [one.quarantine_id for one in page if one.state == WAITING]
        _write(connection, ((QUARANTINE, [decided(decider, "discarded", id, str(uuid.uuid4())) for id in found]),))
        done, stayed = done + len(found), stayed + len(page) - len(found)
    return done, stayed


def _in_quarantine(one: RefusedWhole) -> InQuarantine:
    return InQuarantine(
        quarantine_id=one.quarantine_id,
        stage=one.stage,
        reason=one.reason,
        topic=one.topic,
        event_id=one.event_id,
        source=one.source,
        received_at=times.written(one.received_at),
        original=one.original,
        encoding=one.encoding,
    )


def _reachable(settings: Settings) -> KafkaConnection:
    connection = kafka_connection(settings.kafka)
    try:
        count_topics(connection)
    except Unreached as error:
        raise CommandFailed(f"Kafka cannot be reached: {error}", "`rapport status` shows the stack, `rapport up` starts it") from error
    return connection


def _write(connection: KafkaConnection, by_topic: Sequence[tuple[Topic, Sequence[Told]]]) -> None:
    """One topic after the other, each acknowledged."""
    if any(messages for _, messages in by_topic):
        asyncio.run(_send(connection, by_topic))


async def _send(connection: KafkaConnection, by_topic: Sequence[tuple[Topic, Sequence[Told]]]) -> None:
    sender = MessageSender(connection)
    try:
        await sender.prepare(topic.name for topic, _ in by_topic)
        for topic, messages in by_topic:
            count = sender.partitions[topic.name]
            await sender.send(((topic.name, key_hash(told.key) % count), told.key, told.value, told.headers) for told in messages)
    except Exception as error:  # a client may raise anything: what arrived is a duplicate when it is sent again
        words = f"Kafka did not take all of it: {type(error).__name__}: {error}"
        raise CommandFailed(words, "run the command again: nothing counts twice") from error
    finally:
        await sender.drop()
