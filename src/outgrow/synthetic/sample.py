"""Sampling: k graded answers of a policy to each problem, one row each, right or not."""

import re
from collections.abc import Sequence

from ..core.callbacks import CheckStop, never_stop
from ..core.errors import UsageError
from ..core.rng import seed_from
from ..engines import ChatModel, Conversation
from ..evaluate.sample import Sample, sample_problems
from ..policy import Sampling
from ..types import Problem
from ..verify import Verifier
from ..verify.extraction.extract import THINK_OPEN
from .row import SyntheticRow

_DIGEST = re.compile(r"[0-9a-f]{64}")


def draw(
    model: ChatModel,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    generation: int,
    check_stop: CheckStop = never_stop,
) -> list[SyntheticRow]:
    """Return k rows per problem, in the order of the problems.

    The random numbers are of this purpose and generation: no measurement and no training uses the same ones.
    Raises UsageError at temperature 0, where all k answers would be equal.
    """
    if sampling.temperature == 0:
        raise UsageError("At temperature 0 all k answers are equal; raise the temperature.")
    samples = sample_problems(model, verifier, problems, k, sampling, seed_from(seed, "made", generation), check_stop)
    opener, name = THINK_OPEN if model.opens_think else "", model_name(model.identity)

    def row(conversation: Conversation, sample: Sample, pass_rate: float) -> SyntheticRow:
        return SyntheticRow(
            problem_id=sample.problem_id,
            field=sample.field,
            level=sample.level,
            question=sample.question,
            answer=sample.answer,
            messages=[*conversation, {"role": "assistant", "content": f"{opener}{sample.text}"}],
            sampled=sample.text,
            verdict=sample.verdict,
            extracted=sample.extracted,
            pass_rate=pass_rate,
            n=k,
            generation=generation,
            model=name,
            length=sample.length,
        )

    rows = []
    for index, problem in enumerate(problems):
        group = samples[index * k : (index + 1) * k]
        conversation, pass_rate = model.conversation(problem.question, problem.turns), sum(sample.right for sample in group) / k
        rows += [row(conversation, sample, pass_rate) for sample in group]
    return rows


def model_name(identity: str) -> str:
    """Return a public name of a model: the digest of its weights; of a server the model's name, never its address.

    >>> model_name(f"{'0a' * 32} tokenizer-and-rest") == "0a" * 32, model_name("http://user:key@10.0.0.7/v1#qwen")
    (True, 'qwen')
    """
    first = identity.partition(" ")[0]
    return first if _DIGEST.fullmatch(first) else identity.rpartition("#")[2]
