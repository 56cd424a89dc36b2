"""Recipe table `judge`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..core.inputs import ReadsFrom
from ..policy.load import Dtype
from .rubric import RUBRIC


class WatchSection(BaseModel):
    """Whether the judge is being fooled; see judge/hacking_alarm.py."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heldout_problems: int = Field(
        default=32, ge=0, description="held-out problems answered at every step, for the true pass rate; 0 for none"
    )
    every: int = Field(default=10, ge=1, description="steps between looks at canaries and at the second judge")
    canaries: int = Field(default=8, ge=0, description="problems that are answered with nothing for the judge to score")
    second_model: Annotated[str | None, ReadsFrom("model")] = Field(
        default=None, description="another judge, as judge.model, that scores beside and pays nothing"
    )
    on_alarm: Literal["warn", "stop", "lower"] = Field(
        default="warn", description="stop: the run ends, saved; lower: the checker takes half of the judge's share, each time"
    )


class JudgeSection(BaseModel):
    """A model that scores answers beside the checker. What its scores pay is a line of `rewards`: `hero` (inside each verdict), or
    `judge` (as they are)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, ReadsFrom("model")] = Field(
        description="a shipped or pulled model, a run, a model's folder, a hub id, or the address of a server "
        "(http://localhost:8000/v1, with #NAME where it serves several)"
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id; left out, the newest")
    dtype: Dtype = "float32"
    rubric: str = Field(
        default=RUBRIC, description="what it is asked: {question}, {completion}, {answer}, {id}; see judge/rubric.py"
    )
    system: str = Field(default="", description="a system turn before it; empty for none")
    samples: int = Field(default=1, ge=1, description="scores that are averaged")
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=2048, ge=1, description="longest reply, thoughts and all")
    tries: int = Field(default=3, ge=1, description="of a reply that holds no score")
    max_unscored: float = Field(default=0.1, ge=0, lt=1, description="share of a step's answers without a score that ends the run")
    watch: WatchSection = WatchSection()
    timeout_s: float = Field(default=600, gt=0, description="silence of a server that ends a try")

    @model_validator(mode="after")
    def _asks(self) -> "JudgeSection":
        if "{completion}" not in self.rubric:
            raise ValueError("rubric needs {completion} in it, where the answer to grade goes")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("several samples of temperature 0 are all the same; raise temperature, or leave samples at 1")
        return self
