"""``bench``: how fast each stage, the whole path and its peers are on this machine."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Proof")(bench)


def bench(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="PART,…",
            help="Measure only these: profile, loyalty, projections, rebuild, workers, ingest, end-to-end, questions, peers.",
        ),
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Other stream processors too, at one simple job on the same broker.")] = False,
    peer: Annotated[list[str] | None, typer.Option(help="Only this peer; may be given several times. Implies --peers.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few events and short rhythms: to see that it works, not how fast it is.")] = False,
    customers: Annotated[int | None, typer.Option(min=100, help="Customers whom the touchpoints are about. [default: 100,000]")] = None,
    events: Annotated[int | None, typer.Option(min=20_000, help="Touchpoints that the stages work off. [default: 500,000]")] = None,
    paced: Annotated[int | None, typer.Option(min=100, help="Touchpoints a second in the fixed rhythm. [default: 2,000]")] = None,
    seconds: Annotated[int | None, typer.Option(min=2, help="How long a rhythm, and each way to send, lasts. [default: 30]")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often each peer runs. [default: 3]")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write performance.md, its pictures and its JSON to this folder.")] = None,
    stored: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Measure nothing: show what is stored, and write it with --out.")
    ] = None,
) -> None:
    """Measure every stage, ingest, and the way from a POST to a row in ClickHouse, on private stacks of real engines.

    Wall time, processor time of every process for each event (Kafka's and ClickHouse's too), most memory, and latency by percentile,
    counted from when each request was due. Nothing of yours is touched. A part takes some minutes, and says what it is at; with --peers
    twenty-five more, and the first time packages of some 250 MB, which go to your cache folder.

    Figures, never verdicts: machines are shared and noisy, so compare ratios within one run, and look at the load that the report names.

    Examples:

    - `rapport bench --quick`
    - `rapport bench --only profile,ingest`
    - `rapport bench --peer quix-exactly-once --peer bytewax --only peers`
    - `rapport bench --peers --out report`
    - `rapport bench --from report/performance.json`
    """
    from services.cli.errors import CommandFailed

    try:
        from bench.command import measured, shown
        from bench.result import read
    except ModuleNotFoundError as missing:
        raise _incomplete(missing) from missing
    changes = {"customers": customers, "events": events, "paced": paced, "seconds": seconds, "rounds": rounds}
    try:
        result = read(stored) if stored else measured(only, peers, peer or [], quick, {name: n for name, n in changes.items() if n})
    except FileNotFoundError as missing:
        raise CommandFailed(f"there is no {missing.filename}", "rapport bench --json FILE stores a run; see --help") from missing
    except KeyError as unknown:
        raise CommandFailed(f"there is no {unknown.args[0]}", "rapport bench --help names parts and peers") from unknown
    shown(result, json, out)


def _incomplete(missing: ModuleNotFoundError) -> Exception:
    from services.cli.errors import CommandFailed

    if (missing.name or "").partition(".")[0] == "bench":
        return CommandFailed("the bench is part of the source tree, not of the package", "run it as ./rapport bench in a checkout")
    return CommandFailed(
        f"the bench needs the package {missing.name}, which comes with the dev extra",
        "run it as ./rapport bench, which installs it; or: python -m pip install --require-hashes -r requirements-dev.txt",
    )
