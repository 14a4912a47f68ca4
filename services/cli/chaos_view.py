"""What ``rapport chaos`` shows."""

from collections.abc import Sequence
from datetime import datetime

from rich.markup import escape

from services.chaos.play import Result, Scenario
from services.cli.screen import out


def show_list(scenarios: Sequence[Scenario]) -> None:
    for one in scenarios:
        out.print(f"[bold]{one.name:24}[/] fault {one.fault:2}  {one.what}")


def show_begin(one: Scenario, number: int, count: int) -> None:
    out.print(f"[dim]{datetime.now():%H:%M:%S} {number} of {count}[/] {one.name}: {one.what}")


def show_result(one: Result) -> None:
    held = "[bold red]WRONG[/]" if one.wrong else "[green]holds[/]"
    faults = ", ".join(f"{count} x {what}" for what, count in one.faults.items()) or "no fault"
    out.print(f"{held} [bold]{one.scenario}[/]: {escape(faults)}; recovered in {one.recovered_in:g} s, {one.seconds:g} s in all")
    for line in one.wrong:
        out.print(f"  {escape(line)}", soft_wrap=True)
    if one.wrong:
        out.print(f"  repeat it: [bold]{one.command}[/]")


def show_total(results: Sequence[Result]) -> None:
    wrong = [one for one in results if one.wrong]
    injected = sum(sum(one.faults.values()) for one in results)
    out.print(f"{len(results)} scenarios, {injected} faults injected, {len(wrong)} scenarios with something wrong")
