"""reasoning-gym with what makes it safe to hand a model's answer to its scorers.

Some of them call `eval` on it, or SymPy's parser, which does. Those are replaced, before any answer is seen, by what can only
calculate. Behind that stands an audit hook, which Python calls before it executes code, imports, opens a file, starts a process or
connects: while an answer is scored, all of that is denied. So a scorer that was overlooked fails, and executes nothing.
"""

import ast
import importlib
import json
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from ..core.errors import UsageError, nearest
from .safe_eval import expression, whole
from .stricter import ALSO, INSTEAD, holds
from .writings import writings

_NONSENSE = "nothing of the kind"
# Where `eval` meets an answer, and what does instead. bitwise_arithmetic calls it on its own problem only.
_EVAL = {
    "algorithmic.binary_matrix": ast.literal_eval,
    "algorithmic.number_sorting": ast.literal_eval,
    "algorithmic.spiral_matrix": ast.literal_eval,
    "algorithmic.string_insertion": ast.literal_eval,
    "games.n_queens": ast.literal_eval,
    "arithmetic.bitwise_arithmetic": whole,
}
# `compile` makes a syntax tree or a code object; executing one is another event.
_HARMLESS = {"compile", "builtins.id", "sys._getframe"}
# Executes code that it writes itself, out of nothing but the number of variables that SymPy simplifies with.
_WRITES_CODE = "sympy.polys.monomials"


class _Guard:
    """The audit hook. Hooks cannot be removed, so `scoring` says when this one denies."""

    def __init__(self) -> None:
        self.scoring = False
        self.denied = False

    def __call__(self, event: str, _: object) -> None:
        if self.scoring and event not in _HARMLESS and not (event == "exec" and _caller() == _WRITES_CODE):
            self.denied = True  # the scorer may swallow the exception
            raise PermissionError(f"{event} while an answer is scored")


def _caller() -> str:
    """Return the module whose call raised the event."""
    return str(sys._getframe(2).f_globals.get("__name__"))


_guard = _Guard()
_prepared: set[tuple[str, str]] = set()


def load() -> None:
    """Import reasoning-gym, guarded. Raises ImportError where it is missing."""
    import sympy.parsing.sympy_parser
    import sympy.physics.units  # simplify() imports it late, and it needs the parser as it was

    sympy.parsing.sympy_parser.parse_expr = sympy.parsing.parse_expr = sympy.parse_expr = expression
    for module, calculator in _EVAL.items():
        vars(importlib.import_module(f"reasoning_gym.{module}"))["eval"] = calculator
    warnings.simplefilter("ignore")  # a warning reads a line of a source file
    sys.addaudithook(_guard)


@dataclass
class Scorer:
    """Scores answers to one problem."""

    task: str
    config: str
    """The task's settings, as JSON."""
    entry: str
    """reasoning-gym's item, as the text of a dict: its scorers write into the dict."""

    def prepare(self) -> None:
        """Let the task import what it imports late, over texts that no model wrote."""
        if (self.task, self.config) not in _prepared:
            for text in (ast.literal_eval(self.entry)["answer"], _NONSENSE):
                with suppress(Exception):
                    dataset(self.task, self.config).score_answer(text, ast.literal_eval(self.entry))
            _prepared.add((self.task, self.config))

    def right(self, answer: str) -> bool:
        """Return whether an answer, or a plain writing of it, is right: gets the full score, and what `stricter` asks for.

        Partial credit is for answers that are not right. Raises PermissionError where scoring it was about to do anything but
        calculate, and whatever the scorer raises.
        """
        drawn = ast.literal_eval(self.entry)
        failure: Exception | None = None
        for text in writings(answer, drawn["answer"] or "", drawn["question"]):
            try:
                if self._right(text):
                    return True
            except PermissionError:
                raise
            except Exception as error:
                failure = failure or error
        if failure:
            raise failure
        return False

    def _right(self, text: str) -> bool:
        entry, data = ast.literal_eval(self.entry), dataset(self.task, self.config)
        _guard.scoring, _guard.denied = True, False
        try:
            if self.task in INSTEAD:
                right = holds(INSTEAD[self.task], text, entry)
            else:
                right = bool(data.score_answer(text, entry) == 1) and (self.task not in ALSO or holds(ALSO[self.task], text, entry))
        finally:
            _guard.scoring = False
        if _guard.denied:
            raise PermissionError(f"{self.task}: its scorer wanted more than to read the answer")
        return right

    def takes_anything(self) -> bool:
        """Return whether nonsense gets the full score, as in game_of_life_halting (0.1.25), which asks for bool(text) only."""
        try:
            return self.right(_NONSENSE)
        except Exception:
            return False


@lru_cache(maxsize=128)
def dataset(task: str, config: str, seed: int = 0, size: int = 1) -> Any:
    """Return reasoning-gym's dataset of a task. config: the task's settings, as JSON.

    Raises UsageError where the task or a setting is unknown, or a value is refused.
    """
    from reasoning_gym.factory import DATASETS, create_dataset

    if task == "composite":
        raise UsageError("the task composite mixes tasks; add a problem source with a weight for each of them instead")
    if task not in DATASETS:
        raise UsageError(f"reasoning-gym has no task {task!r}{nearest(task, list(DATASETS))}")
    settings = json.loads(config)
    known = [field.name for field in fields(DATASETS[task][1]) if field.name not in ("seed", "size")]
    for name in settings:
        if name not in known:
            raise UsageError(f"reasoning-gym's {task} has no setting {name!r}{nearest(name, known)}")
    try:
        return create_dataset(task, **settings, seed=seed, size=size)
    except Exception as error:  # its configs check themselves by assertions, and by whatever a wrong type runs into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"reasoning-gym's {task} refuses its settings: {reason}") from error
