"""What a recipe may say. Class defaults are the vetted setting; everything else is an error."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from ..algorithms.advantages import ADVANTAGES, Advantage
from ..algorithms.advantages.grpo import GRPO
from ..algorithms.losses import LOSSES, Loss
from ..algorithms.losses.clipped_surrogate import ClippedSurrogate
from ..algorithms.rewards import REWARDS, Reward
from ..algorithms.rewards.accuracy import Accuracy
from ..algorithms.samplers import SAMPLERS, Sampler
from ..algorithms.samplers.uniform import Uniform
from ..core.errors import nearest
from ..core.registry import build
from ..judge.config import JudgeSection
from ..policy import Prompt, Sampling
from ..policy.load import Dtype
from ..policy.lora import LoRA
from ..policy.micro import MicroInit
from ..problems import SOURCES, Source
from ..problems.micro import Micro
from ..problems.synthetic import Synthetic
from ..verify import EXTRACTORS

Schedule = Literal["constant", "cosine", "linear"]
TrackerName = Literal["tensorboard", "trackio", "wandb"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


AnySource = Annotated[SerializeAsAny[Source], BeforeValidator(lambda value: build(value, SOURCES, "problem source"))]
AnyReward = Annotated[SerializeAsAny[Reward], BeforeValidator(lambda value: build(value, REWARDS, "reward"))]
AnyAdvantage = Annotated[SerializeAsAny[Advantage], BeforeValidator(lambda value: build(value, ADVANTAGES, "advantage"))]
AnyLoss = Annotated[SerializeAsAny[Loss], BeforeValidator(lambda value: build(value, LOSSES, "loss", default="clipped_surrogate"))]
AnySampler = Annotated[SerializeAsAny[Sampler], BeforeValidator(lambda value: build(value, SAMPLERS, "sampler"))]


class PolicySection(_Section):
    """Which model learns: one that exists (`model`), or a micro policy made from nothing (`init`)."""

    model: str | None = None
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id; left out, the newest")
    init: MicroInit | None = None
    dtype: Dtype = Field(default="float32", description="of the model's weights; adapters are float32")
    lora: LoRA | None = Field(default=None, description="train adapters only; left out, every weight learns")

    @model_validator(mode="after")
    def _one_of(self) -> "PolicySection":
        if (self.model is None) == (self.init is None):
            raise ValueError("needs either model or init")
        if self.init is not None and self.revision is not None:
            raise ValueError("revision needs a model on the hub")
        if self.init is not None and self.lora is not None:
            raise ValueError("lora needs a model to adapt; one made from nothing learns with all its weights")
        return self


class OptimizerSection(_Section):
    """AdamW and its schedule, the same for RL and SFT."""

    lr: float = Field(default=1e-3, gt=0)
    schedule: Schedule = "constant"
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    lr_floor: float = Field(default=0.1, ge=0, le=1, description="share of lr at which a falling schedule ends")
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)


class LearnSection(OptimizerSection):
    """The RL loop."""

    steps: int = Field(default=200, ge=1)
    problems_per_step: int = Field(default=32, ge=1)
    group_size: int = Field(default=8, ge=2)
    updates_per_step: int = Field(default=1, ge=1, description="optimizer steps over one step's rollouts, each on a share of them")
    tokens_per_microbatch: int = Field(
        default=2048,
        ge=1,
        description="tokens in one forward and backward pass, one rollout at least; lowered where memory is too small for them",
    )
    old_logprobs: Literal["engine", "learner"] = Field(
        default="engine",
        description="whose log-probabilities the ratio starts from: the engine's, as drawn, or the learner's own, each token then "
        "weighed by what truncated importance sampling makes of the difference",
    )
    importance_cap: float = Field(default=2.0, ge=1, description="largest such weight")
    give_up_after: int = Field(default=20, ge=1, description="steps in a row without anything to learn from before the run stops")


class DistillSection(_Section):
    """On-policy distillation (train/distill.py): a teacher, which stays as it is, reads what the policy itself wrote, and how much
    likelier it would have made a token is that token's advantage. Every group teaches then, those whose rewards are all equal and
    those that screening ended among them, since it is no longer the rewards' differences that do. The rewards' advantage comes on
    top with its own weight, or alone once `steps` are over: the teacher is the ceiling of distillation, and not of what follows.
    """

    model: str = Field(description="the teacher, named as policy.model is; it must have the policy's own tokens")
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id; left out, the newest")
    dtype: Dtype = Field(default="float32", description="of the teacher's weights")
    weight: float = Field(default=1.0, gt=0, description="of the teacher's advantage, in nats a token")
    reward_weight: float = Field(default=0.0, ge=0, description="of the rewards' advantage meanwhile; 0 is distillation alone")
    steps: int | None = Field(default=None, ge=1, description="distil in the first so many; left out, throughout")
    advantage_clip: float = Field(
        default=5.0,
        gt=0,
        description="nats: no token weighs more, so that one that the teacher would never write does not drown the rest. Beyond 5 "
        "(1/150 of its likelihood) how impossible it is matters no more; upwards it is rare, since the mean of π_T/π is 1",
    )


class LedgerSection(_Section):
    """How the ledger estimates pass rates; see ledger/posterior.py."""

    profile: Path | None = Field(default=None, description="a folder that `outgrow passrate` made, to begin with")
    half_life: float = Field(default=40.0, gt=0, description="steps after which a rollout counts half")
    prior_weight: float = Field(default=4.0, gt=0, description="rollouts that its level's rate is worth to a problem")


class SFTSection(OptimizerSection):
    """Supervised fine-tuning on written-out solutions."""

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    tokens_per_microbatch: int | None = Field(
        default=None,
        ge=1,
        description="tokens in one forward and backward pass, one example at least; left out, the whole batch's; halved where "
        "memory is too small for them",
    )


class VerifySection(_Section):
    """How answers are found and compared, in training and in evaluation."""

    extract: tuple[str, ...] = Field(default=("boxed",), min_length=1, description="names of extractors, in order of preference")
    exact: bool = Field(
        default=False, description="right means the same characters; left out, the same number, choice, words or LaTeX"
    )

    @field_validator("extract")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EXTRACTORS:
                raise ValueError(f"no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
        return names


class EvaluateSection(_Section):
    """How before, after and the curve between are measured."""

    suite: str = "micro"
    extra_suites: tuple[str, ...] = Field(default=(), description="other suites, measured before and after: what else training did")
    samples: int = Field(default=8, ge=1, description="samples a problem for pass@1, on every suite")
    temperature: float = Field(default=1.0, gt=0)
    every: int = Field(default=25, ge=0, description="steps between looks at held-out validation problems; 0 for none")
    validation: str = "micro-validation"
    validation_samples: int = Field(default=4, ge=1)


class DataSection(_Section):
    """What a policy's own answers become, for another base to learn from; see made/."""

    k: int = Field(default=8, ge=0, description="answers drawn for each problem; 0 for none")
    rollouts: bool = Field(
        default=False, description="also what the run (in a flywheel, the student) wrote while it learned, which costs nothing more"
    )
    temperature: float = Field(default=1.0, gt=0)
    keep: Literal["verified", "all"] = Field(
        default="verified", description="right answers alone; or, a control, every whole answer that comes to something"
    )
    per_problem: int = Field(default=4, ge=1, description="different answers kept of one problem, at most")
    per_easy_problem: int = Field(default=1, ge=1, description="the same of a problem that is easy (ledger/bands.py)")
    min_pass_rate: float = Field(default=0.0, ge=0, le=1, description="problems solved less often give nothing")
    max_pass_rate: float = Field(default=1.0, ge=0, le=1, description="problems solved more often give nothing")
    max_tokens: int | None = Field(default=None, ge=1, description="longest answer kept; left out, any that was not cut")
    fields: tuple[str, ...] | None = Field(default=None, min_length=1, description="problems drawn from; left out, of every field")
    levels: tuple[int, ...] | None = Field(default=None, min_length=1, description="the same by level")

    @model_validator(mode="after")
    def _in_order(self) -> "DataSection":
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate")
        if self.k == 0 and not self.rollouts:
            raise ValueError("k = 0 draws no answers, and rollouts = false takes none that are there; change one of them")
        return self


class EngineSection(_Section):
    """What writes the completions."""

    type: Literal["native", "vllm"] = Field(default="native", description="vllm needs an environment of its own; see the README")
    max_sequences: int = Field(default=512, ge=1, description="rollouts decoded at the same time, at most; bounds memory")
    gpu_memory_utilization: float = Field(default=0.4, gt=0, lt=1, description="share of the GPU's memory that vllm takes")


class RunSection(_Section):
    """What a run leaves behind."""

    checkpoint_every: int = Field(default=10, ge=1, description="steps")
    keep_checkpoints: int = Field(default=3, ge=2, description="two at least, so that a torn one has a predecessor")
    threads: int = Field(default=2, ge=1, description="CPU threads; part of the recipe, since sums depend on it to the last bit")
    dollars_per_hour: float = Field(default=0.0, ge=0, description="price of the machine, for the cost in the report")
    trackers: tuple[str, ...] = Field(default=(), description="where to show the metrics as well: tensorboard, trackio, wandb")

    @field_validator("trackers")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in get_args(TrackerName):
                raise ValueError(f"no tracker called {name!r}{nearest(name, get_args(TrackerName))}")
        return names


class _Recipe(_Section):
    name: str
    description: str = ""
    expected: str = Field(default="", description="what a person should see, with time and machine")
    seed: int = 0
    policy: PolicySection
    problems: tuple[AnySource, ...] = Field(default=(Micro(),), min_length=1)
    prompt: Prompt = Prompt()
    sampling: Sampling = Sampling()
    engine: EngineSection = EngineSection()
    verify: VerifySection = VerifySection()
    evaluate: EvaluateSection = EvaluateSection()
    run: RunSection = RunSection()


class RLRecipe(_Recipe):
    """`outgrow train`: reinforcement learning on checked answers."""

    kind: Literal["rl"] = "rl"
    judge: JudgeSection | None = None
    rewards: tuple[AnyReward, ...] = Field(default=(Accuracy(),), min_length=1)
    advantage: AnyAdvantage = GRPO()
    loss: AnyLoss = ClippedSurrogate()
    curriculum: AnySampler = Uniform()
    ledger: LedgerSection = LedgerSection()
    learn: LearnSection = LearnSection()
    distill: DistillSection | None = Field(default=None, description="left out, rewards alone teach")

    @model_validator(mode="before")
    @classmethod
    def _taught(cls, values: Any) -> Any:
        """A recipe with a judge and no rewards takes `hero`."""
        unsaid = isinstance(values, dict) and values.get("judge") is not None and "rewards" not in values
        return {**values, "rewards": [{"type": "hero"}]} if unsaid else values

    @model_validator(mode="after")
    def _scores_are_used(self) -> "RLRecipe":
        used = [reward.type for reward in self.rewards if reward.needs_judge]
        if used and self.judge is None:
            raise ValueError(f"the reward {used[0]!r} pays by a judge's scores; add a table [judge] with its model")
        if self.judge is not None and not used:
            raise ValueError("a judge scores answers, but no reward pays by its scores; add one of type 'hero' to rewards")
        return self

    @model_validator(mode="after")
    def _asks(self) -> "RLRecipe":
        if any(isinstance(source, Synthetic) for source in self.problems):
            raise ValueError("a problem source 'synthetic' holds answers for SFT; practise the problems that they answer instead")
        return self


class SFTRecipe(_Recipe):
    """`outgrow sft`: supervised fine-tuning on written-out solutions, mixed by each source's weight."""

    kind: Literal["sft"]
    learn: SFTSection = SFTSection()


Recipe = RLRecipe | SFTRecipe


def recipe_class(values: dict[str, Any]) -> type[RLRecipe] | type[SFTRecipe]:
    """The class that a recipe's `kind` names; reinforcement learning where it names none."""
    return SFTRecipe if values.get("kind") == "sft" else RLRecipe
