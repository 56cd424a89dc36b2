"""Tables of a recipe whose settings are no component of their own."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, field_validator, model_validator

from ..core.errors import nearest
from ..core.inputs import ReadsFrom
from ..engines import ServerSetting
from ..policy.load import Dtype
from ..policy.lora_settings import LoRA
from ..policy.memory.settings import Memory
from ..policy.micro import MicroInit
from ..problems.held_out import HELD_OUT
from ..verify import EXTRACTORS

Schedule = Literal["constant", "cosine", "linear"]
OnWorse = Literal["warn", "stop"]
TrackerName = Literal["tensorboard", "trackio", "wandb"]

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]

KL_SHARE = 0.03
"""Largest share of a step's work that goes into measuring KL to the reference; see train/kl_sample.py."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicySection(Section):
    """Which model learns: an existing one (`model`), or a new micro policy with random weights (`init`)."""

    model: Annotated[str | None, ReadsFrom("model")] = Field(
        default=None, description="Name, run folder, model folder or hub id of the model to train.", examples=["micro-base"]
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub id. Default: the newest commit.")
    init: MicroInit | None = Field(default=None, description="Shape of a new micro policy, in place of `model`.")
    dtype: Dtype = Field(default="float32", description="Data type of the model's weights; adapters are always float32.")
    lora: LoRA | None = Field(default=None, description="Train LoRA adapters, and a memory, only. Default: train every weight.")
    memory: Memory | None = Field(
        default=None, description="Put a memory next to attention over a sliding window. Default: the model as it is."
    )

    @model_validator(mode="after")
    def _one_of(self) -> "PolicySection":
        if (self.model is None) == (self.init is None):
            raise ValueError("needs either model or init, and not both")
        if self.init is not None and self.revision is not None:
            raise ValueError("revision needs model, with a hub id")
        if self.init is not None and self.lora is not None:
            raise ValueError("lora needs an existing model to adapt; a new micro policy trains all its weights")
        return self


class OptimizerSection(Section):
    """The optimizer and its schedule, the same for RL and SFT."""

    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw",
        description="What moves the weights. muon (arXiv 2502.16982): a matrix inside a layer moves along its momentum, made "
        "orthogonal and about as far as by AdamW; all else by AdamW.",
    )
    lr: FiniteFloat = Field(
        default=1e-6, gt=0, description="Learning rate after warmup.", json_schema_extra={"default_is": "by size"}
    )
    schedule: Schedule = Field(default="linear", description="How the learning rate changes after warmup.")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps in which the learning rate rises to `lr`.")
    lr_floor: float = Field(default=0.1, ge=0, le=1, description="Share of `lr` at which a falling schedule ends.")
    betas: tuple[float, float] = Field(
        default=(0.9, 0.95), description="AdamW's decay rates of the two moments; the first is Muon's momentum, too."
    )
    weight_decay: FiniteFloat = Field(default=0.0, ge=0, description="Weight decay, as AdamW takes it.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Limit of the gradient's norm; larger gradients are scaled down.")
    ranks: int = Field(
        default=1,
        ge=1,
        description="Processes that share out weights, gradients and the optimizer's moments, one on each GPU; results differ by "
        "rounding only.",
    )


class LearnSection(OptimizerSection):
    """The RL loop."""

    steps: int = Field(default=200, ge=1, description="Number of training steps.")
    problems_per_step: int = Field(default=16, ge=1, description="Problems in each step.")
    group_size: int = Field(default=8, ge=2, description="Rollouts of each problem.")
    keep: int | None = Field(
        default=None,
        ge=2,
        description="Rollouts of each group that are learned from; pass rates, metrics and the table of rollouts are of all. "
        "Advantages are computed of these only. Steps that distil a teacher keep all. Default: all.",
    )
    keep_by: Literal["max_variance", "random"] = Field(
        default="max_variance",
        description="Which rollouts `keep` keeps: those whose rewards vary most (PODS, arXiv 2504.13818), or random ones, as a "
        "control.",
    )
    min_advantage: float = Field(
        default=1e-6,
        ge=0,
        lt=1,
        description="A rollout with no advantage above this share of the largest in its optimizer step is not learned from, "
        "unless the loss needs it (a KL weight, a teacher). The others keep their weights, so that without such a rollout the "
        "gradient is the same; the default is the rounding of float32.",
    )
    updates_per_step: int = Field(
        default=1, ge=1, description="Optimizer steps on the rollouts of a step, each on a share of them."
    )
    tokens_per_microbatch: int = Field(
        default=2048,
        ge=1,
        description="Tokens in one forward and backward pass, but always at least one rollout; halved when memory runs out.",
    )
    old_logprobs: Literal["engine", "learner"] = Field(
        default="engine",
        description="Log-probabilities that the likelihood ratio starts from: the engine's at sampling, or the learner's own, with "
        "truncated importance sampling weights for the difference between the two.",
    )
    ahead: int = Field(
        default=0,
        ge=0,
        le=1,
        description="Steps by which writing is ahead of learning: with 1, the next step's rollouts are written while a step is "
        'learned from, by weights that are one update older. Needs old_logprobs = "learner".',
    )
    importance_cap: float = Field(default=2.0, ge=1, description="Limit of the truncated importance sampling weights.")
    give_up_after: int = Field(
        default=20, ge=1, description="The run stops after this many steps in a row without a group to learn from."
    )

    @model_validator(mode="after")
    def _keeps_a_part(self) -> "LearnSection":
        if self.keep is not None and self.keep > self.group_size:
            raise ValueError(f"keep = {self.keep} is above the group_size of {self.group_size}; lower keep or raise group_size")
        return self

    @model_validator(mode="after")
    def _older_rollouts_are_weighed(self) -> "LearnSection":
        if self.ahead and self.old_logprobs == "engine":
            raise ValueError(
                "ahead = 1 learns from rollouts of older weights, so the likelihood ratio must start from the policy's own "
                "log-probabilities, and importance weights make up for the difference: set learn.old_logprobs=learner"
            )
        return self


class DistillSection(Section):
    """On-policy distillation (train/distill.py): a frozen teacher reads what the policy wrote, and how much likelier the teacher
    would have made a token is that token's advantage. Every group is then trained on, also those with equal rewards and those that
    screening ended. The rewards' advantage is added with its own weight; after `steps`, only the rewards train. A policy that
    only distils cannot become better than its teacher.
    """

    model: Annotated[str, ReadsFrom("model")] = Field(
        description="The teacher, named as policy.model is; it must have the policy's tokens.", examples=["runs/teacher"]
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub id. Default: the newest commit.")
    dtype: Dtype = Field(default="float32", description="Data type of the teacher's weights.")
    weight: FiniteFloat = Field(default=1.0, gt=0, description="Weight of the teacher's advantage, in nats a token.")
    reward_weight: FiniteFloat = Field(
        default=0.0, ge=0, description="Weight of the rewards' advantage during distillation; 0 is pure distillation."
    )
    steps: int | None = Field(default=None, ge=1, description="Number of first steps that distil. Default: all steps.")
    advantage_clip: float = Field(
        default=5.0,
        gt=0,
        description="Limit of a token's advantage in nats, in both directions: a token that the teacher would never write cannot "
        "dominate the step.",
    )


class LedgerSection(Section):
    """How the ledger estimates pass rates; see ledger/posterior.py."""

    profile: Annotated[Path | None, ReadsFrom("files")] = Field(
        default=None, description="Folder of a profile that `outgrow passrate` made; the first estimates come from it."
    )
    half_life: float = Field(default=40.0, gt=0, description="Steps after which a rollout counts half.")
    prior_weight: float = Field(
        default=4.0, gt=0, description="Weight of the level's pass rate in a problem's estimate, as a number of rollouts."
    )


class SFTSection(OptimizerSection):
    """Supervised fine-tuning on written-out solutions."""

    steps: int = Field(default=1000, ge=1, description="Number of training steps.")
    batch_size: int = Field(default=64, ge=1, description="Examples in each step.")
    tokens_per_microbatch: int | None = Field(
        default=None,
        ge=1,
        description="Tokens in one forward and backward pass, but always at least one example; halved when memory runs out. "
        "Default: the whole batch.",
    )


class VerifySection(Section):
    """How answers are extracted and compared, in training and in evaluation."""

    extract: tuple[str, ...] = Field(default=("boxed",), min_length=1, description="Names of the extractors, tried in this order.")
    exact: bool = Field(
        default=False,
        description="An answer is right only with the same characters. Default: with the same number, choice, words or LaTeX.",
    )

    @field_validator("extract")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EXTRACTORS:
                raise ValueError(f"no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
        return names


class EvaluateSection(Section):
    """How the policy is measured before, during and after training."""

    suite: Annotated[str, ReadsFrom("suite")] = Field(
        default=HELD_OUT,
        min_length=1,
        description="Suite of held-out problems, measured before and after. `held-out` is a fifth of the recipe's own problems, 5 "
        "to 200 of them, chosen by a hash of the question.",
    )
    extra_suites: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], ReadsFrom("suite")] = Field(
        default=(), description="More suites, measured before and after, to see what else training changed."
    )
    samples: int = Field(default=4, ge=1, description="Answers sampled for each problem, on every suite.")
    temperature: FiniteFloat = Field(default=1.0, gt=0, description="Sampling temperature of all measurements.")
    every: int = Field(
        default=25,
        ge=0,
        description="Steps between measurements on the validation problems; 0 for none.",
        json_schema_extra={"default_is": "a fifth of the steps"},
    )
    validation: Annotated[str, ReadsFrom("suite")] = Field(
        default=HELD_OUT, min_length=1, description="Suite of validation problems, measured during training; named as `suite` is."
    )
    validation_samples: int = Field(default=1, ge=1, description="Answers sampled for each validation problem.")
    validation_share: float = Field(
        default=0.1,
        gt=0,
        description="Most answers that validation writes, as a share of the run's rollouts; it measures fewer problems where it "
        "would write more.",
    )


class ServerSection(Section):
    """A model behind an address that is measured with this recipe."""

    omit_settings: tuple[ServerSetting, ...] = Field(
        default=(),
        description="Settings that are not sent, for a server that refuses them: seed, temperature, top_p, top_k, min_p, "
        "repeat_penalty, repetition_penalty, max_tokens (the limit is then sent as max_completion_tokens), max_completion_tokens.",
    )


class DataSection(Section):
    """How a policy's own answers become synthetic data for a new base; see synthetic/."""

    k: int = Field(default=8, ge=0, description="Answers sampled for each problem; 0 for none.")
    rollouts: bool = Field(
        default=False, description="Also use what the run (in a flywheel, the student) wrote during training, at no extra cost."
    )
    temperature: FiniteFloat = Field(default=1.0, gt=0, description="Sampling temperature.")
    keep: Literal["verified", "all"] = Field(
        default="verified",
        description="verified keeps right answers only; all keeps every complete answer with a result, as a control.",
    )
    per_problem: int = Field(default=4, ge=1, description="Max answers kept for a problem; they are all different.")
    per_easy_problem: int = Field(default=1, ge=1, description="Max answers kept for an easy problem (pass rate >= 0.8).")
    min_pass_rate: float = Field(default=0.0, ge=0, le=1, description="Skip problems solved less often than this.")
    max_pass_rate: float = Field(default=1.0, ge=0, le=1, description="Skip problems solved more often than this.")
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Skip answers longer than this. Default: keep every answer that the token limit did not cut.",
    )
    fields: tuple[str, ...] | None = Field(default=None, min_length=1, description="Only problems of these fields. Default: all.")
    levels: tuple[int, ...] | None = Field(default=None, min_length=1, description="Only problems of these levels. Default: all.")

    @model_validator(mode="after")
    def _in_order(self) -> "DataSection":
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate")
        if self.k == 0 and not self.rollouts:
            raise ValueError("k = 0 samples no answers and rollouts = false uses no existing ones; change one of them")
        return self


class RunSection(Section):
    """What a run leaves behind."""

    checkpoint_every: int = Field(default=10, ge=1, description="Steps between checkpoints.")
    keep_checkpoints: int = Field(
        default=3, ge=2, description="Number of newest checkpoints kept; at least two, in case the newest is damaged."
    )
    on_worse: OnWorse = Field(
        default="warn",
        description="What a run does when validation during training shows held-out problems to be worse than before it: warn says "
        "so and trains on; stop ends the run with the policy of the last validation that was not worse, whose checkpoint is kept. "
        "Both name the likeliest cause and the setting to change.",
    )
    threads: int = Field(
        default=2, ge=1, description="CPU threads. They are part of the recipe because sums depend on them, to the last bit."
    )
    dollars_per_hour: FiniteFloat = Field(default=0.0, ge=0, description="Price of the machine, for the cost in the report.")
    trackers: tuple[str, ...] = Field(default=(), description="Where to send the metrics as well: tensorboard, trackio or wandb.")
    tags: tuple[Tag, ...] = Field(default=(), description="Short words to find the run by in `outgrow serve` and in W&B.")

    @field_validator("trackers")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in get_args(TrackerName):
                raise ValueError(f"no tracker called {name!r}{nearest(name, get_args(TrackerName))}")
        return names
