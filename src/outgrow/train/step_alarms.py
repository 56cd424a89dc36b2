"""The alarms of a run's steps: several steps in a row with figures of a run that is broken. `step_warnings` is for single steps.

Everything follows from the rows of metrics.jsonl, so a run that is stopped and resumed rings at the same steps. An alarm rings once
where it begins, and again only after a step without it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ..algorithms.advantages.base import EQUAL_REWARDS
from ..core.figure_lines import each_figures, figures_backwards

Row = Mapping[str, float]
Rows = Sequence[Row]

STEPS = 3
"""Steps in a row that ring an alarm of the answers, the rewards or the update."""

_GAP = "train_infer_logprob_gap/mean"
_BEHIND = "rollouts/steps_behind"
# Nats per token. In runs of the micro model rounding makes the native engine's gap 1e-7 in float32, and 0.0002 to 0.008 in
# bfloat16 (at the first update 0.001 to 0.002). An engine that draws at 0.7 in place of 1 is 0.02 away, one with old weights 0.01
# after 3 steps at learn.lr = 1e-4. Rollouts that are written ahead are of such weights: one update makes 0.001 to 0.01 at 4e-4.
_GAP_LIMIT, _GAP_LEAST, _GAP_GROWTH = 0.1, 0.01, 10.0
_FAILED = 0.5  # share of a step's completions that the verifier failed on
_CUT = 0.9  # share of a step's completions that were cut


class StepAlarms:
    """What the alarms know after some steps. Steps come in order."""

    def __init__(self, give_up_after: int, max_tokens: int) -> None:
        """give_up_after: the recipe's `learn.give_up_after`. max_tokens: its `sampling.max_tokens`."""
        self._give_up_after, self._max_tokens = give_up_after, max_tokens
        self._rows: deque[Row] = deque(maxlen=STEPS + 1)
        self._first_gap: float | None = None
        self._last_gap = 0.0

    def rewind(self, metrics: Path, step: int) -> None:
        """Continue after `step`. metrics: the run's metrics.jsonl. Raises OutgrowError where it cannot be read."""
        rows = (row for row in figures_backwards(metrics) if row["step"] <= step)
        self._rows = deque(reversed(list(islice(rows, STEPS + 1))), maxlen=STEPS + 1)
        self._first_gap = next((row[_GAP] for row in each_figures(metrics) if _GAP in row and row["step"] <= step), None)
        self._last_gap = next((row[_GAP] for row in figures_backwards(metrics) if _GAP in row and row["step"] <= step), 0.0)

    def judge_rang(self) -> bool:
        """Return whether the judge's alarm rang at the last step."""
        return bool(self._rows and self._rows[-1].get("judge/alarm"))

    def observe(self, row: Row) -> list[str]:
        """Take in the metrics of a step, its update included; return a line for each alarm that begins with it."""
        self._rows.append(row)
        begins = (text(self._rows_now()) for holds, text in self._alarms() if self._begins(holds))
        first = next(begins, None)  # what comes later in the list follows from it
        gap = self._gap(row)
        return [f"ALARM: step {row['step']:.0f}: {text}" for text in (first, gap) if text]

    def _alarms(self) -> list[tuple[Callable[[Rows], bool], Callable[[Rows], str]]]:
        return [(_fails, _failing), (_cuts, self._cutting), (_rejects, _rejecting), (_same, _sameness), (_stands, self._standing)]

    def _rows_now(self) -> Rows:
        return list(self._rows)[-STEPS:]

    def _begins(self, holds: Callable[[Rows], bool]) -> bool:
        now, before = self._rows_now(), list(self._rows)[:-1][-STEPS:]
        return len(now) == STEPS and holds(now) and not (len(before) == STEPS and holds(before))

    def _gap(self, row: Row) -> str | None:
        if _GAP not in row:
            return None
        gap, last = row[_GAP], self._last_gap
        self._first_gap = gap if self._first_gap is None else self._first_gap
        self._last_gap = gap
        behind = row.get(_BEHIND, 0)
        limit = _GAP_LIMIT if behind else min(_GAP_LIMIT, max(_GAP_LEAST, _GAP_GROWTH * self._first_gap))
        if gap < limit or last >= limit:
            return None
        return (
            f"the learner is far from its engine: their log-probabilities of a token differ by {gap:.2g} nats on average, at the "
            f"run's first update by {self._first_gap:.2g}; so the policy learns from answers that it would not write. Check that "
            "the engine has the newest weights and the recipe's temperature, top_p and top_k; "
            + ("lower learn.lr, or set learn.ahead=0" if behind else "for rounding, set learn.old_logprobs=learner")
        )

    def _cutting(self, rows: Rows) -> str:
        return f"most completions were cut at sampling.max_tokens={self._max_tokens} in {_steps(rows)}; raise it. {_verdicts(rows)}"

    def _standing(self, rows: Rows) -> str:
        why = (
            "the gradient is 0"
            if any(row["groups/trained_frac"] for row in rows)
            else f"no group had rewards to learn from, and the run ends after {self._give_up_after} such steps"
        )
        return f"the run stands still: nothing was learned in {_steps(rows)}, since {why}. {_verdicts(rows)}"


def _fails(rows: Rows) -> bool:
    return all(row["rollouts/verifier_failed_frac"] >= _FAILED for row in rows)


def _failing(rows: Rows) -> str:
    return (
        f"the verifier fails on most completions in {_steps(rows)}. {_verdicts(rows)} Such problems have no known answer that can "
        "be read, or their scorer crashes or takes too long; look at the problems in rollouts/"
    )


def _cuts(rows: Rows) -> bool:
    return all(row["rollouts/truncated_frac"] >= _CUT for row in rows)


def _rejects(rows: Rows) -> bool:
    return all(row["rollouts/pass_rate"] == 0 for row in rows)


def _rejecting(rows: Rows) -> str:
    return (
        f"no answer was right in {_steps(rows)}. {_verdicts(rows)} Read some of them in rollouts/: where right ones are counted as "
        "wrong, change verify.extract or the known answers; where they are wrong, take easier problems"
    )


def _same(rows: Rows) -> bool:
    totals = [row["reward/total"] for row in rows]
    return all(row["groups/mixed_frac"] == 0 for row in rows) and max(totals) - min(totals) <= EQUAL_REWARDS


def _sameness(rows: Rows) -> str:
    mastered = all(row["rollouts/pass_rate"] == 1 for row in rows)
    advice = "take harder problems" if mastered else "check [[rewards]], which do not depend on the answer"
    return f"every rollout got the same reward, {rows[-1]['reward/total']:.4g}, in {_steps(rows)}; {advice}. {_verdicts(rows)}"


def _stands(rows: Rows) -> bool:
    return all(row["groups/trained_frac"] == 0 or row.get("train/grad_norm") == 0 for row in rows)


def _verdicts(rows: Rows) -> str:
    """Return what the verifier said of all rollouts of these steps, as a sentence."""
    n = sum(row["rollouts/count"] for row in rows)
    kinds = {"right": "pass_rate", "cut": "truncated_frac", "without an answer": "no_answer_frac", "failed": "verifier_failed_frac"}
    shares = {kind: sum(row[f"rollouts/{name}"] * row["rollouts/count"] for row in rows) / n for kind, name in kinds.items()}
    shares["wrong"] = max(0.0, 1 - sum(shares.values()))
    return f"Of {n:.0f} completions: {', '.join(f'{share:.0%} {kind}' for kind, share in shares.items() if share >= 0.005)}."


def _steps(rows: Rows) -> str:
    return f"steps {rows[0]['step']:.0f}–{rows[-1]['step']:.0f}"
