"""How a service has Python behave."""

import gc
import sys


def tune_interpreter() -> None:
    """Call it when everything is set up. A full collection walks every object a stage has cached, for nothing: it took half the time at a
    million; and small ones a tenth of the time of an HTTP door."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000, 20, 1_000)
    sys.setswitchinterval(0.0005)
