"""What services say on /metrics, read for people."""

from services.cli.measurements import Measured, parsed
from services.cli.status import per_second

TEXT = """# HELP rapport_messages_total Messages taken in
# TYPE rapport_messages_total counter
rapport_messages_total{outcome="applied",reason="",stage="profile"} 1200.0
rapport_messages_total{outcome="applied",reason="late",stage="profile"} 3.0
rapport_messages_total{outcome="duplicate",reason="repeated",stage="profile"} 7.0
rapport_messages_created{outcome="applied",reason="",stage="profile"} 1.7e+09
rapport_lag_messages{partition="0",stage="profile",topic="touchpoints"} 5.0
rapport_lag_messages{partition="1",stage="profile",topic="touchpoints"} 0.0
rapport_unpublished_events{stage="profile"} 2.0
"""


def test_outcomes_add_up_and_lag_is_kept_by_partition() -> None:
    measured = parsed(TEXT)
    assert measured.taken == {"applied": 1203, "duplicate": 7}
    assert measured.lag == {("touchpoints", 0): 5, ("touchpoints", 1): 0}
    assert (measured.taken_in_all, measured.waiting) == (1210, 7)


def test_a_rate_is_what_came_between_two_looks_and_nothing_after_a_restart() -> None:
    before, now = (10.0, Measured({"applied": 100})), (12.0, Measured({"applied": 300}))
    assert per_second(before, now) == 100
    assert per_second(None, now) == 0
    assert per_second(now, (14.0, Measured({"applied": 5}))) == 0
