"""Whether a policy solves chains as well as it solves their parts, by what of them was practised.

The synthesis gap of a chain is its pass rate minus the product of the pass rates of its parts: the rate that a policy would reach
that solves the parts in a chain as often as it solves them as problems of their own. Below 0, putting together costs something.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from ..core.estimate import Estimate
from ..problems.chains.shape import ATOM, SPLITS, THEN, Shape, shape_of_field, split_of_chain
from .evaluation import Evaluation
from .sample import Sample
from .shared_parts import mean_over_chains


def practised_shapes(fields: Iterable[str]) -> frozenset[Shape]:
    """Return the shapes of the fields that were practised. A field's name with > that describes no chain is passed over.

    >>> sorted(shape.name for shape in practised_shapes(["sum", "sum>product", "a>>b", ""]))
    ['sum', 'sum>product']
    """
    shapes = (shape_of_field(field) if THEN in field else Shape((field,)) for field in fields if field)
    return frozenset(shape for shape in shapes if shape)


def chains_of(evaluation: Evaluation) -> dict[str, Sample]:
    """Return problem id -> first sample of each chain, in the suite's order."""
    return {sample.problem_id: sample for sample in evaluation.samples if sample.index == 0 and sample.parts}


def splits_of(evaluation: Evaluation, practised: Collection[Shape]) -> dict[str, list[str]]:
    """Return split -> ids of its problems, in the order of SPLITS, where these shapes were practised.

    Problems that are no chains, the parts among them, are the split ATOM. Chains whose field's name describes no shape are in no
    split.
    """
    split_of_field: dict[str, str | None] = {}
    members: dict[str, list[str]] = {split: [] for split in SPLITS}
    for sample in evaluation.samples:
        if sample.index != 0:
            continue
        split: str | None = ATOM
        if sample.parts:
            if sample.field not in split_of_field:
                shape = shape_of_field(sample.field)
                split_of_field[sample.field] = split_of_chain(shape, practised) if shape else None
            split = split_of_field[sample.field]
        if split:
            members[split].append(sample.problem_id)
    return {split: problems for split, problems in members.items() if problems}


def pass_rates_by_split(evaluation: Evaluation, practised: Collection[Shape]) -> dict[str, Estimate]:
    """Return split -> pass@1 of its problems, with its interval over problems and their number."""
    return _means(evaluation, evaluation.pass_rates(), practised)


def gaps_by_split(evaluation: Evaluation, practised: Collection[Shape]) -> dict[str, Estimate]:
    """Return split -> mean synthesis gap of its chains, with its interval over chains and the number of chains that count.

    See `gaps` for the chains that count.
    """
    return _means(evaluation, gaps(evaluation), practised, least=-1)


def gaps(evaluation: Evaluation) -> dict[str, float]:
    """Return chain -> its pass rate minus the product of its parts' pass rates, of the same evaluation.

    Without bias: answers to different problems are drawn independently, so the product of their rates estimates the product of
    their chances; see `product_of_rates` for a part that occurs twice. Chains of which a part was not measured are not among them.
    """
    k = evaluation.k
    right = {problem: sum(sample.right for sample in samples) for problem, samples in evaluation.drawn().items()}
    products = {chain: product_of_rates(sample.parts, right, k) for chain, sample in chains_of(evaluation).items()}
    return {chain: right[chain] / k - product for chain, product in products.items() if product is not None}


def product_of_rates(parts: Collection[str], right: Mapping[str, int], k: int) -> float | None:
    """Return an unbiased estimate of the chance to solve all these parts, each by an answer of its own.

    right: problem -> number of its k samples that are right. A part that occurs m times counts as C(c, m) / C(k, m), for two times
    c(c − 1) / (k(k − 1)): the share of its pairs of different samples of which both are right. The square of its rate would count
    each sample with itself, too, and so be too large by p(1 − p)/k. None where a part was not measured, or occurs more than k
    times.

    >>> product_of_rates(["a", "b"], {"a": 2, "b": 3}, 4), product_of_rates(["a", "a"], {"a": 2}, 4), product_of_rates(["c"], {}, 4)
    (0.375, 0.16666666666666666, None)
    """
    times = Counter(parts)
    if not times.keys() <= right.keys() or max(times.values()) > k:
        return None
    return math.prod(math.comb(right[part], m) / math.comb(k, m) for part, m in times.items())


def parts_of(evaluation: Evaluation) -> dict[str, tuple[str, ...]]:
    """Return chain -> ids of its parts."""
    return {chain: sample.parts for chain, sample in chains_of(evaluation).items()}


def _means(
    evaluation: Evaluation, values: Mapping[str, float], practised: Collection[Shape], least: float = 0.0
) -> dict[str, Estimate]:
    parts = parts_of(evaluation)
    known = {
        split: mean_over_chains({problem: values[problem] for problem in problems if problem in values}, parts, least)
        for split, problems in splits_of(evaluation, practised).items()
    }
    return {split: estimate for split, estimate in known.items() if estimate}
