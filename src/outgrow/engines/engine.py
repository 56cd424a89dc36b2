"""The contract between the training loop and what writes completions, and the recipe table that chooses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ..core.callbacks import CheckStop, OnText, OnWritten, Warn, never_stop, quiet, untold
from ..core.errors import UsageError
from ..core.registry import Component
from ..policy import ModelSpec, Policy, Sampling
from ..types import Rollout
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GenerationRequest:
    """Rollouts to write: a group of n for each prompt.

    >>> GenerationRequest([[5, 6], [7]], n=4, sampling=Sampling(max_tokens=8), seeds=[1, 2]).rollouts
    8
    """

    prompts: Sequence[Sequence[int]]
    """Token ids of each prompt."""
    n: int
    """Rollouts of each prompt."""
    sampling: Sampling
    """Distribution that the tokens are drawn from, and the longest completion."""
    seeds: Sequence[int]
    """One for each prompt. The draws of a group depend on its seed only, not on the other prompts."""
    on_written: OnWritten = field(default=untold, compare=False, repr=False)
    """Called by the engine as often as `check_stop`, with what this call has written so far."""
    on_text: OnText | None = field(default=None, compare=False, repr=False)
    """Called at every token of the first rollout, by engines in this process; None where nobody reads along."""
    expected_tokens: Sequence[float] = ()
    """Tokens that a rollout of each prompt is expected to have, by which engines share out work; empty where nobody knows."""

    @property
    def rollouts(self) -> int:
        """Number of rollouts of all prompts."""
        return len(self.prompts) * self.n


class Engine(ABC):
    """Writes rollouts with weights that it is given: one model, many versions of its weights.

    `start` comes first, once. `load_weights` comes before the first `generate`, and again after each `sleep`.
    """

    spec: ModelSpec | None = None
    """The model that `start` was given; None before."""

    def start(self, spec: ModelSpec) -> None:
        """Get ready for weights of this model. An engine that prepares something calls this method of the base class as well."""
        self.spec = spec

    @abstractmethod
    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        """Copy these weights; rollouts are written with them from now on.

        weights: every tensor of the model by its name in transformers, adapters merged. They change after the call, when the
        policy learns. version: what `Rollout.weights_version` must say of the rollouts that these weights write.
        """

    def load_policy(self, policy: Policy, version: int) -> None:
        """Copy the policy's present weights, as `load_weights` does. An engine that is far away may fetch less than all of them."""
        self.load_weights(policy.named_weights(), version)

    @abstractmethod
    def sleep(self) -> None:
        """Free the memory that the learner needs, the weights' included, until the next `load_weights`. May be called twice."""

    @abstractmethod
    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        """Return n rollouts of each prompt, in the order of the prompts.

        Each token comes with its log-probability under the distribution that it was drawn from.
        check_stop: called at every token; what it raises ends the generation.
        Raises UsageError where a prompt leaves no room for the longest completion.
        """

    def close(self) -> None:
        """End the processes that it has started; nothing is asked of it afterwards. Default: it has none."""
        return

    def work_done(self) -> list[Work]:
        """Return what each of its processes has written since the last call, lost ones too. Default: it has none of its own."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the engine, as JSON values: sizes that memory lowered. Default: nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned when the checkpoint was written. Default: nothing.

        Raises ValueError, or what values of a wrong kind raise, where `state_dict` does not return such a state.
        """
        return


class EngineConfig(Component):
    """What writes the completions (recipe table `engine`)."""

    one_per_process: ClassVar[bool] = False
    """Whether a process has room for a single such engine, which stays until the process ends."""

    max_sequences: int = Field(default=512, ge=1, description="Limit of rollouts decoded at the same time; it bounds memory.")
    actors: int = Field(
        default=0,
        ge=0,
        description="Processes that write a run's rollouts and measurements together, each with an engine of this type, on Ray "
        "(extra `ray`); on the machines of a cluster where the environment variable RAY_ADDRESS names one. 0 writes them in the "
        "run's own process.",
    )
    actor_threads: int = Field(
        default=1, ge=1, description="CPU threads of each actor. Sums depend on them, to the last bit, as on run.threads."
    )
    actor_rows: int = Field(
        default=64,
        ge=1,
        description="Rollouts of one call to an actor, in whole groups. Rounding depends on the rows that are computed together; "
        "calls are cut by this size only, so any number of actors writes the same tokens. Have two calls or more for each actor.",
    )
    actor_timeout_s: float = Field(
        default=1800, gt=0, description="Seconds that one call may take before its actor counts as lost."
    )

    def exact(self) -> EngineConfig:
        """Return the settings of the engine that measures: one whose answers are drawn from the policy's own weights, where this
        one's are drawn from faster ones. Default: the same.
        """
        return self

    def require_model(self, spec: ModelSpec) -> None:
        """Raise UsageError where an engine with these settings cannot decode this model on this machine. It is called before a run
        makes or changes anything. Default: nothing is checked.
        """
        return

    @abstractmethod
    def build(self, warn: Warn = quiet) -> Engine:
        """Make the engine, in this process whatever `actors` says (`build_engine` asks that). warn: takes what a person should know
        while it works.

        Raises UsageError where a package that it needs is not installed.
        """


def sync(engine: Engine, policy: Policy, version: int = 0) -> None:
    """Give the engine the policy's present weights; the first call starts it. version: training steps behind the weights."""
    spec = policy.spec()
    if engine.spec is None:
        engine.start(spec)
    else:
        assert engine.spec.settings == spec.settings, "an engine decodes one model"
    engine.load_policy(policy, version)


def check_room(sampling: Sampling, context: int, prompts: Sequence[Sequence[int]] = (), whose: str = "the model's context") -> None:
    """Raise UsageError where the longest completion leaves no room for the longest prompt.

    context: tokens of prompt and completion together. prompts: token ids. Default: a prompt of one token, the shortest.
    whose: what the message calls the context.
    """
    longest = max(map(len, prompts), default=1)
    if longest >= context:
        raise UsageError(
            f"a prompt of {longest} tokens is too long for {whose} ({context} tokens), whatever sampling.max_tokens is"
        )
    if longest + sampling.max_tokens > context:
        prompt = f"a prompt of {longest} tokens" if prompts else "a prompt"
        raise UsageError(
            f"sampling.max_tokens={sampling.max_tokens} leaves no room for {prompt} in {whose} ({context} tokens); "
            "lower sampling.max_tokens"
        )
