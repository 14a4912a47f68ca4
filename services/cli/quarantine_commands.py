"""``quarantine``: what could not be taken in, why, and what is done about it."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import DataDir, arguments

if TYPE_CHECKING:
    from services.quarantine.decisions import Decider

quarantine = typer.Typer(
    name="quarantine", help="What could not be taken in: kept whole, with the reason; fixed, redriven or discarded.", no_args_is_help=True
)
SOME_STAYED = 2
Ids = Annotated[list[str] | None, typer.Argument(metavar="[QUARANTINE_ID]...", help="As `list` shows them; or name filters.")]
Reason = Annotated[str | None, typer.Option(help="Only this reason, such as invalid or conflicting_duplicate.")]
Type = Annotated[str | None, typer.Option(help="Only this type of touchpoint, such as purchase.")]
Source = Annotated[str | None, typer.Option(help="Only from this source; over HTTP that is the write key's.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only what was refused since then, such as 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only what was refused before then.")]
All = Annotated[bool, typer.Option("--all", help="Everything that waits.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing: show what would become of each.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides. [default: your login]")]
Why = Annotated[str, typer.Option("--why", help="Why, in your words; kept with the decision.")]


class State(StrEnum):
    """What became of a refused input."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


def add_to(app: typer.Typer) -> None:
    app.add_typer(quarantine, rich_help_panel="Data in, answers out")


@quarantine.command("list")
def list_refused(
    reason: Reason = None,
    type: Type = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[State | None, typer.Option(help="Only what waits, was redriven, or was discarded.")] = None,
    limit: Annotated[int, typer.Option(help="The latest so many.", min=1)] = 30,
    data_dir: DataDir = None,
) -> None:
    """Show how much was refused for which reason, and the latest.

    Example: `rapport quarantine list --reason conflicting_duplicate --state waiting`
    """
    from services.cli.customer import asking
    from services.cli.quarantine_view import listed
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    only = _filters(reason=reason, type=type, source=source, since=since, until=until) | {"state": state and state.value}
    with asking(settings_of_running_stack(arguments(data_dir))) as queries:
        out.print(listed(queries.quarantine_by_reason(**only), queries.quarantine(limit, **only)))


@quarantine.command()
def show(quarantine_id: Annotated[str, typer.Argument(help="As `rapport quarantine list` shows it.")], data_dir: DataDir = None) -> None:
    """Show one refused input whole: where it came from, what is wrong, the bytes as they came, and what was decided.

    Example: `rapport quarantine show touchpoints:2:1871`
    """
    from services.cli.customer import asking
    from services.cli.errors import CommandFailed
    from services.cli.quarantine_view import whole
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    with asking(settings_of_running_stack(arguments(data_dir))) as queries:
        found = queries.quarantined(quarantine_id)
    if found is None:
        raise CommandFailed(f"nothing in quarantine is called {quarantine_id}", "`rapport quarantine list` shows the latest")
    out.print(whole(found))


@quarantine.command()
def fix(
    ids: Ids = None,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", "-r", help="What to change in the original; several are applied in order.")
    ] = None,
    patch: Annotated[
        str | None, typer.Option(metavar="FILE|JSON", help="A JSON Patch (RFC 6902), in a file or as it is; applied after the rules.")
    ] = None,
    reason: Reason = None,
    type: Type = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    all: All = False,
    dry_run: DryRun = False,
    by: By = None,
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Change originals by rules, and put those back that are touchpoints then. Try it with --dry-run first.

    Rules: `replace PATH JSON`, `remove PATH`, `cast PATH int|number|text|boolean|time`, `patch OPERATIONS`, and `new_id`, which gives a
    conflicting_duplicate an event_id of its own. A path is `$.payload.lines[0].sku`; `[*]` is every element.
    Leaves with 2 if some are no touchpoints even so: they stay, and are named with the reason.

    Examples:

    - `rapport quarantine fix --source till-3 -r 'cast $.payload.total_minor int' --dry-run`
    - `rapport quarantine fix --reason conflicting_duplicate --source till-3 -r new_id --why 'the till counted from 1 again'`
    - `rapport quarantine fix touchpoints:2:1871 --patch mended.json --dry-run`
    """
    from services.cli.errors import CommandFailed

    rules = [*(rule or []), *([] if patch is None else [f"patch {_patch(patch)}"])]
    if not rules:
        raise CommandFailed("say what to change: --rule, or --patch", "`rapport quarantine redrive` puts originals back as they are")
    _put_back(ids, _filters(reason=reason, type=type, source=source, since=since, until=until), all, rules, dry_run, by, why, data_dir)


@quarantine.command()
def redrive(
    ids: Ids = None,
    reason: Reason = None,
    type: Type = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    all: All = False,
    dry_run: DryRun = False,
    by: By = None,
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Put originals back as they are, after what refused them has changed: an upgrade, a setting.

    They keep their event_id, and count once however often they are redriven. Leaves with 2 if some are still no touchpoints.

    Example: `rapport quarantine redrive --reason unknown_version --dry-run`
    """
    _put_back(ids, _filters(reason=reason, type=type, source=source, since=since, until=until), all, [], dry_run, by, why, data_dir)


@quarantine.command()
def discard(
    ids: Ids = None,
    reason: Reason = None,
    type: Type = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    all: All = False,
    dry_run: DryRun = False,
    by: By = None,
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Decide that originals are not wanted. They are kept, and can still be redriven by their id.

    Example: `rapport quarantine discard --source load-test --why 'not ours'`
    """
    from services.cli.customer import asking
    from services.cli.quarantine_redriving import Selection
    from services.cli.quarantine_redriving import discard as discard_all
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    only = _filters(reason=reason, type=type, source=source, since=since, until=until)
    _require_choice(ids, only, all)
    settings = settings_of_running_stack(arguments(data_dir))
    with asking(settings) as queries:
        selection = Selection(queries, ids or [], only)
        if dry_run:
            out.print(f"{len(selection.ids):,} would be discarded.")
            return
        done, stayed = discard_all(selection, _decider(by, why), settings)
    out.print(f"{done:,} discarded." + (f" {stayed:,} stay as they are: somebody decided about them before." if stayed else ""))
    if stayed:
        raise typer.Exit(SOME_STAYED)


def _put_back(
    ids: list[str] | None,
    only: dict[str, str | int | None],
    all: bool,
    rule: Sequence[str],
    dry_run: bool,
    by: str | None,
    why: str,
    data_dir: Any,
) -> None:
    from services.cli.customer import asking
    from services.cli.errors import CommandFailed
    from services.cli.quarantine_redriving import Selection, try_out
    from services.cli.quarantine_redriving import redrive as redrive_all
    from services.cli.quarantine_view import put_back
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out
    from services.quarantine.paths import WrongRule
    from services.quarantine.rules import rules_of

    _require_choice(ids, only, all)
    try:
        rules = rules_of(rule)
    except WrongRule as wrong:
        raise CommandFailed(str(wrong), "`rapport quarantine fix --help` shows the rules") from wrong
    settings = settings_of_running_stack(arguments(data_dir))
    with asking(settings) as queries:
        selection = Selection(queries, ids or [], only)
        outcome = try_out(selection, rules) if dry_run else redrive_all(selection, rules, _decider(by, why), settings)
    out.print(put_back(outcome, dry_run))
    if outcome.stayed:
        raise typer.Exit(SOME_STAYED)


def _filters(since: str | None, until: str | None, **texts: str | None) -> dict[str, str | int | None]:
    """As queries take them. Raises CommandFailed for a time that is none."""
    return {**texts, "since": _micros(since), "until": _micros(until)}


def _patch(said: str) -> str:
    """The JSON itself, or what is in the file. Raises CommandFailed."""
    from services.cli.errors import CommandFailed

    if said.lstrip().startswith("["):
        return said
    try:
        return Path(said).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{said} cannot be read: {error}", "give a file with a JSON Patch, or the patch itself: [{...}]") from error


def _micros(text: str | None) -> int | None:
    from schemas import times
    from services.cli.errors import CommandFailed

    try:
        return None if text is None else times.to_micros(times.canonical(text))
    except (ValueError, OverflowError) as error:
        raise CommandFailed(f"{text!r} is no time with a zone", "write it as 2026-01-31T12:00:00Z") from error


def _require_choice(ids: list[str] | None, only: dict[str, str | int | None], all: bool) -> None:
    from services.cli.errors import CommandFailed

    given = [bool(ids), any(value is not None for value in only.values()), all]
    if sum(given) != 1:
        raise CommandFailed("say which: by id, or by filters, or --all", "`rapport quarantine list` shows ids, reasons and sources")


def _decider(by: str | None, why: str) -> "Decider":
    import getpass
    from datetime import UTC, datetime

    from schemas import times
    from services.cli.errors import CommandFailed
    from services.quarantine.decisions import Decider

    try:
        who = by or getpass.getuser()
    except (OSError, KeyError) as error:
        raise CommandFailed("your login has no name here", "say who decides with --by NAME") from error
    if len(who) > 200 or len(why) > 2_000:
        raise CommandFailed("--by takes 200 characters, --why 2,000")
    return Decider(who, times.written(datetime.now(UTC)), why)
