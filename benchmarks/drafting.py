"""Would drafting pay? Tokens that a call writes where it verifies guesses from a problem's and its group's own earlier answers.

    python benchmarks/drafting.py runs/demo

Reads the rollouts of a run in the order in which they were written. Before each token, the last tokens are looked up in the
problem's question, in the rollout so far, in what the group's other rollouts have written by then, and in answers to the problem
of earlier steps; what followed there is the guess. A guess is kept where it is the token that was drawn: verification that keeps
the distribution exact keeps it as often. A call that verifies k guesses computes k + 1 tokens of each row.
"""

import argparse
import tomllib
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
from transformers import AutoTokenizer

from outgrow.policy.load import model_folder

LONGEST, SHORTEST = 3, 2
"""Tokens that are looked up: three, and where these are new, two."""

Followers = dict[tuple[int, ...], list[int]]
"""The tokens that last followed each sequence of two or three."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--guesses", type=int, nargs="+", default=[1, 3, 7])
    chosen = parser.parse_args()
    recipe = tomllib.loads((chosen.run / "recipe.toml").read_text())
    tokenizer = AutoTokenizer.from_pretrained(model_folder(recipe["policy"]["model"]))
    calls = dict.fromkeys(chosen.guesses, 0)
    tokens = 0
    earlier: dict[str, list[list[int]]] = defaultdict(list)
    for file in sorted((chosen.run / "rollouts").glob("*.parquet")):
        groups = defaultdict(list)
        for row in pq.read_table(file, columns=["problem_id", "question", "completion"]).to_pylist():
            groups[row["problem_id"], row["question"]].append(tokenizer(row["completion"], add_special_tokens=False)["input_ids"])
        for (problem, question), group in groups.items():
            asked = tokenizer(question, add_special_tokens=False)["input_ids"]
            tokens += sum(map(len, group))
            for count in chosen.guesses:
                calls[count] += sum(calls_of(asked, earlier[problem], group, row, count) for row in range(len(group)))
            earlier[problem] += group
    for count, made in calls.items():
        print(f"{count} guesses: {tokens / made:.2f} tokens a call of {count + 1} ({tokens} tokens)")


def calls_of(asked: list[int], earlier: list[list[int]], group: list[list[int]], row: int, guesses: int) -> int:
    """Return how many calls write this row of the group."""
    known: Followers = {}
    for answer in [asked, *earlier]:
        learn(known, answer, 0, len(answer), guesses)
    own, at, calls = group[row], 0, 0
    while at < len(own):
        context = asked[-LONGEST:] + own[:at]
        guess = next((known[key] for n in range(LONGEST, SHORTEST - 1, -1) if (key := tuple(context[-n:])) in known), [])
        right = 0
        while right < min(len(guess), guesses, len(own) - at - 1) and guess[right] == own[at + right]:
            right += 1
        before, at, calls = at, at + right + 1, calls + 1
        # The rows of a group are written side by side.
        for other in group:
            learn(known, other, max(0, before - guesses - LONGEST), at, guesses)
    return calls


def learn(known: Followers, answer: list[int], first: int, end: int, guesses: int) -> None:
    """Note what follows each sequence of tokens in answer[first:end]."""
    part = answer[first:end]
    for place in range(SHORTEST, len(part)):
        for n in range(SHORTEST, LONGEST + 1):
            if place >= n:
                known[tuple(part[place - n : place])] = part[place : place + guesses]


if __name__ == "__main__":
    main()
