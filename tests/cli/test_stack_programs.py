"""Which ports the programs of a stack get."""

from pathlib import Path

from services.cli.stack_programs import METRICS_PORTS, metrics_ports


def test_two_stacks_that_start_at_the_same_moment_show_their_metrics_on_different_ports(tmp_path: Path) -> None:
    # given: neither has started a stage yet, so that every port is free
    with metrics_ports(tmp_path / "lock") as first, metrics_ports(tmp_path / "lock") as second:
        assert first.keys() == second.keys() == METRICS_PORTS.keys()
        assert len({*first.values(), *second.values()}) == 2 * len(METRICS_PORTS)
    # when: both have gone
    with metrics_ports(tmp_path / "lock") as third:
        assert set(third.values()).isdisjoint(second.values())
