"""Why a run got worse: the likeliest cause by the metrics of its steps, and the setting to change. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Rows = Sequence[Mapping[str, float]]
"""Lines of metrics.jsonl, the first step first."""

# Thresholds by runs of micro-base on 60 sums for 10 steps: with learn.lr = 1e-4, which is harmless, KL rose by up to 0.005 in a
# step; with 1e-3 (−42 points) by 0.17, with 1e-2 (−87 points) by 4. In 12 steps of the recipe micro it rises by up to 0.07.
_KL_JUMP = 0.1  # nats per token from one step to the next
_KL_COLLAPSE = 1.0  # the same; KL grows with the square of a step, so a tenth of the rate is not enough then
_KL_DRIFT = 0.1  # nats per token at the end
_CLIPPED = 0.2  # share of tokens
_GROWTH = 5.0  # of the gradient's norm
_SHARE_RISE = 0.1  # of cut answers, or of answers without a result
_ENTROPY_LEFT = 0.25  # of the entropy at the start
_MASTERED = 0.9  # pass rate in training
_MIXED = 0.1  # share of groups with different rewards
_VISITS = 20.0  # of each problem, on average


@dataclass(frozen=True)
class Settings:
    """What of a recipe and its data decides which setting to change."""

    lr: float
    max_tokens: int
    kl_weight: float | None
    """None where the loss has no such weight (SFT)."""
    problems: int
    """Training problems."""
    problems_per_step: int


@dataclass(frozen=True)
class Cause:
    """Why a run got worse, as far as its metrics show."""

    name: str
    evidence: str
    """The figures that show it."""
    setting: str
    """KEY=VALUE, for --set."""
    hint: str = ""
    """What helps more than the setting; empty where nothing does."""


def likely_cause(rows: Rows, settings: Settings) -> Cause:
    """Return the likeliest cause. rows: of all steps up to the one where the loss was seen.

    The first of these with evidence: learning rate, cut answers, lost format, too few problems, KL weight. A learning rate that is
    too high also cuts answers, loses the format and lowers the entropy, so it comes first; a policy that has mastered its problems
    has a low entropy, so that comes before the KL weight. Without evidence for any, a third of the learning rate is tried first.
    """
    for find in (_learning_rate, _cut, _format, _few_problems, _drift):
        if cause := find(rows, settings):
            return cause
    return Cause("not clear from the metrics", "the learning rate is the first thing to lower", _lower(settings.lr, 3))


def _learning_rate(rows: Rows, settings: Settings) -> Cause | None:
    kl = _without_spikes(_values(rows, "policy/kl_to_reference"))
    jump = max((after - before for before, after in pairwise(kl)), default=0.0)
    clipped = max(_values(rows, ("train/clipped_low_frac", "train/clipped_high_frac")), default=0.0)
    norms = _ends(rows, "train/grad_norm", median)
    signs = [
        f"KL to the reference rose by {jump:.2g} nats per token in one step" if jump >= _KL_JUMP else "",
        f"{clipped:.0%} of a step's tokens were clipped" if clipped >= _CLIPPED else "",
        f"gradient norm {norms[0]:.2g} → {norms[1]:.2g}" if norms and norms[1] >= _GROWTH * norms[0] > 0 else "",
    ]
    evidence = ", ".join(filter(None, signs))
    by = 100 if jump >= _KL_COLLAPSE else 10
    return Cause("learning rate too high", evidence, _lower(settings.lr, by)) if evidence else None


def _without_spikes(values: Sequence[float]) -> list[float]:
    """Return the median of each value and its neighbours: an estimate on few rollouts has spikes, a leap lasts."""
    return [median(values[max(0, place - 1) : place + 2]) for place in range(len(values))]


def _cut(rows: Rows, settings: Settings) -> Cause | None:
    if not (ends := _rise(rows, "rollouts/truncated_frac")):
        return None
    evidence = f"share of answers cut at {settings.max_tokens} tokens {ends[0]:.0%} → {ends[1]:.0%}"
    return Cause("cut answers", evidence, f"sampling.max_tokens={2 * settings.max_tokens}")


def _format(rows: Rows, settings: Settings) -> Cause | None:
    if not (ends := _rise(rows, "rollouts/no_answer_frac")):
        return None
    return Cause("format lost", f"share of answers without a result {ends[0]:.0%} → {ends[1]:.0%}", _hold(settings))


def _few_problems(rows: Rows, settings: Settings) -> Cause | None:
    visits = len(rows) * settings.problems_per_step / settings.problems if settings.problems else 0.0
    rates, mixed = _ends(rows, "rollouts/pass_rate"), _ends(rows, "groups/mixed_frac")
    mastered = rates is not None and mixed is not None and rates[1] >= _MASTERED and mixed[1] <= _MIXED
    signs = [
        f"{rates[1]:.0%} of the answers in training are right" if rates and mastered else "",
        f"each of {settings.problems} problems was practised {visits:.0f} times" if visits >= _VISITS else "",
    ]
    evidence = ", ".join(filter(None, signs))
    return Cause("too few problems", evidence, _lower(settings.lr, 3), "add problems") if evidence else None


def _drift(rows: Rows, settings: Settings) -> Cause | None:
    kl, entropy = _ends(rows, "policy/kl_to_reference"), _ends(rows, "train/entropy")
    signs = [
        f"KL to the reference rose to {kl[1]:.2g} nats per token" if kl and kl[1] >= _KL_DRIFT else "",
        f"entropy {entropy[0]:.2g} → {entropy[1]:.2g}" if entropy and entropy[1] <= _ENTROPY_LEFT * entropy[0] else "",
    ]
    evidence = ", ".join(filter(None, signs))
    name = "KL weight too small" if settings.kl_weight else "no KL weight"
    return Cause(name, evidence, _hold(settings)) if evidence else None


def _lower(lr: float, by: int) -> str:
    return f"learn.lr={lr / by:.2g}"


def _hold(settings: Settings) -> str:
    """Return the setting that keeps a policy closer to where it started."""
    if settings.kl_weight is None:
        return _lower(settings.lr, 3)
    return f"loss.kl_weight={3 * settings.kl_weight:.2g}" if settings.kl_weight else "loss.kl_weight=0.05"


def _values(rows: Rows, keys: str | Sequence[str]) -> list[float]:
    """Return a metric, or the sum of several, at the steps that have it; a step without an update has no figures of one."""
    names = [keys] if isinstance(keys, str) else keys
    return [sum(row[name] for name in names) for row in rows if all(name in row for name in names)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _ends(rows: Rows, key: str, of: Callable[[Sequence[float]], float] = _mean) -> tuple[float, float] | None:
    """Return a metric over the first and over the last fifth of the steps that have it; None where fewer than two have it."""
    values = _values(rows, key)
    size = max(1, len(values) // 5)
    return (of(values[:size]), of(values[-size:])) if len(values) > 1 else None


def _rise(rows: Rows, key: str) -> tuple[float, float] | None:
    """Return the ends of a share that rose; None where it did not."""
    ends = _ends(rows, key)
    return ends if ends and ends[1] - ends[0] >= _SHARE_RISE else None
