"""Counting a letter in a word: spell it with a running count."""

import random

from .field import Written

LENGTH = {1: (3, 4), 2: (5, 5), 3: (6, 6), 4: (7, 7), 5: (8, 8), 6: (9, 10)}
# Few letters, so that a small model meets each often enough to learn to copy a string that is not a word.
ALPHABET = "aeinorst"


class Letters:
    name = "letters"

    def draw(self, level: int, rng: random.Random) -> Written:
        target = rng.choice(ALPHABET)
        # About a third of the letters are the wanted one, so that counts vary and guessing 0 or 1 does not pay.
        word = "".join(target if rng.random() < 0.35 else rng.choice(ALPHABET) for _ in range(rng.randint(*LENGTH[level])))
        counts = [f"{letter}{word[: i + 1].count(target)}" for i, letter in enumerate(word)]
        return Written(f"{target}/{word}", f"count {target} in {word}", word.count(target), "".join(counts))
