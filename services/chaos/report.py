"""The report of a run, as Markdown: what was injected, what held, and how long it took. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from services.chaos.memory import SAMPLE_SECONDS
from services.chaos.play import Result

HEAD = """# Under faults

Written by `rapport chaos`; do not edit. Every scenario runs real traffic through real processes (Kafka, ClickHouse, ingest and
the three stages, each a process of its own), injects its faults, waits until everything that was said has arrived everywhere,
and then compares **all** that the log holds with what ClickHouse, the topics and the stores say:

- **I1** what was answered 200 is counted or waits in quarantine, and nothing is both; what is counted is what the log has; nothing
  waits only because a former release did not know it;
- **I2** no row twice in any view;
- **I3** customers, their identifiers, touchpoints, spend, balances and tiers equal a plain sequential fold of the log
  (`services/chaos/reference.py`, which shares no code with the stages but the normalising of identifiers), and the ledger adds up to it;
- **I4** every customer's and account's events arrive in sequence without a hole, repeats only under the id they had;
- **I5** all processes are healthy and nothing is left to do within 60 s of the last fault;
- **I6** profiles and accounts built again from offset 0 equal the live ones.

Workers that died without a word are noticed after 2 s here, not after 10 s, so that more happens in the same time.
"""


def report(results: Sequence[Result], bugs: str) -> str:
    """``bugs``: what the bench has found so far, in words."""
    return "\n".join([HEAD, *_summary(results), *_table(results), *_details(results), bugs])


def _summary(results: Sequence[Result]) -> Iterable[str]:
    last = _of_all_stacks(results)
    failed = [one.scenario for one in results if one.wrong]
    injected = sum(sum(one.faults.values()) for one in results)
    yield f"Stores in {', '.join(sorted({one.store for one in results}))}."
    yield f"Scenarios {len(results)}, failed {len(failed)}{': ' + ', '.join(failed) if failed else ''}. Faults injected {injected}. "
    yield (
        f"Touchpoints in the log {last.get('touchpoints in the log', 0):,} (counted {last.get('counted', 0):,}, duplicates dropped "
        f"{last.get('duplicates dropped', 0):,}, in quarantine {last.get('in quarantine', 0):,}), customers {last.get('customers', 0):,}, "
        f"ledger entries {last.get('ledger entries', 0):,}. Messages that a subscriber saw repeated: "
        f"{last.get('profile-events: repeated', 0) + last.get('loyalty-events: repeated', 0):,}."
    )
    lost = sum(any(line.startswith("I1") for line in one.wrong) for one in results)
    twice = sum(any(line.startswith("I2") for line in one.wrong) for one in results)
    slowest = max((one.recovered_in for one in results), default=0.0)
    yield f"Scenarios with losses {lost}, with anything counted twice {twice}. Slowest recovery {slowest:g} s.\n"


def _of_all_stacks(results: Sequence[Result]) -> Counter[str]:
    """Each figure counts everything that its stack has so far; after a failure comes another stack."""
    total, latest = Counter[str](), Counter[str]()
    for one in results:
        latest = Counter(one.figures) or latest
        if one.wrong:
            total, latest = total + latest, Counter()
    return total + latest


def _table(results: Sequence[Result]) -> Iterable[str]:
    yield "| fault | scenario | what goes wrong | touchpoints sent | faults | recovered in | held |"
    yield "|---|---|---|---|---|---|---|"
    for one in results:
        held = "all" if not one.wrong else "**no**"
        injected = sum(one.faults.values())
        yield f"| {one.fault} | {one.scenario} | {one.what} | {one.events:,} | {injected:,} | {one.recovered_in:g} s | {held} |"
    yield ""


def _details(results: Sequence[Result]) -> Iterable[str]:
    for one in results:
        yield f"## {one.scenario}\n"
        yield f"Repeat it: `{one.command}` ({one.seconds:g} s)\n"
        yield from (f"- {what}: {count:,}" for what, count in one.faults.items())
        yield from (f"- {what}: {note}" for what, note in one.notes.items())
        yield from (f"- **wrong**: {line}" for line in one.wrong)
        if one.memory is not None:
            yield f"\nResident memory, a figure each {SAMPLE_SECONDS:g} s:\n\n```"
            yield from one.memory.drawn()
            yield "```"
        yield ""
