"""The port that shows how a process is."""

import urllib.error
import urllib.request

import pytest

from services.runtime import metrics


def test_health_and_metrics_are_shown_on_one_port() -> None:
    # given
    problems: list[str] = []
    port, stop = metrics.serve_metrics(0, lambda: problems[0] if problems else None)
    metrics.MESSAGES.labels("shown", "applied", "").inc(3)
    try:
        # then
        assert get(port, "/healthz") == "ok\n"
        assert 'rapport_messages_total{outcome="applied",reason="",stage="shown"} 3.0' in get(port, "/metrics")
        # when
        problems.append("the database is away")
        # then
        with pytest.raises(urllib.error.HTTPError) as answer:
            get(port, "/healthz")
        assert answer.value.code == 503
        assert answer.value.read() == b"the database is away\n"
    finally:
        stop()


def test_a_taken_port_is_an_error() -> None:
    port, stop = metrics.serve_metrics(0, lambda: None)
    with pytest.raises(OSError, match="in use"):
        metrics.serve_metrics(port, lambda: None)
    stop()


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as page:
        text: str = page.read().decode()
        return text
