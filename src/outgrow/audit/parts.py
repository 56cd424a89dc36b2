"""Whether the parts of a recipe's chains are solved well enough, each asked by itself, for the chains to be practised."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..algorithms.samplers.climb import Climb
from ..config import RLRecipe
from ..core.estimate import Estimate
from ..evaluate.sample import Sample
from ..problems.chains import MicroChains
from ..problems.chains.shape import shape_of_field
from ..problems.limit import limited
from ..types import Problem
from .support import near_limit, percent, support
from .thresholds import SOLID


@dataclass(frozen=True)
class PartsSaid:
    """What is to be said of the parts of a recipe's chains."""

    closed: bool
    """Whether a field among them is known to be too weak, and nothing practises it first."""
    lines: list[str]


def parts_to_ask(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """Return up to `count` distinct parts of each field of these problems' chains, drawn at random; [] without chains."""
    fields: dict[str, dict[str, Problem]] = {}
    for problem in problems:
        for part in problem.parts:
            fields.setdefault(part.field, {})[part.id] = part
    return [part for parts in fields.values() for part in limited(list(parts.values()), count, seed)[0]]


def part_rates(parts: Sequence[Problem], samples: Sequence[Sample]) -> dict[str, Estimate]:
    """Return the share of right answers to these parts, field by field. samples: k of each, perhaps among others."""
    asked = {part.id for part in parts}
    fields: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.problem_id in asked:
            fields.setdefault(sample.field, []).append(sample)
    return {field: support(drawn).pass_1 for field, drawn in fields.items()}


def practised_first(recipe: RLRecipe, sources: Sequence[Sequence[Problem]]) -> set[str]:
    """Return the fields that the recipe's sampler practises before every chain with a part of them; none but `climb` does so.

    sources: the problems of each source.
    """
    if not isinstance(recipe.curriculum, Climb):
        return set()
    fields: set[str] = set()
    late: set[str] = set()
    for problems in sources:
        held = {(problem.field, problem.level) for problem in problems if not problem.parts}
        for problem in problems:
            shape = shape_of_field(problem.field)
            for part in problem.parts:
                fields.add(part.field)
                # The sampler goes by the names in a chain's field, and by its level.
                if shape is None or part.field not in shape.fields or (part.field, problem.level) not in held:
                    late.add(part.field)
    return fields - late


def judge_parts(recipe: RLRecipe, rates: Mapping[str, Estimate], first: Collection[str]) -> PartsSaid:
    """Return what these rates say. first: see `practised_first`.

    A field is too weak where the upper end of its interval is below the limit. The point estimate would not do: each of several
    fields is asked on few problems, and one of them is soon below the limit by chance.
    """
    weak = [field for field, rate in rates.items() if rate.high < SOLID and field not in first]
    lines = [f"no support yet for chains: {_asked(field, rates[field])}; the limit is {SOLID:.0%}" for field in weak]
    if weak:
        lines.append(_train_first(recipe, weak))
    for field, rate in rates.items():
        if rate.high < SOLID and field in first:
            lines.append(f"{_asked(field, rate)}; the sampler {recipe.curriculum.type} practises it before the chains made of it")
        elif rate.value < SOLID <= rate.high:
            lines += near_limit(_asked(field, rate), rate, SOLID)
    if rates and not lines:
        lines = [f"the parts of its chains are right in at least {SOLID:.0%} where each is asked by itself: {', '.join(rates)}"]
    return PartsSaid(bool(weak), lines)


def _asked(field: str, rate: Estimate) -> str:
    return f"{field} by itself is right in {percent(rate)}"


def _train_first(recipe: RLRecipe, weak: Sequence[str]) -> str:
    """Return the line that says what to train before the chains."""
    them = "it" if len(weak) == 1 else "them"
    for source in recipe.problems:
        if isinstance(source, MicroChains):
            levels = json.dumps(list(source.levels))
            return f'train {them} first: [[problems]] type = "micro-chains", chains = {json.dumps(list(weak))}, levels = {levels}'
    return f'train {them} first, without chains: parts = "only" in [[problems]], or problems of {", ".join(weak)}'
