"""What `verify_peers.py` has graded: known answers against their own solutions, mutants, rewritings, outputs of models."""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rewritings import rewritings

from outgrow.verify.mutants import mutants

PARTS = ("known", "mutant", "rewriting", "output")

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_ASKS_FOR_ALL = re.compile(r"separated by|all possible|list all|all values", re.IGNORECASE)
_TAKEN_APART = re.compile(r"not both", re.IGNORECASE)
PLAIN_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Case:
    """One output to grade."""

    part: str
    """One of `PARTS`."""
    kind: str
    set: str
    answer: str
    """The known answer."""
    output: str
    right: bool


@dataclass(frozen=True)
class Known:
    """A known answer and the solution that comes with it."""

    set: str
    answer: str
    solution: str


def known_answers(data: Path) -> list[Known]:
    """Return the known answers of MATH, Minerva, OlympiadBench and GSM8K, and those of ASDiv, which has clock times.

    MATH's is what its solution boxes last; where the problem asks for all solutions and different boxes hold them, all of these.
    A solution of GSM8K ends with "#### N": here N is boxed, so that every grader finds it. OlympiadBench's and ASDiv's solutions
    box nothing: the known answer is boxed behind them.
    """
    rows: list[Known] = []
    for split in ("train", "test"):
        rows += [
            Known("MATH", _math_answer(row["problem"], row["solution"]), row["solution"])
            for row in _rows(data / "math" / f"{split}.jsonl")
        ]
        for row in _rows(data / "gsm8k" / f"{split}.jsonl"):
            solution, _, answer = row["answer"].rpartition("#### ")
            rows.append(Known("GSM8K", answer.strip(), f"{solution}The answer is $\\boxed{{{answer.strip()}}}$."))
    for name, path in (("Minerva", "minerva/test"), ("OlympiadBench", "olympiadbench/test"), ("ASDiv", "asdiv/all")):
        for row in _rows(data / f"{path}.jsonl"):
            solution = row["solution"] if _BOX.search(row["solution"]) else f"{row['solution']}\n$\\boxed{{{row['answer']}}}$"
            rows.append(Known(name, row["answer"], solution))
    return [row for row in rows if row.answer.strip()]


def own_solutions(known: Iterable[Known]) -> Iterator[Case]:
    """Return every known answer with its own solution; ASDiv, whose solutions are equations, is not among them."""
    for row in known:
        if row.set != "ASDiv":
            yield Case("known", row.set, row.set, row.answer, row.solution, True)


def made(known: Iterable[Known], seed: int, mutants_a_kind: int, rewritings_a_kind: int) -> list[Case]:
    """Return the mutants and rewritings of the distinct known answers: a seeded sample of each kind."""
    by_kind: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for answer, name in {row.answer: row.set for row in known}.items():
        rng = random.Random(f"{seed} {answer}")
        for mutant in mutants(answer, rng):
            by_kind["mutant", mutant.kind].append(Case("mutant", mutant.kind, name, answer, f"\\boxed{{{mutant.text}}}", False))
        for rewriting in rewritings(answer, rng):
            by_kind["rewriting", rewriting.kind].append(Case("rewriting", rewriting.kind, name, answer, rewriting.output, True))
    cases = []
    for (part, kind), whole in by_kind.items():
        size = mutants_a_kind if part == "mutant" else rewritings_a_kind
        cases += random.Random(f"{seed} {part} {kind}").sample(whole, min(size, len(whole)))
    return cases


def outputs(file: Path) -> Iterator[Case]:
    """Return the rows of a JSONL file with `output`, `answer` and `right`; `kind`, if there is one, names the kind."""
    for row in _rows(file):
        yield Case("output", str(row.get("kind", file.stem)), file.stem, str(row["answer"]), row["output"], bool(row["right"]))


def boxes(text: str) -> list[str]:
    r"""Return the contents of every \boxed{} and \fbox{} whose braces close.

    >>> boxes(r"\boxed{1}, \boxed {\frac{1}{2}} and \boxed{")
    ['1', '\\frac{1}{2}']
    """
    contents = []
    for box in _BOX.finditer(text):
        depth = 1
        for at in range(box.end(), len(text)):
            depth += (text[at] == "{") - (text[at] == "}")
            if depth == 0:
                contents.append(text[box.end() : at])
                break
    return contents


def _math_answer(problem: str, solution: str) -> str:
    every = list(dict.fromkeys(box.strip().rstrip(",") for box in boxes(solution)))
    if len(every) > 1 and _ASKS_FOR_ALL.search(problem) and not _TAKEN_APART.search(problem):
        return ", ".join(every)
    return boxes(solution)[-1].strip() if every else ""


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
