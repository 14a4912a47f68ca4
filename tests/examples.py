"""How many examples Hypothesis makes up: few where each mutant is tested, many in a long search, by ``--hypothesis-profile``."""

from hypothesis import HealthCheck, settings

# Where a test that is only slow counts as one that noticed a mutant, a busy machine must not make it fail.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _UNHURRIED, max_examples=10, derandomize=True, database=None)
settings.register_profile("deep", max_examples=5_000)
USUAL = 100


def examples(usual: int) -> int:
    """So many in a usual run; in a quick or deep one, in proportion."""
    return max(1, usual * settings().max_examples // USUAL)
