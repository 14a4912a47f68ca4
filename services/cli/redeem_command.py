"""``redeem``: points of one customer are spent."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(redeem)


def redeem(
    who: Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="An identifier as any channel writes it, or id:CUSTOMER_ID.")],
    points: Annotated[int, typer.Argument(help="So many points, from the lots that expire first.", min=1)],
    id: Annotated[str, typer.Option("--id", help="Of this redemption, unique for ever: sent again, it spends nothing more.")],
    why: Annotated[str, typer.Option("--why", help="What for; kept with the redemption.")] = "",
    url: Annotated[str | None, typer.Option(help="Loyalty elsewhere, such as https://loyalty.example.com.")] = None,
    key: Annotated[str | None, typer.Option(help="Key for redemptions. [default: one of this data directory's own]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Spend points of a customer's loyalty account. Refused rather than overdrawn; leaves with 2 if it is.

    What is accepted stays accepted: it is never decided again. If you do not see an answer, repeat the same command with the same --id.

    Examples:

    - `rapport redeem customer_id:07592 500 --id voucher-2025-0017 --why "voucher of 5 EUR"`
    - `rapport redeem email:ada@example.com 120 --id order-991`
    """
    from services.cli.customer import customer_id
    from services.cli.own_keys import own_redeem_key
    from services.cli.redeeming import Asked, redeemed
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    settings = settings_of_running_stack(arguments(data_dir))
    door = url or f"http://{settings.loyalty.host}:{settings.loyalty.port}"
    asked = Asked(id, customer_id(settings, who), points, why)
    out.print(redeemed(door, key or own_redeem_key(settings.data_dir), asked, who), soft_wrap=True)
