"""The recipe table [judge]."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..policy.load import Dtype
from .rubric import RUBRIC


class WatchSection(BaseModel):
    """Watches whether the policy exploits the judge (reward hacking); see judge/hacking_alarm.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heldout_problems: int = Field(
        default=32, ge=0, description="held-out problems answered at every step to measure the true pass rate; 0 for none"
    )
    every: int = Field(default=10, ge=1, description="steps between probes with canaries and the second judge")
    canaries: int = Field(default=8, ge=0, description="problems whose answers without content the judge scores in a probe")
    second_model: str | None = Field(
        default=None, description="another judge, named as judge.model is; its scores do not enter the reward"
    )
    on_alarm: Literal["warn", "stop", "lower"] = Field(
        default="warn",
        description="warn: continue; stop: save and end the run; lower: give half of the judge's share to the checker",
    )


class JudgeSection(BaseModel):
    """A model that scores answers, in addition to the checker.

    A line of `rewards` uses the scores: `hero` (to rank answers within each verdict), or `judge_score` (as they are).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        description="a shipped or pulled model, a run, a model's folder, a hub id, or the address of a server "
        "(http://localhost:8000/v1, with #NAME where it serves several)"
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id. Default: the newest")
    dtype: Dtype = Field(default="float32", description="of a local judge's weights")
    rubric: str = Field(
        default=RUBRIC, description="its prompt, with {question}, {completion}, {answer} and {id}; see judge/rubric.py"
    )
    system: str = Field(default="", description="a system message before the rubric; empty for none")
    samples: int = Field(default=1, ge=1, description="replies per answer; their scores are averaged")
    temperature: float = Field(default=0.0, ge=0, description="sampling temperature of the replies")
    max_tokens: int = Field(default=2048, ge=1, description="longest reply, with its thoughts")
    tries: int = Field(default=3, ge=1, description="how often an answer is tried while its replies hold no score")
    max_unscored: float = Field(
        default=0.1, ge=0, lt=1, description="the run ends where a larger share of a step's answers has no score"
    )
    watch: WatchSection = WatchSection()
    timeout_s: float = Field(default=600, gt=0, description="seconds that a silent server is waited for, in each try")

    @model_validator(mode="after")
    def _asks(self) -> "JudgeSection":
        if "{completion}" not in self.rubric:
            raise ValueError("rubric needs {completion} where the answer to grade goes")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples of temperature 0 are all equal; raise temperature, or set samples = 1")
        return self
