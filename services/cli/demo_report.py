"""What the demo found, and where to look further."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from services.cli.demo_questions import Table
from services.cli.screen import money
from services.demo.story import Figures
from services.runtime.settings import Settings


def headline(found: Figures) -> str:
    """The figures in one line."""
    return (
        f"{found.purchases:,} purchases, {found.buyers:,} buying customers, {money(found.spent_minor, 'USD')}, "
        f"best customer {found.best_customer} with {money(found.best_spent_minor, 'USD')}"
    )


def show(console: Console, found: Figures, tables: list[Table]) -> None:
    console.print(Panel(Text(headline(found), "bold green"), title="ClickHouse answers", expand=False))
    for table in tables:
        console.print(Text(table.title, "bold"))
        shown = RichTable(box=None, pad_edge=False, header_style="dim")
        for name in table.columns:
            shown.add_column(name.replace("_", " "), justify="left" if name in ("channel", "kind", "tier", "reason") else "right")
        for row in table.rows:
            shown.add_row(*(_cell(value) for value in row))
        console.print(shown)
        console.print()


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value).removesuffix("+00:00")


def where_next(settings: Settings, write_key: str) -> str:
    """Addresses and commands to go on with, for this very stack."""
    door, clickhouse = f"http://{settings.ingest.host}:{settings.ingest.port}", settings.clickhouse
    analyst = f"user=analyst&database={clickhouse.database}"
    hints = (
        ("rapport customer customer_id:07592", "one customer whole: identifiers, traits, timeline, account"),
        ('rapport sql "SELECT * FROM readme"', "what can be asked, with an example query each; ten answers: docs/questions.md"),
        ("rapport status", "health, lag, events a second"),
        ("rapport quarantine list", "what was refused, and why"),
        (f"{door}/docs", "the HTTP API of ingest"),
        (f"clickhouse-client --host 127.0.0.1 --port {clickhouse.port} --user analyst --database {clickhouse.database}", "for analysts"),
        (f"curl 'http://127.0.0.1:{clickhouse.http_port}/?{analyst}&query=SELECT+count()+FROM+purchases'", "the same without a client"),
        (f"Kafka at {settings.kafka.servers}", "topics profiles, profile-events, loyalty-accounts, loyalty-events: docs/subscribe.md"),
        (f"curl -H 'Authorization: Bearer {write_key}' {door}/v1/touchpoints -d @FILE", "send your own: schemas/examples/touchpoint.*"),
    )
    return "\n".join(["Where to look next", *(f"  {how}\n      {what}" for how, what in hints)])
