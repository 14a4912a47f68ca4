"""The subscriber of docs/subscribe.md, run as it stands there: snapshots first, then each change, no gap, no repeat."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.flow.command import ROOT, Stack, until
from tests.flow.test_the_whole_way import sent, visit

PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Subscriber:
    """The page's program, and what it has printed so far."""

    def __init__(self, program: Path, servers: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self._process = subprocess.Popen([sys.executable, str(program), servers], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.heard.append(json.loads(line))

    def sequences(self, customer: str) -> list[int]:
        return [said["sequence"] for said in list(self.heard) if customer in (said.get("snapshot"), said.get("change"))]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def test_the_pages_subscriber_hears_every_change_of_a_customer_once_and_in_order(stack: Stack, tmp_path: Path) -> None:
    found = PROGRAM.search((ROOT / "docs" / "subscribe.md").read_text(encoding="utf-8"))
    assert found
    program = tmp_path / "subscriber.py"
    program.write_text(found[1], encoding="utf-8")
    sent(stack, visit("before-1", email="subscribed@example.com"), visit("before-2", email="subscribed@example.com"))
    who = "SELECT customer_id FROM customers WHERE has(emails, 'subscribed@example.com') AND touchpoints >= 2"
    until(lambda: stack.asked(who), "its snapshot")
    customer = stack.asked(who)[0][0]

    subscriber = Subscriber(program, stack.kafka)
    try:
        until(lambda: subscriber.sequences(customer), "the snapshot is heard")
        for tens in (0, 10):
            sent(stack, *(visit(f"while-listening-{tens + number}", email="subscribed@example.com") for number in range(10)))
        last = "SELECT max(sequence) FROM touchpoints WHERE customer_at = '" + customer + "' AND event_id LIKE 'while-listening-%'"
        until(lambda: stack.number("SELECT count() FROM touchpoints WHERE event_id LIKE 'while-listening-%'") == 20, "all are projected")
        until(lambda: subscriber.sequences(customer)[-1] == stack.number(last), "all changes are heard")
    finally:
        subscriber.stop()
    heard = subscriber.sequences(customer)
    assert heard == list(range(heard[0], heard[0] + len(heard)))
    assert len(heard) >= 21
    for other in {said.get("snapshot") or said["change"] for said in subscriber.heard}:
        changes = [said["sequence"] for said in subscriber.heard if said.get("change") == other]
        assert changes == list(range(changes[0], changes[0] + len(changes))) if changes else True
