"""Finds one customer by any identifier, and gathers what ClickHouse knows of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from services.cli.errors import CommandFailed
from services.cli.sql import reading
from services.profile.identifiers import normalised
from services.projections.answers import Change, Customer, LedgerEntry, LoyaltyAccount, Touchpoint
from services.projections.queries import Queries
from services.runtime.settings import Settings

HOW_TO_NAME = "write TYPE:VALUE, such as customer_id:07592, email:ada@example.com, phone:+19785550142, or id:CUSTOMER_ID"


@dataclass(frozen=True, slots=True)
class Whole:
    """A customer and the latest of everything, the latest first."""

    customer: Customer
    account: LoyaltyAccount | None
    timeline: list[Touchpoint]
    changes: list[Change]
    ledger: list[LedgerEntry]


def find(settings: Settings, who: str, limit: int) -> Whole:
    """Raises CommandFailed where nobody holds the identifier, or it is none."""
    with asking(settings) as queries:
        id = _holder(queries, who, settings.identity.default_region)
        customer = id and queries.customer(id)
        if not id or not customer:
            raise CommandFailed(f"nobody is known as {who}", f"{HOW_TO_NAME}; or it is on its way: `rapport status` shows what waits")
        return Whole(customer, queries.account(id), queries.timeline(id, limit), queries.changes(id, limit), queries.ledger(id, limit))


def customer_id(settings: Settings, who: str) -> str:
    """The id of whoever holds the identifier now. Raises CommandFailed as ``find`` does; an id is taken as it is."""
    if who.startswith("id:"):
        return who.removeprefix("id:")
    with asking(settings) as queries:
        found = _holder(queries, who, settings.identity.default_region)
    if found is None:
        raise CommandFailed(f"nobody is known as {who}", f"{HOW_TO_NAME}; or it is on its way: `rapport status` shows what waits")
    return str(found)


@contextmanager
def asking(settings: Settings) -> Iterator[Queries]:
    """Rapport's own questions. Raises as ``reading`` does."""
    with reading(settings) as warehouse:
        yield Queries(warehouse, settings.clickhouse.database)


def _holder(queries: Queries, who: str, region: str) -> UUID | None:
    kind, colon, value = who.partition(":")
    if not colon or not value:
        raise CommandFailed(f"{who!r} is no identifier", HOW_TO_NAME)
    if kind == "id":
        try:
            return queries.customer_now(UUID(value))
        except ValueError as wrong:
            raise CommandFailed(f"{value!r} is no customer id", HOW_TO_NAME) from wrong
    spelled = normalised(kind, value, region)
    if spelled is None:
        raise CommandFailed(f"{value!r} is no {kind}", HOW_TO_NAME)
    return queries.holder(kind, spelled)
