"""When the profile stage looks at customers again, against when time alone moves them on.

An earlier look is none too many: it finds nothing and sets the next. A later one, or none, would leave a customer where it was.
"""

from collections.abc import Mapping

from services.proof.scope import Scope
from services.proof.shown import MISSING, Difference
from services.proof.stores_compared import Compared
from services.runtime.store_snapshot import StoreSnapshot


def compare_timers(moves_on: Mapping[str, int], found: StoreSnapshot, scope: Scope) -> Compared:
    """``moves_on``: customer → epoch milliseconds, by the fold."""
    compared, timers = Compared("profile's timers", len(scope.of(moves_on)), set()), found.timers()
    for customer, moment in moves_on.items():
        due = timers.get(customer)
        if (due is None or due > moment) and customer in scope:
            compared.unequal.add(customer)
            difference = Difference(
                customer, compared.store, "timers", customer, "due", f"{moment} or before", MISSING if due is None else due
            )
            compared.differences.append(difference)
    return compared
