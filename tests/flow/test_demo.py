"""The demo, as users see it first: its figures are the log's, however often it is run."""

import re
from collections.abc import Iterator

import pytest

from tests.flow.command import Stack
from tests.flow.conftest import new_stack

HEADLINE = "69,659 purchases, 23,570 buying customers, 2,500,315.63 USD, best customer 07592 with 13,990.93 USD"


def answers(out: str) -> str:
    """What the demo shows from ClickHouse on: without times, speeds, and what it says of starting and stopping programs."""
    return re.sub(r"\s+\n|^[a-z]+: [a-z]+\n", "\n", out[out.index("ClickHouse answers") :], flags=re.MULTILINE).rstrip()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo's own: it comes to an empty directory first, later to a stack that runs already."""
    of_the_demo = new_stack(tmp_path_factory, "demo")
    yield of_the_demo
    of_the_demo.run("down")


@pytest.mark.timeout(900)
def test_the_demo_shows_the_real_logs_figures_and_a_second_one_changes_none(stack: Stack) -> None:
    first = stack.run("demo", "--exit", *stack.port_options)
    assert first.code == 0, first.out + first.err
    assert HEADLINE in first.out
    assert stack.run("status").code == 1, "--exit leaves nothing running"
    assert stack.up().code == 0
    second = stack.run("demo", "--exit")
    assert second.code == 0, second.out + second.err
    assert answers(second.out) == answers(first.out)
    assert stack.run("status").code == 0, "a stack that was up already stays up"
    assert stack.number("SELECT count() FROM purchases WHERE total_minor = 0") == 80
    assert stack.number("SELECT count() - uniqExact(event_id) FROM touchpoints") == 0
    nobodys = "SELECT count() FROM loyalty_accounts WHERE balance != 0 AND customer_id NOT IN (SELECT customer_id FROM customers)"
    assert stack.number(nobodys) == 0
    balances = "SELECT sum(balance) - (SELECT sum(amount) FROM loyalty_ledger WHERE ledger = 'points') FROM loyalty_accounts"
    assert stack.number(balances) == 0
    told = stack.run("customer", "customer_id:07592")
    assert told.code == 0, told.err
    assert "13,990.93 USD in 201 orders" in told.out
