"""What the demo asks ClickHouse when all is loaded. Views of the database ``rapport``; nothing here is known beforehand."""

from dataclasses import dataclass
from typing import Any

from services.cli.sql import ask
from services.demo.shop import EVENT_PREFIX
from services.demo.story import Figures
from services.runtime.settings import Settings

OURS = {"prefix": f"{EVENT_PREFIX}%"}

BOUGHT = "SELECT count(), uniqExact(customer_id), sum(total_minor) FROM purchases WHERE event_id LIKE %(prefix)s"

BEST = """
SELECT c.customer_ids[1], b.spent
FROM (SELECT customer_id, sum(total_minor) AS spent FROM purchases WHERE event_id LIKE %(prefix)s GROUP BY customer_id) AS b
INNER JOIN customers AS c ON c.customer_id = b.customer_id
ORDER BY b.spent DESC
LIMIT 1
"""

TOUCHPOINTS = "SELECT count() FROM touchpoints"

CHANNELS = """
SELECT source AS channel, count() AS touchpoints, uniqExact(customer_id) AS customers, max(occurred_at) AS latest
FROM touchpoints GROUP BY source ORDER BY touchpoints DESC
"""

IDENTITY = """
SELECT
    (SELECT count() FROM customers) AS customers,
    (SELECT count() FROM customer_identifiers) AS identifiers,
    (SELECT countIf(event = 'customers_merged') FROM customer_changes) AS merges,
    (SELECT countIf(event = 'link_refused') FROM customer_changes) AS refused
"""

LOYALTY = """
SELECT tier, count() AS accounts, sum(balance) AS balance, sum(earned) AS earned, sum(expired) AS expired
FROM loyalty_accounts GROUP BY tier ORDER BY accounts DESC
"""

LEDGER = "SELECT count() AS entries, sum(amount) AS points FROM loyalty_ledger WHERE ledger = 'points'"

SURVEYS = """
SELECT kind, count() AS asked, countIf(isNotNull(score)) AS answered, round(avg(score), 2) AS mean, any(scale) AS of_scale,
    round(sumIf(score, isNotNull(expected)) / nullIf(sumIf(expected, isNotNull(score)), 0), 3) AS perceived_to_expected
FROM surveys GROUP BY kind ORDER BY kind
"""

QUARANTINE = """
SELECT reason, uniqExact(if(topic = '', quarantine_id, concat(event_id, ' ', source))) AS inputs
FROM quarantine GROUP BY reason ORDER BY inputs DESC, reason
"""


@dataclass(frozen=True, slots=True)
class Table:
    """An answer with a heading."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def figures(settings: Settings) -> Figures:
    """What was bought, as the database answers."""
    ((purchases, buyers, spent),) = ask(settings, BOUGHT, OURS).rows
    best = ask(settings, BEST, OURS).rows
    customer, most = best[0] if best else ("", 0)
    return Figures(purchases, buyers, spent, customer, most)


def touchpoints(settings: Settings) -> int:
    return int(ask(settings, TOUCHPOINTS).rows[0][0])


def tables(settings: Settings) -> list[Table]:
    """What else there is to see, in the order in which it is shown."""
    questions = {
        "Touchpoints by channel": CHANNELS,
        "Who is who": IDENTITY,
        "Loyalty accounts by tier": LOYALTY,
        "The loyalty ledger": LEDGER,
        "Satisfaction": SURVEYS,
        "In quarantine, all on purpose": QUARANTINE,
    }
    return [Table(title, *ask(settings, query)) for title, query in questions.items()]
