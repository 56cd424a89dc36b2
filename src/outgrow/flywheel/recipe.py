"""What a flywheel's recipe may say: how many generations, what decides, and the recipe of each stage."""

from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..config import merge_recipes, raw_recipe
from ..config.schema import DataSection


class Stage(BaseModel):
    """A shipped recipe's name or a file, and beside it whatever is to be otherwise in it, table by table, as with `extends`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    recipe: str = Field(description="Name of a shipped recipe, or a .toml file.")

    def values(self) -> dict[str, Any]:
        """The recipe as it stands, not yet checked. Raises UsageError where there is none of that name."""
        return merge_recipes(raw_recipe(self.recipe), dict(self.model_extra or {}))


class Teacher(BaseModel):
    """The first teacher: a stage, or a model that is there already."""

    model_config = ConfigDict(extra="allow", frozen=True)

    recipe: str | None = Field(default=None, description="Recipe to train the teacher by, in place of `model`.")
    model: str | None = Field(default=None, description="An existing model, in place of `recipe`.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.recipe is None) == (self.model is None):
            raise ValueError("needs either recipe or model")
        if self.model is not None and self.model_extra:
            raise ValueError(f"a model that is there already takes no recipe lines; drop {', '.join(self.model_extra)}")
        return self

    @property
    def stage(self) -> Stage | None:
        """The recipe to train it by, if it is not there already."""
        return None if self.recipe is None else Stage(recipe=self.recipe, **(self.model_extra or {}))


class FlywheelRecipe(BaseModel):
    """`outgrow flywheel`: generations of a teacher, a student and the data that one of them makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["flywheel"]
    name: str = Field(description="The flywheel's name, and the name of its folder.")
    description: str = Field(default="", description="What the flywheel does, in a sentence.")
    expected: str = Field(default="", description="what a person should see, with time and machine")
    seed: int = Field(
        default=0, description="of every stage, the same in all generations: what differs is the data and the teacher"
    )
    generations: int = Field(default=2, ge=1, description="Limit of generations.")
    patience: int = Field(default=1, ge=1, description="generations in a row not shown to be better before the wheel stops")
    suite: str = Field(default="micro", description="the held-out problems that decide who teaches, and when to stop")
    samples: int = Field(default=8, ge=1, description="samples a problem, there and on the other suites")
    temperature: float = Field(default=1.0, gt=0, description="Sampling temperature of the measurements.")
    extra_suites: tuple[str, ...] = Field(default=(), description="other suites, measured as well, that decide nothing")
    accumulate: bool = Field(default=True, description="a base learns from the data of all generations; else of the last one alone")
    anchors: float = Field(
        default=0.25, ge=0, lt=1, description="share of a later base's examples that are its recipe's own problems, not made ones"
    )
    base: Stage
    first_base: str | None = Field(default=None, description="a model that the first student starts from, in place of `base`'s")
    teacher_base: Stage | None = None
    teacher: Teacher
    judge: Stage | None = None
    student: Stage
    data: DataSection = DataSection()

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.teacher.recipe is None and self.teacher_base is not None:
            raise ValueError(
                "teacher_base is for a teacher that is trained; drop it, or give teacher.recipe in place of teacher.model"
            )
        if self.teacher.recipe is None and self.judge is not None:
            raise ValueError(
                "the judge learns from the rollouts of the teacher's run; give teacher.recipe in place of teacher.model"
            )
        return self


def dump_flywheel(recipe: FlywheelRecipe) -> str:
    """The recipe as TOML, every default spelled out."""
    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
