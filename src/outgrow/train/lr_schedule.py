"""Learning-rate schedules: a factor on the peak rate for each step."""

import math

from ..config.sections import Schedule


def learning_rate_factor(step: int, steps: int, schedule: Schedule, warmup: float, floor: float) -> float:
    """Return the factor in [0, 1] for `step` (1 .. steps).

    warmup: share of the steps over which the rate rises linearly from 0. floor: the factor at the end of a falling schedule.
    """
    rising = max(1, round(steps * warmup))
    if step <= rising and warmup > 0:
        return step / rising
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(1, steps - rising)
    falling = 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done
    return floor + (1 - floor) * falling
