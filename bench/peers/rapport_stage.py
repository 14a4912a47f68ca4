"""The simple job on Rapport's own runtime: a stage that does this job and no more; its state exactly once, in SQLite flushed to disk.

python -m bench.peers.rapport_stage BOOTSTRAP INPUT OUTPUT FOLDER

As its peers it trusts its input. A customer's messages have the text of ``originator_of`` the customer as their key.
"""

import os
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import uvloop

from bench.peers import simple_job
from services.loyalty.remembered import Remembered
from services.runtime.event_store import EventStore, NewEvent, Transaction
from services.runtime.settings import Settings
from services.runtime.stage import Message, Record
from services.runtime.stage_process import StageProcess, run_stage

KINDS = ("seen", "customers")
"""``seen``: event_id → nothing; ``customers``: customer → Customer."""
TAKEN_IN = "touchpoint_taken_in"

_read = msgspec.json.Decoder(dict[str, Any]).decode
_write = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Customer(msgspec.Struct, array_like=True):
    """``sequence``: of its latest message."""

    originator: UUID
    sequence: int
    profile: simple_job.Profile


_unpack = msgspec.msgpack.Decoder(Customer).decode


def originator_of(customer: str) -> UUID:
    """Whose events the store says they are."""
    return uuid5(NAMESPACE_OID, customer)


class SimpleStage:
    """See services/runtime/stage.py. ``remember``: customers kept in memory, twice."""

    name = "simple_job"

    def __init__(self, store: EventStore, target: str, remember: int) -> None:
        self.route = {TAKEN_IN: target}
        self._store, self._customers = store, Remembered[Customer](remember)

    def decide(self, records: Sequence[Record]) -> Transaction:
        simple_job.tell_begun()
        self._customers.age()
        touchpoints = [_read(record.value or b"") for record in records]
        names = [(record.key or b"").decode() for record in records]
        seen = set(self._store.rows("seen", {touchpoint["event_id"] for touchpoint in touchpoints}))
        self._load(set(names))
        transaction, changed = Transaction(), dict[str, Customer]()
        new: dict[str, bytes | None] = {}
        for name, touchpoint in zip(names, touchpoints, strict=True):
            event_id = touchpoint["event_id"]
            if event_id in seen or event_id in new:
                transaction.outcomes["duplicate", ""] += 1
                continue
            new[event_id] = b""
            customer = changed[name] = changed.get(name) or self._customer(name)
            customer.sequence += 1
            said = _write(simple_job.apply(customer.profile, touchpoint))
            transaction.events.append(NewEvent(customer.originator, customer.sequence, TAKEN_IN, said))
        transaction.outcomes["applied", ""] = len(new)
        transaction.rows = {"seen": new, "customers": {name: _pack(customer) for name, customer in changed.items()}}
        return transaction

    def _load(self, names: set[str]) -> None:
        absent = [name for name in names if self._customers.get(name) is None]
        for name, row in self._store.rows("customers", absent).items():
            self._customers.put(name, _unpack(row))

    def _customer(self, name: str) -> Customer:
        found = self._customers.get(name)
        if found is None:
            found = Customer(originator_of(name), 0, simple_job.new_profile())
            self._customers.put(name, found)
        return found

    def tick(self, now_ms: int) -> Transaction | None:
        return None

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        """Each message has the whole profile."""
        return ()

    def forget(self) -> None:
        self._customers.forget()


def main(bootstrap: str, source: str, target: str, folder: str) -> int:
    os.environ |= {"RAPPORT_KAFKA_BOOTSTRAP": bootstrap, "RAPPORT_DATA_DIR": folder, "RAPPORT_LOG_LEVEL": "warning"}
    settings, process = Settings(), StageProcess(SimpleStage.name, [source], target, KINDS, metrics_port=0)
    return uvloop.run(run_stage(settings, process, partial(SimpleStage, target=target, remember=settings.stage.cache)))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
