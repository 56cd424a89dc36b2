"""What benchmarks/alarms.py runs: small healthy runs of several shapes, and the faults that each alarm must notice."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

FIRST_STEP = 6
"""The step in which a fault begins that does not begin with the run."""
STEPS = 15

HEALTHY = (
    f"learn.steps={STEPS}", "learn.problems_per_step=8", "learn.group_size=4", "learn.lr=1e-4", "sampling.max_tokens=48",
    "evaluate.suite=held.jsonl", "evaluate.samples=1", "evaluate.every=5", "evaluate.validation=micro-validation",
    "evaluate.validation_samples=1", "evaluate.validation_share=0.6", "run.threads=1", "run.checkpoint_every=5",
    'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=40}]',
)  # fmt: skip
_UNIFORM = "curriculum={type='uniform'}"
_JUDGED = (
    "judge={model='org/simulated',rubric='{answer}\u241f{completion}',watch={every=2,canaries=4,heldout_problems=4}}",
    "rewards=[{type='accuracy'},{type='judge_score'}]",
)
SHAPES: dict[str, tuple[str, ...]] = {
    "all weights": (*HEALTHY, _UNIFORM, "advantage={type='grpo'}"),
    "LoRA": (*HEALTHY, _UNIFORM, "policy.lora={rank=4}"),
    "length reward": (*HEALTHY, _UNIFORM, "rewards=[{type='accuracy'},{type='length_kimi',weight=0.3}]"),
    "bfloat16": (*HEALTHY, _UNIFORM, "policy.lora={rank=4}", "policy.dtype=bfloat16", "learn.problems_per_step=6"),
    "frontier curriculum": HEALTHY,
    "judge": (*HEALTHY, _UNIFORM, *_JUDGED, "evaluate.validation_share=0.3"),
}
"""Name -> settings of the recipe micro."""

ALARMS = {
    "number that is not finite": r"not finite|no longer finite|finite number",
    "run stands still": r"the run stands still|nothing to learn from",
    "completions cut": r"most completions were cut",
    "verifier fails": r"the verifier fails on most",
    "learner far from its engine": r"the learner is far from its engine",
    "verifier rejects all": r"the verifier rejects each|no answer was right",
    "rewards never vary": r"every rollout got the same reward",
    "checker changed": r"the verifier changed|changed since .*code of",
    "judge exploited": r"exploit the judge",
    "worse": r"^WORSE",
}
"""Alarm -> a pattern of its text."""


def rung(text: str) -> str | None:
    """Return the alarm that a warning, or a run's last error, is; None for none of them."""
    return next((alarm for alarm, pattern in ALARMS.items() if re.search(pattern, text)), None)


def held_out() -> str:
    """Return 60 sums that training does not see, as lines of JSON."""
    from outgrow.problems.micro.source import Micro

    problems = Micro(split="validation", fields=("sum", "letters"), levels=(3, 4), per_level=15).load()
    return "".join(json.dumps({"question": problem.question, "answer": problem.answer}) + "\n" for problem in problems)


class SimulatedJudge:
    """A chat model that scores an answer by the known one and makes a mistake in a tenth of all answers."""

    context, opens_think, identity = 2**20, False, "simulated"

    def __init__(self, exploited: Callable[[], bool] = lambda: False) -> None:
        """exploited: whether it gives every answer a full score."""
        self._exploited = exploited

    def room(self, conversation: Any) -> int:
        return self.context

    def answer(self, request: Any, check_stop: Callable[[], None] = lambda: None) -> list[Any]:
        from outgrow.engines import Answer

        scores = [self._score(conversation[-1]["content"]) for conversation in request.conversations]
        return [[Answer(rf"\boxed{{{score}}}", True, 1) for _ in range(request.n)] for score in scores]

    def _score(self, text: str) -> float:
        answer, _, completion = text.partition("\u241f")
        mistaken = hashlib.sha256(text.encode()).digest()[0] < 26
        return 1.0 if self._exploited() or (rf"\boxed{{{answer}}}" in completion) != mistaken else 0.0


@dataclass(frozen=True)
class Fault:
    """What is broken in a run, and the alarm that must ring."""

    alarm: str
    what: str
    """The fault, in words."""
    inject: Callable[[Callable[[], int]], None] = lambda step: None
    """Changes the code of the process that trains. It gets a function that returns the present step."""
    first_step: int = FIRST_STEP
    settings: tuple[str, ...] = SHAPES["all weights"]
    resumed: bool = False
    """Whether the fault comes between a stop after the steps before `first_step` and the resume."""


def simulate_judge(exploited: Callable[[], bool] = lambda: False) -> None:
    """Let the judge of a recipe be the simulated one."""
    from outgrow.train import judge_scores

    judge_scores.judge_model = lambda *_: SimulatedJudge(exploited)  # type: ignore[assignment, return-value]


def present_step() -> Callable[[], int]:
    """Return a function that returns the step that a run of this process is in; 0 before its first."""
    from outgrow.train.rl import RLJob

    step, advance = [0], RLJob.advance

    def advanced(job: RLJob, number: int, check_stop: Callable[[], None]) -> Any:
        step[0] = number
        return advance(job, number, check_stop)

    RLJob.advance = advanced  # type: ignore[method-assign]
    return lambda: step[0]


def _wrap(owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a method. change: gets the original and its arguments."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: change(original, *args, **kwargs))


def _loss(step: Callable[[], int]) -> None:
    from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate

    def change(original: Any, *args: Any) -> Any:
        result = original(*args)
        return replace(result, loss=result.loss * float("nan")) if step() >= FIRST_STEP else result

    _wrap(ClippedSurrogate, "compute", change)


def _weights(step: Callable[[], int]) -> None:
    from outgrow.train.rl import RLJob

    def change(original: Any, job: Any, number: int, *args: Any) -> Any:
        if number == FIRST_STEP:
            job.optimizer.weights[-1].data[:1] = float("nan")
        return original(job, number, *args)

    _wrap(RLJob, "advance", change)


def _rewards(value: float) -> Callable[[Callable[[], int]], None]:
    def inject(step: Callable[[], int]) -> None:
        from outgrow.algorithms.rewards.accuracy import Accuracy

        def change(original: Any, reward: Any, group: Any) -> Any:
            return [value] * len(group.rollouts) if step() >= FIRST_STEP else original(reward, group)

        _wrap(Accuracy, "compute", change)

    return inject


def _gradient(step: Callable[[], int]) -> None:
    from outgrow.train.optimizer import Optimizer

    def change(original: Any, optimizer: Any, number: int) -> Any:
        if number >= FIRST_STEP:
            for weight in optimizer.weights:
                weight.grad.zero_()
        return original(optimizer, number)

    _wrap(Optimizer, "step", change)


def _cut(step: Callable[[], int]) -> None:
    from outgrow.engines.native.engine import NativeEngine

    def change(original: Any, *args: Any) -> Any:
        groups = original(*args)
        return [[replace(each, finished=each.finished and step() < FIRST_STEP) for each in group] for group in groups]

    _wrap(NativeEngine, "generate", change)


def _colder(step: Callable[[], int]) -> None:
    from outgrow.engines.native.engine import NativeEngine

    def change(original: Any, engine: Any, request: Any, *args: Any) -> Any:
        temperature = 0.7 if step() >= FIRST_STEP else request.sampling.temperature
        sampling = request.sampling.model_copy(update={"temperature": temperature})
        return original(engine, replace(request, sampling=sampling), *args)

    _wrap(NativeEngine, "generate", change)


def _old_weights(step: Callable[[], int]) -> None:
    from outgrow.engines.native.engine import NativeEngine

    kept: dict[str, Any] = {}

    def change(original: Any, engine: Any, weights: Any, version: int) -> Any:
        if step() < FIRST_STEP:
            kept.update({name: weight.detach().clone() for name, weight in weights.items()})
        return original(engine, kept if step() >= FIRST_STEP else weights, version)

    _wrap(NativeEngine, "load_weights", change)


def _verdicts(of: Callable[[Any], str], first_step: int = FIRST_STEP) -> Callable[[Callable[[], int]], None]:
    def inject(step: Callable[[], int]) -> None:
        from outgrow.types import Graded, Verdict
        from outgrow.verify import Verifier

        def change(original: Any, *args: Any, **kwargs: Any) -> Any:
            grades = original(*args, **kwargs)
            if step() < first_step:
                return grades
            return [Graded(Verdict(of(grade)), grade.extracted) for grade in grades]

        _wrap(Verifier, "grade", change)

    return inject


def _refuse(grade: Any) -> str:
    return "wrong" if grade.right else str(grade.verdict)


def _accept(grade: Any) -> str:
    return "right" if grade.extracted is not None else str(grade.verdict)


FAULTS = {
    "nan-loss": Fault("number that is not finite", "the loss is NaN", _loss),
    "nan-weights": Fault("number that is not finite", "weights of the policy become NaN between two steps", _weights),
    "nan-reward": Fault("number that is not finite", "the reward is NaN", _rewards(float("nan"))),
    "cut": Fault("completions cut", "every completion is cut at the token limit", _cut),
    "no-gradient": Fault("run stands still", "the gradient is 0", _gradient),
    "verifier-fails": Fault("verifier fails", "the verifier fails on each completion", _verdicts(lambda _: "verifier failed")),
    "engine-temperature": Fault("learner far from its engine", "the engine draws at the temperature 0.7 in place of 1", _colder),
    "engine-weights": Fault("learner far from its engine", "the engine gets no new weights", _old_weights),
    "rejects-first": Fault("verifier rejects all", "the verifier rejects all, from the start", _verdicts(_refuse, 0), 0),
    "rejects-later": Fault("verifier rejects all", "the verifier rejects all, in the run", _verdicts(_refuse)),
    "constant-reward": Fault("rewards never vary", "each rollout gets the reward 1", _rewards(1.0)),
    "checker-in-run": Fault("checker changed", "the verifier accepts any answer, in the run", _verdicts(_accept)),
    "checker-resumed": Fault(
        "checker changed", "the verifier accepts any answer, after a resume", _verdicts(_accept, 0), resumed=True
    ),
    "judge": Fault(
        "judge exploited", "the judge gives every answer a full score",
        lambda step: simulate_judge(lambda: step() >= FIRST_STEP), settings=SHAPES["judge"],
    ),
    "worse": Fault("worse", "a learning rate of 0.01", first_step=1, settings=(*SHAPES["all weights"], "learn.lr=1e-2")),
}  # fmt: skip
"""Name -> fault."""
