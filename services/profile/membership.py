"""Says in events who holds which identifiers, after a touchpoint changed it."""

from services.profile.changes import Changes
from services.profile.customers import Customer, Customers
from services.profile.identity import Member, Observed


def announce(customers: Customers, changes: Changes, observed: Observed, cause: str) -> tuple[list[Member], set[str]]:
    """Publishes merges, moves and refusals. Returns the identifiers that are new and the touchpoint's own customer's
    (its event will name them), and the ids of living customers whose identifiers changed."""
    living = {member.customer: one for one in observed.sets for member in one.members.values()}
    by_id = {member.id: member for one in observed.sets for member in one.members.values()}

    def customer(id: str) -> Customer:
        return customers.customer(id, f"{by_id[id].type}:{by_id[id].value}")

    joined: list[Member] = []
    split = False
    for (before, after), members in _grouped(observed).items():
        if before is None:
            if after == observed.anchor.customer:
                joined = members
            else:
                changes.appeared(customer(after), members, cause)
        elif before in living or by_id[before].customer != after:
            changes.moved(customer(before), customer(after), members, cause)
            split = True
        customer(after).merged_into = None
    for (before, after), members in _grouped(observed).items():
        if before is not None and before not in living and by_id[before].customer == after:
            changes.merged(customer(after), customer(before), members, cause)
    if split:
        _lead_on(customers, changes, by_id, cause)
    for anchor, refused, reason in observed.refused:
        changes.link_refused(customer(anchor.customer), anchor, refused, reason, cause)
    return joined, {id for pair in _grouped(observed) for id in pair if id in living}


def _lead_on(customers: Customers, changes: Changes, by_id: dict[str, Member], cause: str) -> None:
    """After a split the ids of customers that were merged before may lead, perhaps by way of others, to one that holds their
    identifier no more: from now on all lead straight to the one that does."""
    for former in customers.known(by_id):
        holder = by_id[former.id].customer
        if former.merged_into not in (None, holder):
            changes.merged_elsewhere(former, holder, cause)


def _grouped(observed: Observed) -> dict[tuple[str | None, str], list[Member]]:
    """(customer before, customer now) → the identifiers that went that way, in their order."""
    groups: dict[tuple[str | None, str], list[Member]] = {}
    for moved in observed.moved:
        groups.setdefault((moved.before, moved.member.customer), []).append(moved.member)
    return groups
