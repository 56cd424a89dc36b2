"""The keys of a recipe. Defaults are the vetted settings; an unknown key is an error."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from ..algorithms.advantages import ADVANTAGES, Advantage
from ..algorithms.advantages.grpo import GRPO
from ..algorithms.losses import LOSSES, Loss
from ..algorithms.losses.clipped_surrogate import ClippedSurrogate
from ..algorithms.rewards import REWARDS, Reward
from ..algorithms.rewards.accuracy import Accuracy
from ..algorithms.rewards.functions import function_class
from ..algorithms.samplers import SAMPLERS, Sampler
from ..algorithms.samplers.uniform import Uniform
from ..core.folder_name import FolderName
from ..core.registry import build
from ..core.stand_ins import stands_in
from ..engines import ENGINES, EngineConfig, NativeEngineConfig
from ..judge.config import JudgeSection
from ..policy import Prompt, Sampling
from ..problems import SOURCES, Source
from ..problems.micro import Micro
from ..problems.synthetic import Synthetic
from .sections import (
    DistillSection,
    EvaluateSection,
    LearnSection,
    LedgerSection,
    PolicySection,
    RunSection,
    Section,
    ServerSection,
    SFTSection,
    VerifySection,
)

AnySource = Annotated[SerializeAsAny[Source], BeforeValidator(lambda value: build(value, Source, SOURCES, "problem source"))]
AnyReward = Annotated[
    SerializeAsAny[Reward], BeforeValidator(lambda value: build(value, Reward, REWARDS, "reward", class_for=function_class))
]
AnyAdvantage = Annotated[SerializeAsAny[Advantage], BeforeValidator(lambda value: build(value, Advantage, ADVANTAGES, "advantage"))]
AnyLoss = Annotated[
    SerializeAsAny[Loss], BeforeValidator(lambda value: build(value, Loss, LOSSES, "loss", default="clipped_surrogate"))
]
AnySampler = Annotated[SerializeAsAny[Sampler], BeforeValidator(lambda value: build(value, Sampler, SAMPLERS, "sampler"))]
AnyEngine = Annotated[
    SerializeAsAny[EngineConfig], BeforeValidator(lambda value: build(value, EngineConfig, ENGINES, "engine", default="native"))
]


class _Recipe(Section):
    name: FolderName = Field(description="The recipe's name, and the name of its run folder.", examples=["mine"])
    description: str = Field(default="", description="What the recipe does, in a sentence.")
    expected: str = Field(default="", description="What the recipe should show, with time and machine.")
    seed: int = Field(default=0, description="Seed of all random choices.")
    policy: PolicySection = Field(description="The model to train.", examples=[{"model": "micro-base"}])
    problems: tuple[AnySource, ...] = Field(
        default=(Micro(),), min_length=1, description="Problem sources, mixed by their weights."
    )
    prompt: Prompt = Field(default=Prompt(), description="How a question becomes the model's prompt.")
    sampling: Sampling = Field(default=Sampling(), description="How answers are sampled.")
    engine: AnyEngine = Field(default=NativeEngineConfig(), description="What generates the answers.")
    verify: VerifySection = Field(default=VerifySection(), description="How answers are graded.")
    evaluate: EvaluateSection = Field(default=EvaluateSection(), description="How the policy is measured.")
    server: ServerSection = Field(
        default=ServerSection(), description="A model behind an address that is measured as this recipe says."
    )
    run: RunSection = Field(default=RunSection(), description="Checkpoints, threads, price and trackers.")


class RLRecipe(_Recipe):
    """`outgrow train`: reinforcement learning on checked answers."""

    kind: Literal["rl"] = Field(default="rl", description="The kind of the recipe.")
    judge: JudgeSection | None = Field(default=None, description="A model that scores answers. Default: no judge.")
    rewards: tuple[AnyReward, ...] = Field(default=(Accuracy(),), min_length=1, description="Rewards, added up by their weights.")
    advantage: AnyAdvantage = Field(default=GRPO(), description="How rewards become advantages.")
    loss: AnyLoss = Field(default=ClippedSurrogate(), description="The loss that moves the policy.")
    curriculum: AnySampler = Field(default=Uniform(), description="How the problems of a step are chosen.")
    ledger: LedgerSection = Field(default=LedgerSection(), description="How pass rates are estimated.")
    learn: LearnSection = Field(default=LearnSection(), description="Steps, batches and the optimizer.")
    distill: DistillSection | None = Field(default=None, description="On-policy distillation. Default: rewards only.")

    @model_validator(mode="before")
    @classmethod
    def _taught(cls, values: Any) -> Any:
        """Give a recipe with a judge and no rewards the reward `hero`."""
        unset = isinstance(values, dict) and values.get("judge") is not None and "rewards" not in values
        return {**values, "rewards": [{"type": "hero"}]} if unset else values

    @model_validator(mode="after")
    def _scores_are_used(self) -> "RLRecipe":
        used = [reward.type for reward in self.rewards if reward.needs_judge]
        if used and self.judge is None:
            raise ValueError(f"the reward {used[0]!r} needs a judge's scores; add a table [judge] with its model")
        if self.judge is not None and not used and not any(map(stands_in, self.rewards)):
            raise ValueError("a judge scores answers, but no reward uses its scores; add a reward of type 'hero'")
        return self

    @model_validator(mode="after")
    def _ratio_starts_from_the_policy(self) -> "RLRecipe":
        if stands_in(self.engine):
            return self
        if self.engine != self.engine.exact() and self.learn.old_logprobs == "engine":
            raise ValueError(
                "this engine draws rollouts from faster weights than the policy's, so the likelihood ratio must start from the "
                "policy's own log-probabilities: set learn.old_logprobs=learner"
            )
        return self

    @model_validator(mode="after")
    def _kept_rollouts_have_their_baseline(self) -> "RLRecipe":
        learn = self.learn
        cuts = learn.keep is not None and learn.keep < learn.group_size and learn.keep_by == "max_variance"
        if cuts and not self.advantage.compares_in_group:
            raise ValueError(
                f"learn.keep = {learn.keep} takes rollouts by their rewards, and the baseline of advantage {self.advantage.type!r} "
                "does not know that; set advantage.type=grpo, or learn.keep_by=random"
            )
        return self

    @model_validator(mode="after")
    def _a_judge_has_the_device(self) -> "RLRecipe":
        if self.judge is not None and self.learn.ahead:
            raise ValueError("learn.ahead = 1 writes while a judge would; set learn.ahead=0, or leave out [judge]")
        return self

    @model_validator(mode="after")
    def _asks(self) -> "RLRecipe":
        if any(isinstance(source, Synthetic) for source in self.problems):
            raise ValueError("a problem source 'synthetic' holds answers for SFT; train on the problems that they answer instead")
        return self


class SFTRecipe(_Recipe):
    """`outgrow sft`: supervised fine-tuning on written-out solutions, mixed by each source's weight."""

    kind: Literal["sft"] = Field(description="The kind of the recipe.")
    learn: SFTSection = Field(default=SFTSection(), description="Steps, batches and the optimizer.")


Recipe = RLRecipe | SFTRecipe


def recipe_class(values: dict[str, Any]) -> type[RLRecipe] | type[SFTRecipe]:
    """Return the class that a recipe's `kind` names; reinforcement learning by default."""
    return SFTRecipe if values.get("kind") == "sft" else RLRecipe
