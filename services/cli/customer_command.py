"""``customer``: everything about one."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(customer)


def customer(
    who: Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="An identifier as any channel writes it, or id:CUSTOMER_ID.")],
    limit: Annotated[int, typer.Option(help="The latest so many touchpoints, changes and ledger entries.", min=1)] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show one customer whole: identifiers, traits, figures, timeline, changes, loyalty account.

    Any identifier that the customer holds finds it, and any id it ever had.

    Examples:

    - `rapport customer customer_id:07592`
    - `rapport customer "phone:(212) 555-0142"`
    - `rapport customer email:ada@example.com --limit 100`
    """
    from services.cli.customer import find
    from services.cli.customer_view import show
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    show(out, find(settings_of_running_stack(arguments(data_dir)), who, limit))
