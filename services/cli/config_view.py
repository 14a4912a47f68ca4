"""Settings as a table for people, and as a TOML file to start from."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from services.runtime.configuration import MASK, Origin


def table(origins: Sequence[Origin]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("setting", "value", "from", "what"):
        made.add_column(heading, overflow="fold")
    for origin in origins:
        what = f"{origin.description}{' (' + origin.allowed + ')' if origin.allowed else ''}"
        made.add_row(origin.name, origin.shown, origin.came_from, what, style="" if origin.came_from == "default" else "bold")
    return made


def as_toml(origins: Iterable[Origin]) -> str:
    """Defaults as comments, what is set as values."""
    lines: list[str] = []
    section = ""
    for origin in origins:
        above, _, name = origin.name.rpartition(".")
        if above != section:
            lines += ["", f"[{above}]"]
            section = above
        if origin.description:
            lines.append(f"# {origin.description}{' (' + origin.allowed + ')' if origin.allowed else ''}")
        is_set = origin.came_from != "default" and origin.shown != MASK
        lines.append(f"{'' if is_set else '# '}{name} = {origin.toml}")
    return "\n".join(lines).lstrip("\n") + "\n"
