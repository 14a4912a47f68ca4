"""What a rebuild did, for the terminal."""

from services.cli.screen import out
from services.cli.verify_view import listed
from services.proof.rebuild import Rebuilt
from services.proof.store_rebuild import RebuiltStore

DIFFERENCES = 20


def show_store(rebuilt: RebuiltStore, show_values: bool) -> None:
    name = rebuilt.stage
    if rebuilt.resumed:
        out.print(f"{name}: switched over; a former run had done all else")
        return
    compared = rebuilt.compared
    out.print(f"{name}: {rebuilt.messages:,} messages folded in {rebuilt.seconds:.1f} s, {rebuilt.published:,} published events taken over")
    if compared is None:
        out.print("there was no live store that could be read")
    elif compared.unequal:
        out.print(f"{len(compared.unequal):,} customers differed from the live store")
        out.print(listed(compared.differences, DIFFERENCES, show_values))
    else:
        out.print(f"{compared.customers:,} customers, equal to the live store")
    if rebuilt.switched:
        said = f"{rebuilt.corrections:,} events say what differed" if rebuilt.corrections else "nothing had to be said to anybody"
        out.print(f"switched over, writers waited {rebuilt.waited:.1f} s; {said}")
        out.print(f"what was replaced is kept in {rebuilt.kept}: `rapport rebuild {name} --drop-old` drops it")
    else:
        out.print(f"not switched: `rapport rebuild {name}` switches over")


def show_tables(rebuilt: Rebuilt, beside_them: str, show_values: bool) -> None:
    rate = f" ({rebuilt.messages / rebuilt.seconds:,.0f} messages a second)" if rebuilt.seconds else ""
    out.print(f"projections: {rebuilt.messages:,} messages, {rebuilt.touchpoints:,} touchpoints in {rebuilt.seconds:.1f} s{rate}")
    if rebuilt.made:
        out.print(f"made again, since they had been dropped: {', '.join(rebuilt.made)}")
    customers = set().union(*(one.unequal for one in rebuilt.changed))
    out.print(
        f"{len(customers):,} customers differed from the live tables"
        if customers
        else f"equal to the {'other ' if rebuilt.made else ''}live tables"
    )
    if customers:
        found = [difference for one in rebuilt.changed for difference in one.differences]
        out.print(listed(found, DIFFERENCES, show_values))
    if rebuilt.switched:
        out.print(f"switched over; the former tables are kept in {beside_them}_store: `rapport rebuild projections --drop-old` drops them")
    else:
        out.print(f"not switched: the new tables are in {beside_them}; `rapport rebuild projections` switches over")
