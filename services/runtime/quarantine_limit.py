"""Stops a stage that sees only bad input: then not the messages are wrong but what sends or reads them, and a person must look."""

from collections import Counter

LEAST_MESSAGES = 1_000
QUARANTINED = "quarantined"


class OnlyBadInput(Exception):
    """Raised instead of taking a batch: nothing of it is stored and no position moves. Raised again for the same batch until the
    process runs with another ``RAPPORT_STAGE_MAX_QUARANTINE_SHARE``, or with a version that understands the messages."""


class QuarantineLimit:
    """Looks at the latest batches that together have ``least`` messages. A share of 1 never stops anything."""

    def __init__(self, most_share: float, least: int = LEAST_MESSAGES) -> None:
        self._most_share, self._least = most_share, least
        self._taken = self._refused = 0

    def check(self, outcomes: Counter[tuple[str, str]]) -> tuple[int, int]:
        """What is to be ``remember``ed once the batch is taken. Raises OnlyBadInput."""
        refused = sum(count for (outcome, _), count in outcomes.items() if outcome == QUARANTINED)
        taken, refused = self._taken + sum(outcomes.values()), self._refused + refused
        if taken >= self._least and refused > self._most_share * taken:
            reasons = ", ".join(sorted({reason for outcome, reason in outcomes if outcome == QUARANTINED}))
            raise OnlyBadInput(
                f"{refused} of the latest {taken} messages would go to quarantine ({reasons}), which is more than "
                f"stage.max_quarantine_share {self._most_share:g}: nothing more is taken. Look at what sends them; to go on all the same, "
                f"start again with RAPPORT_STAGE_MAX_QUARANTINE_SHARE=1"
            )
        return (0, 0) if taken >= self._least else (taken, refused)

    def remember(self, counted: tuple[int, int]) -> None:
        self._taken, self._refused = counted
