"""The number of examples of a property, by HYPOTHESIS_PROFILE: dev (few), ci, or nightly (many)."""

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
FACTORS = {"dev": 0.1, "ci": 0.5, "nightly": 10.0}
"""Of the number that a property names."""
FEWEST = 10


def examples(number: int) -> settings:
    """Settings for a property that is worth ``number`` examples in a thorough run.

    In CI the examples are the same each time: what they find there, they find again here.
    """
    return settings(
        max_examples=max(FEWEST, int(number * FACTORS[PROFILE])),
        deadline=None,
        derandomize=PROFILE == "ci",
        suppress_health_check=[HealthCheck.too_slow],
    )
