"""The recipe table [judge]."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from ..core.inputs import ReadsFrom
from ..engines import ServerSetting
from ..policy.load import Dtype
from .rubric import RUBRIC

SECOND_ROLLOUTS = 64
"""Rollouts that the second judge scores, each time."""


class WatchSection(BaseModel):
    """Whether the policy exploits the judge; see judge/hacking_alarm.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heldout_problems: int = Field(
        default=32, ge=0, description="Held-out problems answered in every step, to measure the true pass rate; 0 for none."
    )
    every: int = Field(default=10, ge=1, description="Steps between checks with canaries and with the second judge.")
    canaries: int = Field(default=8, ge=0, description="Problems for which the judge also scores answers without content.")
    second_model: Annotated[str | None, ReadsFrom("model")] = Field(
        default=None, description="Another judge, named as judge.model is, whose scores are only compared and not rewarded."
    )
    on_alarm: Literal["warn", "stop", "lower"] = Field(
        default="warn",
        description="What an alarm does: warn; save and stop the run; or lower the judge's share of the reward by half, each time.",
    )


class JudgeSection(BaseModel):
    """A model that scores answers in addition to the checker. A line of `rewards` uses its scores: `hero` (within each verdict) or
    `judge_score` (as they are)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, ReadsFrom("model")] = Field(
        description="A shipped or pulled model, a run, a model's folder, a hub id, or the address of a server "
        "(http://localhost:8000/v1, followed by #NAME if it serves several models).",
        examples=["runs/judge"],
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub id. Default: the newest commit.")
    dtype: Dtype = Field(default="float32", description="Data type of the judge's weights.")
    rubric: str = Field(
        default=RUBRIC,
        description="The judge's prompt, with {question}, {completion}, {answer} and {id} filled in; see judge/rubric.py.",
    )
    system: str = Field(default="", description="System turn before the prompt; empty for none.")
    samples: int = Field(default=1, ge=1, description="Number of scores averaged for each answer.")
    temperature: FiniteFloat = Field(default=0.0, ge=0, description="Sampling temperature of the judge; 0 is greedy.")
    max_tokens: int = Field(default=2048, ge=1, description="Length limit of a reply in tokens, including its thoughts.")
    tries: int = Field(default=3, ge=1, description="How many times the judge is asked in all when its reply has no score.")
    max_unscored: float = Field(
        default=0.1, ge=0, lt=1, description="The run ends if a larger share of a step's answers has no score."
    )
    watch: WatchSection = Field(default=WatchSection(), description="Checks for a policy that exploits the judge.")
    timeout_s: float = Field(default=600, gt=0, description="Seconds to wait for a server before a try fails.")
    omit_settings: tuple[ServerSetting, ...] = Field(
        default=(), description="Settings that are not sent to a server that refuses them, as in [server]."
    )

    @model_validator(mode="after")
    def _asks(self) -> "JudgeSection":
        if "{completion}" not in self.rubric:
            raise ValueError("rubric needs {completion} where the answer to grade goes")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples of temperature 0 are all equal; raise temperature, or set samples = 1")
        return self
