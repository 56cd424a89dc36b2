"""Number sequence: 5,12,19,?: find the step between the first two terms, go it once more from the last."""

import random

from .columns import add_columns, subtract_columns
from .field import Written

# level -> (largest first term, largest step)
START_AND_STEP = {1: (60, 9), 2: (90, 9), 3: (90, 30), 4: (200, 30), 5: (300, 60), 6: (900, 90)}


class Sequence:
    name = "sequence"

    def draw(self, level: int, rng: random.Random) -> Written:
        largest_first, largest_step = START_AND_STEP[level]
        first, step = rng.randint(1, largest_first), rng.randint(2, largest_step)
        a, b, c, answer = (first + step * i for i in range(4))
        steps = f"{subtract_columns(b, a)}:{step};{add_columns(c, step)}"
        return Written(f"{a},{b}", f"{a},{b},{c},?", answer, steps)
