"""The process that draws problems, for `problems.reasoning_gym`.

A line in: {task, config, start, count} as JSON. A line out: {items} or {error}. An item is the problem with that number in the
task's endless list, as {question, answer, scorer}, or a text that says why it cannot be used. Run with PYTHONHASHSEED set: six
tasks build on the order of a set of texts.
"""

import json
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from outgrow.core.children import end_with_parent
from outgrow.core.errors import UsageError
from outgrow.sandbox.guard import Scorer, dataset, load

# An item depends on seed + index, in nearly all tasks on nothing else; so blocks of a size continue each other.
_BLOCK = 500

Item = dict[str, str]


def main() -> None:
    """Answer until the input ends."""
    end_with_parent()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # codeio prints
    load()
    for line in sys.stdin:
        try:
            reply: dict[str, Any] = {"items": list(_items(**json.loads(line)))}
        except UsageError as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), file=replies, flush=True)


def _items(task: str, config: str, start: int, count: int) -> Iterator[Item | str]:
    for number in range(start, start + count):
        data = dataset(task, config, number - number % _BLOCK, _BLOCK)
        random.seed(number)  # list_functions and codeio draw from the global generators
        np.random.seed(number)
        try:
            yield _item(task, config, data[number % _BLOCK])
        except Exception:  # some tasks give up on some seeds
            yield "reasoning-gym fails to draw them"


def _item(task: str, config: str, drawn: dict[str, Any]) -> Item | str:
    """Return the problem, or why it cannot be used: no right answer would be right, or every answer would be.

    Where the scorer takes anything, the answer is left to be compared.
    """
    answer = "" if drawn["answer"] is None else str(drawn["answer"])
    scorer = Scorer(task, config, repr(_plain(drawn)))
    scorer.prepare()
    if drawn["answer"] is not None and not answer.strip():
        return "their known answer is empty"
    if drawn["answer"] is not None and not scorer.right(answer):
        return "their scorer refuses their own answer"
    if scorer.takes_anything():
        if not answer:
            return "their scorer takes any answer"
        return {"question": drawn["question"], "answer": answer, "scorer": ""}
    return {"question": drawn["question"], "answer": answer, "scorer": json.dumps(asdict(scorer))}


def _plain(value: Any) -> Any:
    """Return the value in Python's own types, so that `ast.literal_eval` reads back what `repr` writes. Others become texts."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {_plain(key): _plain(held) for key, held in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(_plain(held) for held in value)
    return value if value is None or type(value) in (str, int, float, bool) else str(value)


if __name__ == "__main__":
    main()
