"""How many examples Hypothesis makes up: few where each mutant is tested, many in a long search, by ``--hypothesis-profile``."""

from hypothesis import HealthCheck, Phase, settings

# A failure is all that is asked: no smaller example of it. And what is only slow, on a busy machine, is none.
_FIRST_FAILURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
settings.register_profile("quick", _FIRST_FAILURE, max_examples=10, derandomize=True, database=None)
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", settings.get_profile("usual"), max_examples=5_000)
settings.load_profile("usual")
USUAL = 100


def examples(usual: int) -> int:
    """So many in a usual run; in a quick or deep one, in proportion."""
    return max(1, usual * settings().max_examples // USUAL)
