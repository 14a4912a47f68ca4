"""Waits until everything that was sent has come through to ClickHouse: by condition, never by time."""

import time
from collections.abc import Callable

from services.cli.demo_questions import touchpoints
from services.cli.errors import CommandFailed
from services.cli.running_stack import require_running
from services.cli.status import look
from services.runtime.settings import Settings

LOOK_SECONDS = 0.5
QUIET_LOOKS = 5
"""Looks in a row without any movement: snapshots are published once a second, and are the last to move."""

STUCK_SECONDS = 120.0

Tell = Callable[[int, int], None]
"""Told (touchpoints in ClickHouse, messages waiting anywhere)."""


def wait_until_through(settings: Settings, expected: int, tell: Tell) -> None:
    """Returns when ClickHouse shows ``expected`` touchpoints or more, and nothing waits or moves in any stage.

    Raises CommandFailed when nothing moves any more before that, or a stage is down for long.
    """
    quiet, before, moved_at = 0, None, time.monotonic()
    while quiet < QUIET_LOOKS:
        seen = look(require_running(settings))
        shown = touchpoints(settings)
        waiting = sum(measured.waiting for _, measured in seen.values())
        now = (shown, waiting, {name: measured.taken_in_all for name, (_, measured) in seen.items()})
        if now != before:
            before, moved_at, quiet = now, time.monotonic(), 0
        elif len(seen) == 4 and shown >= expected and waiting == 0:
            quiet += 1
        elif time.monotonic() - moved_at > STUCK_SECONDS:
            raise CommandFailed(
                f"{expected - shown:,} of {expected:,} touchpoints are missing in ClickHouse, {waiting:,} messages wait, and nothing moves",
                "`rapport status` shows which service, its log says why",
            )
        tell(shown, waiting)
        time.sleep(LOOK_SECONDS)
