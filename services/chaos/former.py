"""A service as the release before this one has it, which knows no touchpoint beyond its type's first version.

`python -m services.chaos.former profile`: beside or instead of `python -m services.profile.app`.
"""

import runpy
import sys

from schemas.upcasting import WAYS

for known in [key for key in WAYS if key[1] > 1]:
    del WAYS[known]  # before anything that reads touchpoints is imported

if __name__ == "__main__":
    runpy.run_module(f"services.{sys.argv[1]}.app", run_name="__main__")
