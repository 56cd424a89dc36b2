"""How long an answer may be: from the solutions, where the file has some, else from the questions and the model."""

import math
from collections.abc import Sequence

from ..core.errors import UsageError
from .answers import AnswerKind
from .model import ModelFindings
from .recipe_draft import Choice

_ROUND = 32
_SHORTEST, _LONGEST = 128, 1024
_LATEX = 1024  # of an answer in LaTeX, with its derivation
_THOUGHTS = 4096  # half of what R1's makers give its models on mathematics is enough for most answers
_PER_QUESTION = 4  # tokens of an answer for each token of a long question


def max_tokens(
    model: ModelFindings, kind: AnswerKind, prompt: int, questions: Sequence[int], solutions: Sequence[int]
) -> Choice[int]:
    """Return `sampling.max_tokens`. prompt: tokens of the longest prompt. questions, solutions: tokens of each.

    Raises UsageError where the longest prompt leaves no room for an answer.
    """
    wanted = _wanted(model, kind, questions, solutions)
    room = model.shape.context - prompt
    if room < min(wanted.value, _ROUND):
        raise UsageError(
            f"--model {model.name}: its context of {model.shape.context:,} tokens leaves {max(0, room)} for an answer to the "
            f"longest question ({prompt:,} tokens with its prompt); take a model with a longer context, or drop long questions"
        )
    if wanted.value <= room:
        return wanted
    return Choice(room, f"what the context of {model.shape.context:,} tokens leaves after the longest prompt, {prompt:,} tokens")


def _wanted(model: ModelFindings, kind: AnswerKind, questions: Sequence[int], solutions: Sequence[int]) -> Choice[int]:
    if model.made_by is not None:
        return Choice(model.made_by.sampling.max_tokens, f"as in the training of {model.name}")
    if model.thinks:
        return Choice(_THOUGHTS, "this model thinks aloud before it answers")
    if solutions:
        long = _percentile(solutions, 0.95)
        tokens = _rounded(max(_SHORTEST, 1.5 * long))
        return Choice(tokens, f"19 of 20 solutions in the file have at most {long:,} tokens; half as much again for other ways")
    if not model.follows and model.has_template:
        return Choice(model.shape.context // 2, f"half of the context of {model.shape.context:,} tokens")
    if kind is AnswerKind.LATEX:
        return Choice(_LATEX, "answers in LaTeX need a derivation")
    long = _percentile(questions, 0.95)
    tokens = _rounded(min(_LONGEST, max(_SHORTEST, _PER_QUESTION * long)))
    return Choice(
        tokens, f"{_PER_QUESTION} times a long question ({long:,} tokens), at least {_SHORTEST}; the audit says how often it cuts"
    )


def _percentile(values: Sequence[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _rounded(tokens: float) -> int:
    return _ROUND * math.ceil(tokens / _ROUND)
