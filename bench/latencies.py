"""How long things took, as HDR histograms.

Whoever records takes the time from the moment something was due, not from when it could be begun: a stall then counts for all that
waited behind it (no coordinated omission).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

PERCENTILES = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0)
LONGEST_US = 3_600_000_000


@dataclass(frozen=True)
class Latency:
    """``ms``: percentile → milliseconds, for each of PERCENTILES; 100 is the longest."""

    what: str
    offered_per_second: int
    events: int
    ms: dict[str, float]


def latency(what: str, offered_per_second: int, seconds: Iterable[float]) -> Latency:
    """Of all the waits, in seconds."""
    waits = list(seconds)
    return Latency(what, offered_per_second, len(waits), percentiles(waits))


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Percentile → milliseconds, for each of PERCENTILES."""
    histogram = HdrHistogram(1, LONGEST_US, 3)
    for one in seconds:
        histogram.record_value(min(max(1, round(one * 1e6)), LONGEST_US))
    return {f"{share:g}": round(histogram.get_value_at_percentile(share) / 1000, 2) for share in PERCENTILES}
