"""The demo, as users see it first: its figures are the log's, however often it is run."""

import re

import pytest

from tests.flow.command import Stack

HEADLINE = "69,659 purchases, 23,570 buying customers, 2,500,315.63 USD, best customer 07592 with 13,990.93 USD"


def answers(out: str) -> str:
    """What the demo shows from ClickHouse on: without times and speeds."""
    return re.sub(r"\s+\n", "\n", out[out.index("ClickHouse answers") :])


@pytest.mark.timeout(900)
def test_the_demo_shows_the_real_logs_figures_and_a_second_one_changes_none(stack: Stack) -> None:
    first = stack.run("demo", "--exit")
    assert first.code == 0, first.out + first.err
    assert HEADLINE in first.out
    second = stack.run("demo", "--exit")
    assert second.code == 0, second.out + second.err
    assert answers(second.out) == answers(first.out)
    assert stack.number("SELECT count() FROM purchases WHERE event_id LIKE 'cdnow-%' AND total_minor = 0") == 80
    assert stack.number("SELECT count() - uniqExact(event_id) FROM touchpoints") == 0
    assert (
        stack.number(
            "SELECT count() FROM loyalty_accounts AS a WHERE balance != 0 AND customer_id NOT IN (SELECT customer_id FROM customers)"
        )
        == 0
    )
    balances = "SELECT sum(balance) - (SELECT sum(amount) FROM loyalty_ledger WHERE ledger = 'points') FROM loyalty_accounts"
    assert stack.number(balances) == 0


def test_the_best_customer_has_a_whole_page(stack: Stack) -> None:
    told = stack.run("customer", "customer_id:07592")
    assert told.code == 0, told.err
    assert "13,990.93 USD in 201 orders" in told.out
