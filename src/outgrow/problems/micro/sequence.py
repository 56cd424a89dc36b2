"""Number sequence: 5,12,19,?: find the step between the first two, go it once more from the last."""

import random

from .columns import add_columns, subtract_columns
from .field import Written

# level -> (largest first term, largest step, may it fall?)
START_STEP_FALL = {
    1: (60, 9, False),
    2: (90, 9, False),
    3: (90, 9, True),
    4: (90, 30, True),
    5: (300, 60, True),
    6: (900, 90, True),
}


class Sequence:
    name = "sequence"

    def draw(self, level: int, rng: random.Random) -> Written:
        largest, step_limit, may_fall = START_STEP_FALL[level]
        first, step = rng.randint(1, largest), rng.randint(2, step_limit)
        terms = [first + step * i for i in range(4)]
        if may_fall and rng.random() < 0.5:
            terms.reverse()
        a, b, c, answer = terms
        if b > a:
            steps = f"{subtract_columns(b, a)}:{step};{add_columns(c, step)}"
        else:
            steps = f"{subtract_columns(a, b)}:{step};{subtract_columns(c, step)}"
        return Written(f"{a},{b}", f"{a},{b},{c},?", answer, steps)
