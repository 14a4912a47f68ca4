"""What analysts read, and what of it is state: the views that are compared, whose their rows are, and what tells of the way only."""

from dataclasses import dataclass, field

from services.projections.routing import COMPACTED

NOBODY = "''"
PROVABLE = f"""(stage != 'projections' OR topic NOT IN ({", ".join(f"'{topic}'" for topic in sorted(COMPACTED))})
    OR quarantine_id IN (SELECT quarantine_id FROM EXPECTED.quarantine))"""
"""Of a snapshot that projections could not read, nothing can be said once Kafka has dropped it for a newer one."""


@dataclass(frozen=True, slots=True)
class View:
    """``key`` are the columns that name a row. ``history`` is not compared: it tells how the state came about, and when. ``where``
    leaves out rows that cannot be proven; EXPECTED stands for the database to compare with. ``told``: the view of that database that has
    columns of history as they were published, which is then all that is compared."""

    name: str
    key: tuple[str, ...]
    history: frozenset[str] = field(default_factory=frozenset)
    customer: str = "customer_id"
    where: str = "1"
    told: str = ""

    @property
    def title(self) -> str:
        return f"ClickHouse {self.name}{', as published' if self.told else ''}"


VIEWS = (
    View("customer_identifiers", ("identifier_id",), frozenset({"since"})),
    View("touchpoints", ("event_id",), frozenset({"recorded_at", "customer_at", "sequence", "notification_id"})),
    View("purchases", ("event_id",)),
    View("purchase_lines", ("event_id", "line")),
    View("refunds", ("event_id",)),
    View("case_steps", ("event_id",)),
    View("cases", ("case_id",), frozenset({"age_seconds"})),
    View("surveys", ("event_id",)),
    View("conversations", ("conversation",)),
    View("customers", ("customer_id",), frozenset({"sequence", "as_of"})),
    View("loyalty_accounts", ("account_id",), frozenset({"sequence", "customer_id"}), "account_id"),
    View("loyalty_ledger", ("entry_id",), frozenset({"customer_id"}), "account_id"),
    View("customer_changes", ("changed_id", "sequence"), frozenset({"customer_id"}), "changed_id"),
    View("loyalty_changes", ("account_id", "sequence"), frozenset({"customer_id"}), "account_id"),
    View("redemptions", ("redemption_id",), frozenset({"customer_id"}), "account_id"),
    View("quarantine", ("quarantine_id",), frozenset(), NOBODY, PROVABLE),
)
"""Of the ledger, redemptions and changes each row is compared with what the stage says it published, times and numbers
included; what was published was compared with the fold before.

What live history shows of a customer that the fold never took for one goes by the id it had then: ``customer_id`` of these views
follows from identifiers that moved, which are compared themselves."""

TOLD = (
    View("touchpoints", ("event_id",), customer="customer_at", told="told_touchpoints"),
    View("customer_identifiers", ("identifier_id",), told="told_identifiers"),
)
"""What the fold cannot know of tables that it fills: when and under which number the live stages said it, and of whom."""
