"""What a person should know of a step that teaches little."""

from collections.abc import Mapping, Sequence

from ..core.callbacks import Warn


def step_warning(metrics: Mapping[str, float], step: int, max_tokens: int) -> str | None:
    """Return the most important warning about a step with these metrics, in one line; None where there is nothing to say.

    max_tokens: the recipe's `sampling.max_tokens`.
    """
    if metrics["rollouts/truncated_frac"] == 1:
        return f"step {step}: every completion was cut at sampling.max_tokens={max_tokens}; raise it"
    if metrics["groups/trained_frac"] == 0:
        pass_rate = metrics["rollouts/pass_rate"]
        advice = "harder problems" if pass_rate > 0.5 else "easier problems or a better base model"
        return (
            f"step {step}: all rewards within every group are equal (pass rate {pass_rate:.2f}), so nothing is learned; "
            f"try {advice}"
        )
    failed, cut = metrics["rollouts/verifier_failed_frac"], metrics["rollouts/truncated_frac"]
    if failed > 0:
        return f"step {step}: the verifier failed on {failed:.0%} of the completions; see rollouts/"
    if cut > 0.5:
        return f"step {step}: {cut:.0%} of the completions were cut at sampling.max_tokens={max_tokens}; raise it"
    return None


def warn_about_few_problems(asked: int, counts: Sequence[int], sizes: Sequence[int], warn: Warn) -> None:
    """Say where a step asks a source for more problems than it has. counts: what it asks of each source. sizes: what each has."""
    short = [number for number, (count, size) in enumerate(zip(counts, sizes, strict=True), 1) if count > size]
    if short:
        which = "the data" if len(sizes) == 1 else f"[[problems]] number {' and '.join(map(str, short))}"
        took = sum(map(min, counts, sizes))
        warn(f"learn.problems_per_step={asked} asks for more problems than {which} holds; a step takes {took}")
