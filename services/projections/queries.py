"""Every question that Rapport itself asks ClickHouse: the only SELECTs in Python, outside of migrating and of positions.

All of them are parameterised, and answer in frozen dataclasses. One customer's questions take milliseconds however many
customers there are: they go by key, or by the index on what is asked for.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

from services.projections.answers import (
    Buyer,
    Change,
    Counts,
    Customer,
    LedgerEntry,
    LoyaltyAccount,
    Position,
    Refused,
    RefusedWhole,
    Revenue,
    Touchpoint,
)
from services.projections.customer_look_up import customer_of
from services.projections.migrating import store_of
from services.runtime.warehouse import Warehouse

A = TypeVar("A")


_BY_INDEX = "use_skip_indexes_if_final_exact_mode = 0"
"""Where a row keeps what the index is on (a touchpoint its anchor, an identifier its value), so that no newer row of it can lie where the
index finds nothing."""
_LATEST_FIRST = f"""ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
SETTINGS optimize_read_in_order = 0, {_BY_INDEX}"""
"""What belongs to one customer is spread over all of time: reading from the end costs more than sorting it."""
_QUARANTINE_FILTERS = {
    **{name: f"{name} = %({name})s" for name in ("reason", "type", "source", "state")},
    "since": "toUnixTimestamp64Micro(quarantined_at) >= %(since)s",
    "until": "toUnixTimestamp64Micro(quarantined_at) < %(until)s",
}


def _which(**only: str | int | None) -> tuple[str, dict[str, str | int]]:
    """The condition, and its parameters. KeyError for what is no filter."""
    given = {name: value for name, value in only.items() if value is not None}
    conditions = [_QUARANTINE_FILTERS[name] for name in given]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", given


class Queries:
    """Questions to the tables of ``database``. As the warehouse, not for two threads at a time; raises what it raises."""

    def __init__(self, warehouse: Warehouse, database: str = "rapport") -> None:
        self._warehouse, self._db, self._store = warehouse, database, store_of(database)

    def holder(self, type: str, value: str) -> UUID | None:
        """Who holds a normalised identifier now."""
        found = self._warehouse.select(
            f"SELECT customer FROM {self._store}.identifier_holders FINAL WHERE type = %(type)s AND value = %(value)s SETTINGS {_BY_INDEX}",
            {"type": type, "value": value},
        )
        return found[0][0] if found else None

    def customer_now(self, id: UUID) -> UUID | None:
        """Who holds the identifier with that id now: any id that ever was a customer's resolves."""
        found = self._warehouse.select(f"SELECT customer_id FROM {self._db}.customer_identifiers WHERE identifier_id = %(id)s", {"id": id})
        return found[0][0] if found else None

    def customer(self, id: UUID) -> Customer | None:
        """By its present id. None too while its first snapshot is on the way."""
        found = self._warehouse.select(f"SELECT profile FROM {self._store}.profiles FINAL WHERE customer = %(id)s", {"id": id})
        if found:
            return customer_of(found[0][0])
        return self._one(Customer, f"FROM {self._db}.customers WHERE customer_id = %(id)s", id=id)  # written before profiles were kept

    def customer_by_identifier(self, type: str, value: str) -> Customer | None:
        """By a normalised identifier."""
        id = self.holder(type, value)
        return self.customer(id) if id else None

    def timeline(self, id: UUID, limit: int = 50) -> list[Touchpoint]:
        """The latest touchpoints of the customer that holds this id now, the latest first."""
        anchors = self._warehouse.select(f"SELECT identifier FROM {self._store}.anchors(customer = %(id)s)", {"id": str(id)})
        if not anchors:
            return []
        source = f"FROM {self._store}.touchpoints FINAL PREWHERE anchor IN %(anchors)s {_LATEST_FIRST}"
        return self._all(Touchpoint, source, anchors=[anchor for (anchor,) in anchors], limit=limit)

    def changes(self, id: UUID, limit: int = 50) -> list[Change]:
        """What changed the customer of this id besides touchpoints, the latest first."""
        source = f"FROM {self._db}.customer_changes WHERE changed_id = %(id)s ORDER BY sequence DESC LIMIT %(limit)s"
        return self._all(Change, source, id=id, limit=limit)

    def account(self, id: UUID) -> LoyaltyAccount | None:
        """The loyalty account of a customer, by its present id."""
        return self._one(LoyaltyAccount, f"FROM {self._db}.loyalty_accounts WHERE account_id = %(id)s", id=id)

    def ledger(self, id: UUID, limit: int = 50) -> list[LedgerEntry]:
        """The account's entries, the latest first."""
        source = f"FROM {self._db}.loyalty_ledger WHERE account_id = %(id)s ORDER BY sequence DESC LIMIT %(limit)s"
        return self._all(LedgerEntry, source, id=id, limit=limit)

    def revenue(self) -> list[Revenue]:
        """By currency, the greatest number of purchases first."""
        counted = "currency, count() AS purchases, uniqExact(customer_id) AS customers, sum(total) AS total"
        found = self._warehouse.select(f"SELECT {counted} FROM {self._db}.purchases GROUP BY currency ORDER BY purchases DESC, currency")
        return [Revenue(*row) for row in found]

    def best_buyers(self, limit: int = 5) -> list[Buyer]:
        """By what they bought in one currency, before refunds."""
        found = self._warehouse.select(
            f"""
            SELECT b.customer_id, c.customer_ids, b.currency, b.purchases, b.total
            FROM
            (
                SELECT customer_id, currency, count() AS purchases, sum(total) AS total
                FROM {self._db}.purchases GROUP BY customer_id, currency ORDER BY total DESC, customer_id LIMIT %(limit)s
            ) AS b
            LEFT ANY JOIN {self._db}.customers AS c ON c.customer_id = b.customer_id
            ORDER BY b.total DESC, b.customer_id
            """,
            {"limit": limit},
        )
        return [Buyer(*row) for row in found]

    def counts(self) -> Counts:
        """How much there is of what."""
        db = self._db
        found = self._warehouse.select(
            f"""
            SELECT
                (SELECT count() FROM {db}.touchpoints),
                (SELECT count() FROM {db}.customers),
                (SELECT count() FROM {db}.customer_identifiers),
                (SELECT countIf(event = 'customers_merged') FROM {db}.customer_changes),
                (SELECT countIf(event = 'link_refused') FROM {db}.customer_changes),
                (SELECT count() FROM {db}.purchases),
                (SELECT count() FROM {db}.refunds),
                (SELECT count() FROM {db}.cases),
                (SELECT countIf(is_open) FROM {db}.cases),
                (SELECT countIf(NOT is_case) FROM {db}.conversations),
                (SELECT count() FROM {db}.surveys),
                (SELECT count() FROM {db}.loyalty_accounts),
                (SELECT sum(balance) FROM {db}.loyalty_accounts),
                (SELECT count() FROM {db}.quarantine)
            """
        )
        return Counts(*found[0])

    def quarantine(self, limit: int = 50, **only: str | int | None) -> list[Refused]:
        """What was refused, the latest first. ``only`` as ``quarantine_ids`` takes it."""
        which, values = _which(**only)
        source = f"FROM {self._db}.quarantine {which} ORDER BY quarantined_at DESC, quarantine_id LIMIT %(limit)s"
        return self._all(Refused, source, limit=limit, **values)

    def quarantine_by_reason(self, **only: str | int | None) -> list[tuple[str, str, int]]:
        """(stage, reason, how many), the most frequent first."""
        which, values = _which(**only)
        query = (
            f"SELECT stage, reason, count() AS n FROM {self._db}.quarantine {which} GROUP BY stage, reason ORDER BY n DESC, stage, reason"
        )
        return [(stage, reason, n) for stage, reason, n in self._warehouse.select(query, values)]

    def quarantine_ids(self, **only: str | int | None) -> list[str]:
        """The ids of what was refused with this ``reason``, ``type``, ``source`` or ``state``, ``since`` and ``until`` (microseconds since
        1970, the latter not included); None: any. The oldest first."""
        which, values = _which(**only)
        query = f"SELECT quarantine_id FROM {self._db}.quarantine {which} ORDER BY quarantined_at, quarantine_id"
        return [id for (id,) in self._warehouse.select(query, values)]

    def quarantined_whole(self, ids: Sequence[str]) -> list[RefusedWhole]:
        """Those of them that exist, in that order."""
        found = self._all(RefusedWhole, f"FROM {self._db}.quarantine WHERE quarantine_id IN %(ids)s", ids=tuple(ids)) if ids else []
        by_id = {one.quarantine_id: one for one in found}
        return [by_id[id] for id in ids if id in by_id]

    def quarantined(self, quarantine_id: str) -> RefusedWhole | None:
        """One refused input, whole."""
        return self._one(RefusedWhole, f"FROM {self._db}.quarantine WHERE quarantine_id = %(id)s", id=quarantine_id)

    def positions(self) -> list[Position]:
        """Up to where each partition is in ClickHouse; what the log has beyond is the lag."""
        source = f"FROM {self._store}.positions FINAL ORDER BY topic, partition"
        columns = "topic, partition, next, timestamp, written_at"
        return [Position(*row) for row in self._warehouse.select(f"SELECT {columns} {source}")]

    def _all(self, answer: type[A], source: str, **parameters: Any) -> list[A]:
        columns: Sequence[str] = [field.name for field in fields(answer)]  # type: ignore[arg-type]
        found = self._warehouse.select(f"SELECT {', '.join(columns)} {source}", parameters)
        return [answer(*row) for row in found]

    def _one(self, answer: type[A], source: str, **parameters: Any) -> A | None:
        found = self._all(answer, source, **parameters)
        return found[0] if found else None
