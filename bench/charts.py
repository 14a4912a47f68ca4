"""Small SVG pictures for the report, readable on light and dark pages: each brings its own ground. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from statistics import median

WIDTH = 760
LABELS, RIGHT = 250, 90
ROW, BAR, TOP = 26, 15, 64
FAR = 4.0
"""Times the median: what is longer is cut off there."""
COLOURS = ("a", "b", "c", "d", "e")
STYLE = """
svg { --ground: #f6f8fa; --ink: #1f2328; --soft: #656d76; --line: #d0d7de;
  --a: #1f6feb; --b: #d4762c; --c: #2c974b; --d: #8250df; --e: #8c959f; }
@media (prefers-color-scheme: dark) { svg { --ground: #161b22; --ink: #e6edf3; --soft: #9198a1; --line: #3d444d;
  --a: #58a6ff; --b: #f0883e; --c: #56d364; --d: #bc8cff; --e: #8b949e; } }
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; } .soft { fill: var(--soft); } .strong { font-weight: 600; }
.ground { fill: var(--ground); } .line { stroke: var(--line); fill: none; } .end { text-anchor: end; } .middle { text-anchor: middle; }
""" + "".join(
    f".{name} {{ fill: var(--{name}); }} .stroke-{name} {{ stroke: var(--{name}); fill: none; stroke-width: 2; }}\n" for name in COLOURS
)


@dataclass(frozen=True)
class Bar:
    """``parts`` in the order of the legend; ``says``: the words after it; ``span``: the least and greatest seen, as a thin line."""

    label: str
    parts: Sequence[float]
    says: str
    span: tuple[float, float] | None = None
    strong: bool = False


def bars(title: str, legend: Sequence[str], rows: Sequence[Bar]) -> str:
    """Lying bars, their parts one after the other, all from one zero. One that is far longer than the others is cut off, and says so."""
    top = TOP if legend else TOP - 22
    height = top + ROW * len(rows) + 14
    ends = [max(sum(bar.parts), bar.span[1] if bar.span else 0.0) for bar in rows]
    most = min(max(ends), FAR * median(ends)) or 1.0
    scale = (WIDTH - LABELS - RIGHT) / most
    drawn = [_legend(legend)]
    for number, bar in enumerate(rows):
        y, x = top + ROW * number, float(LABELS)
        strong = " strong" if bar.strong else ""
        drawn.append(f'<text class="end{strong}" x="{LABELS - 8}" y="{y + 12}">{escape(bar.label)}</text>')
        for colour, part in zip(COLOURS, bar.parts, strict=False):
            width = min(part * scale, LABELS + most * scale - x)
            drawn.append(f'<rect class="{colour}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}"/>')
            x += width
        if bar.span and bar.span[0] < bar.span[1]:
            least, greatest = (LABELS + edge * scale for edge in bar.span)
            drawn.append(f'<path class="line" style="stroke: var(--ink)" d="M{least:.1f} {y + BAR / 2}H{greatest:.1f}"/>')
            x = max(x, greatest)
        drawn.append(
            f'<text class="{strong.strip()}" x="{x + 6:.1f}" y="{y + 12}">{"» " if ends[number] > most else ""}{escape(bar.says)}</text>'
        )
    return _picture(title, height, drawn)


def curves(title: str, percentiles: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Values by percentile: across, each step is a tenth of the share above it; up, each step is ten times as much."""
    height, left, right, top, bottom = 320, 60, WIDTH - 20, TOP + 16 * len(lines) - 16, 290
    low = floor(log10(min(min(values) for _, values in lines) or 0.1))
    high = ceil(log10(max(max(values) for _, values in lines)) + 0.01)
    across = [_nines(share) for share in percentiles]

    def place(position: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * position / across[-1]
        return x, bottom - (bottom - top) * (log10(max(value, 10**low)) - low) / (high - low)

    drawn = []
    for power in range(low, high + 1):
        _, y = place(0, 10**power)
        drawn.append(
            f'<path class="line" d="M{left} {y:.1f}H{right}"/><text class="end soft" x="{left - 6}" y="{y + 4:.1f}">{10**power:,g}</text>'
        )
    for share, position in zip(percentiles, across, strict=True):
        if f"{share:g}" in ("50", "90", "99", "99.9", "99.99"):
            x, _ = place(position, 1)
            drawn.append(f'<path class="line" d="M{x:.1f} {top}V{bottom}"/>')
            drawn.append(f'<text class="middle soft" x="{x:.1f}" y="{bottom + 16}">{share:g} %</text>')
    for number, (colour, (name, values)) in enumerate(zip(COLOURS, lines, strict=False)):
        path = "L".join("{:.1f} {:.1f}".format(*place(position, value)) for position, value in zip(across, values, strict=True))
        y = 44 + 16 * number
        drawn.append(f'<path class="stroke-{colour}" d="M{path}"/><path class="stroke-{colour}" d="M20 {y - 4}h14"/>')
        drawn.append(f'<text x="40" y="{y}">{escape(name)}</text>')
    return _picture(title, height, drawn)


def _nines(share: float) -> float:
    """0 for the fastest, 1 at 90 %, 2 at 99 %, and so on; the longest stands at 4.3."""
    return 4.3 if share >= 100 else -log10(1 - share / 100)


def _legend(names: Sequence[str]) -> str:
    drawn, x = "", 20
    for colour, name in zip(COLOURS, names, strict=False):
        drawn += (
            f'<rect class="{colour}" x="{x}" y="37" width="11" height="11"/><text class="soft" x="{x + 16}" y="47">{escape(name)}</text>'
        )
        x += 34 + 7 * len(name)
    return drawn


def _picture(title: str, height: int, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
    ground = f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/><text class="title" x="20" y="25">{escape(title)}</text>'
    return "\n".join([head, f"<title>{escape(title)}</title><style>{STYLE}</style>", ground, *drawn, "</svg>\n"])
