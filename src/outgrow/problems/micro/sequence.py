"""Number sequence: 5,12,19,?: find the step, add it once more."""

import random

from .field import Written

# level -> (largest first term, largest step, may it fall?)
START_STEP_FALL = {
    1: (80, 5, False),
    2: (90, 9, False),
    3: (90, 9, True),
    4: (90, 20, True),
    5: (200, 20, True),
    6: (500, 50, True),
}


class Sequence:
    name = "sequence"

    def draw(self, level: int, rng: random.Random) -> Written:
        largest, step_limit, may_fall = START_STEP_FALL[level]
        first, step = rng.randint(1, largest), rng.randint(2, step_limit)
        terms = [first + step * i for i in range(4)]
        if may_fall and rng.random() < 0.5:
            terms.reverse()
        *shown, answer = terms
        a, b, c = shown
        sign, gap = ("+", b - a) if b > a else ("-", a - b)
        steps = f"{max(a, b)}-{min(a, b)}={gap},{c}{sign}{gap}={answer}"
        return Written(f"{a},{b}", f"{a},{b},{c},?", answer, steps)
