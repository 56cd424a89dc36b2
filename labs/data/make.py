"""Write the small data sets of `outgrow lab defaults`, as a person brings them: JSON lines with a question and a known answer.

python labs/data/make.py    # writes labs/data/NAME.jsonl, and NAME-heldout.jsonl with other problems of the same kind
"""

import json
from pathlib import Path

from outgrow.problems.micro import Micro
from outgrow.problems.split import Split

HELD_OUT = 150
# Name -> fields, levels, number of problems. The shipped model solves 97% of `easy` and 10% of `hard`.
SETS: dict[str, tuple[tuple[str, ...], tuple[int, ...], int]] = {
    "tiny": (("difference",), (3,), 20),
    "mixed": (("sequence", "binary"), (2, 3, 4), 40),
    "easy": (("sum",), (2,), 60),
    "roman": (("roman",), (2, 3), 80),
    "hard": (("sum", "difference"), (5, 6), 100),
    "words": (("letters",), (3, 4), 120),
    "sums": (("sum",), (4,), 200),
    "fields": (("sum", "difference", "clock"), (3, 4, 5), 300),
    "products": (("product",), (2, 3, 4), 500),
}


def rows(fields: tuple[str, ...], levels: tuple[int, ...], split: Split, count: int) -> list[dict[str, str]]:
    """Return `count` problems, equally many of each field and level as far as that goes."""
    each = -(-count // (len(fields) * len(levels)))
    cells = [Micro(split=split, fields=(field,), levels=(level,), per_level=each).load() for field in fields for level in levels]
    mixed = [cell[index] for index in range(each) for cell in cells if index < len(cell)]
    return [{"question": problem.question, "answer": problem.answer} for problem in mixed[:count]]


def main() -> None:
    for name, (fields, levels, count) in SETS.items():
        for file, split, number in ((name, "train", count), (f"{name}-heldout", "test", HELD_OUT)):
            lines = [json.dumps(row) + "\n" for row in rows(fields, levels, split, number)]
            (Path(__file__).parent / f"{file}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
