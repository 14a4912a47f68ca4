"""How far a stage is behind, shown: in messages and in seconds, by partition."""

from collections.abc import Mapping

from services.runtime import metrics
from services.runtime.batches import TP


class ShownLag:
    """The gauges of one stage. Those of partitions that moved to another process are taken away, lest they stand still."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._shown: set[TP] = set()

    def show(self, messages: Mapping[TP, int], oldest: Mapping[TP, int], now: float) -> None:
        """`messages`: how many of each partition of ours are not applied. `oldest`: epoch milliseconds of the oldest of those
        that are fetched. `now`: epoch seconds."""
        ages = {tp: max(0.0, now - oldest[tp] / 1000) if tp in oldest else 0.0 for tp in messages.keys() | oldest.keys()}
        for tp, age in ages.items():
            metrics.LAG_SECONDS.labels(self._stage, *tp).set(age)
            metrics.LAG.labels(self._stage, *tp).set(messages.get(tp, 0))
        for topic, partition in self._shown - ages.keys():
            for gauge in (metrics.LAG, metrics.LAG_SECONDS):
                gauge.remove(self._stage, topic, str(partition))
        self._shown = set(ages)
        metrics.OLDEST_SECONDS.labels(self._stage).set(max(ages.values(), default=0.0))
