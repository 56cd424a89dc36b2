"""Drawing: k graded answers of a policy to each problem, a row each, right or not."""

import re
from collections.abc import Callable, Sequence

from ..core.errors import UsageError
from ..core.rng import seed_from
from ..engines import ChatModel, Conversation
from ..evaluate.sample import Sample, sample_problems
from ..policy import Sampling
from ..types import Problem
from ..verify import Verifier
from ..verify.extract import THINK_OPEN
from .row import SyntheticRow

_DIGEST = re.compile(r"[0-9a-f]{64}")


def draw(
    respondent: ChatModel,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    generation: int,
    check_stop: Callable[[], None] = lambda: None,
) -> list[SyntheticRow]:
    """k rows a problem, in the order of the problems.

    The dice are thrown for this purpose and generation: they are not those of any measurement, nor of training.
    Raises UsageError at temperature 0, where k answers would be one.
    """
    if sampling.temperature == 0:
        raise UsageError("k answers at temperature 0 are one and the same; raise the temperature")
    samples = sample_problems(respondent, verifier, problems, k, sampling, seed_from(seed, "made", generation), check_stop)
    opener, model = THINK_OPEN if respondent.opens_think else "", model_name(respondent.identity)

    def row(asked: Conversation, sample: Sample, pass_rate: float) -> SyntheticRow:
        return SyntheticRow(
            problem_id=sample.problem_id,
            field=sample.field,
            level=sample.level,
            question=sample.question,
            answer=sample.answer,
            messages=[*asked, {"role": "assistant", "content": f"{opener}{sample.text}"}],
            sampled=sample.text,
            verdict=sample.verdict,
            extracted=sample.extracted,
            pass_rate=pass_rate,
            n=k,
            generation=generation,
            model=model,
            length=sample.length,
        )

    rows = []
    for place, problem in enumerate(problems):
        group = samples[place * k : (place + 1) * k]
        asked, pass_rate = respondent.conversation(problem.question), sum(sample.right for sample in group) / k
        rows += [row(asked, sample, pass_rate) for sample in group]
    return rows


def model_name(identity: str) -> str:
    """Who answered, as it may be told to anyone: the digest of the weights; of a server the model's name, never its address.

    >>> model_name(f"{'0a' * 32} tokenizer-and-rest") == "0a" * 32, model_name("http://user:key@10.0.0.7/v1#qwen")
    (True, 'qwen')
    """
    first = identity.partition(" ")[0]
    return first if _DIGEST.fullmatch(first) else identity.rpartition("#")[2]
