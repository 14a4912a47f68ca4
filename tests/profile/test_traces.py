"""What a touchpoint causes carries the trace in which it came; what others cause does not."""

import json
from dataclasses import replace

from tests.profile.stage_run import Run
from tests.profile.touchpoints import Record, records, touchpoint

TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def traced(record: Record) -> Record:
    return replace(record, headers=(("traceparent", TRACE),))


def test_every_event_that_a_traced_touchpoint_causes_carries_its_trace_and_no_other_does() -> None:
    run = Run()
    run.feed(touchpoint("e1", "customer_id:1"), touchpoint("e2", "email:a@example.org"))
    before, link, after = records(
        touchpoint("e3", "customer_id:1"), touchpoint("e4", "customer_id:1", "email:a@example.org"), touchpoint("e5", "email:b@example.org")
    )
    # when
    decided = run.stage.decide([before, traced(link), after])
    # then
    causes = {index: json.loads(event.state)["cause"] for index, event in enumerate(decided.events)}
    assert decided.traces == {index: TRACE for index, cause in causes.items() if cause == "e4"}
    assert {decided.events[index].type for index in decided.traces} == {"touchpoint_applied", "customers_merged", "customer_merged_into"}


def test_what_is_set_aside_carries_its_trace_too() -> None:
    decided = Run().stage.decide([Record(b"no touchpoint", 0), traced(Record(b"nor this", 1))])
    assert decided.traces == {1: TRACE}
    assert [event.type for event in decided.events] == ["quarantined", "quarantined"]
