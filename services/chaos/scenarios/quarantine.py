"""What was fixed is put back, and put back again."""

import json

from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.sender import SOURCE, refused_id
from services.chaos.traffic import Line, Request

FIX = ("quarantine", "fix", "--rule", "cast $.payload.tax_minor int")
"""No other purchase that the bench spoils has a tax: several of one order_id
would be several purchases, which the reference does not know."""
THEIRS = ("--source", SOURCE, "--reason", "invalid", "--type", "purchase")


def redriven_twice(it: Play) -> None:
    """A till sends taxes as text. Fixed they go back: by filters, and twice more by id."""
    begin, rest = it.parts(2)
    it.send(begin)
    orders = [_order(f"{it.name}-till-{number}") for number in range(it.times(25, 1_000))]
    it.send([Request(tuple(orders), 1)])
    it.answered()
    it.quiet()
    it.must(_counted(it) == 0, "an order whose tax is no number is counted")
    it.stack.rapport(*FIX, *THEIRS, "--by", "the bench", "--why", "taxes as text")
    ids = [refused_id(order.raw) for order in orders]
    it.send(rest)
    for _ in range(2):
        it.stack.rapport(*FIX, *ids, "--by", "the bench")
        it.harm("a fixed touchpoint put back again", len(ids))
    it.answered()
    it.quiet()
    counted = _counted(it)
    it.must(counted == len(orders), f"{counted} of {len(orders)} fixed orders are counted")


def _order(event_id: str) -> Line:
    """No touchpoint as it is: its tax is text."""
    payload = {"order_id": event_id, "total_minor": 1250, "tax_minor": "0", "currency": "EUR"}
    said = {"event_id": event_id, "type": "purchase", "occurred_at": "2026-01-02T03:04:05Z", "source": SOURCE, "payload": payload}
    return Line(None, json.dumps(said | {"identifiers": [{"type": "customer_id", "value": event_id}]}).encode())


def _counted(it: Play) -> int:
    which = {"ids": f"{it.name}-till-%"}
    ((count,),) = client_of(it.stack).execute("SELECT count() FROM rapport.touchpoints WHERE event_id LIKE %(ids)s", which)
    return int(count)


SCENARIOS = (Scenario("redriven-twice", 16, "what was fixed in quarantine is put back three times", redriven_twice, short=True),)
