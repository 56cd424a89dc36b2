"""The recipe of a flywheel: the number of generations, the suite that decides promotions, and the recipe of each stage."""

from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from ..config import merge_recipes, raw_recipe
from ..config.sections import DataSection
from ..core.folder_name import FolderName


class Stage(BaseModel):
    """A shipped recipe's name or a file, and the keys that change it, table by table as with `extends`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    recipe: str = Field(description="Name of a shipped recipe, or a .toml file.", examples=["micro"])

    def values(self) -> dict[str, Any]:
        """Return the recipe's values, not yet validated. Raises UsageError where no recipe has this name."""
        return merge_recipes(raw_recipe(self.recipe), dict(self.model_extra or {}))


class Teacher(BaseModel):
    """The first teacher: a stage, or an existing model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    recipe: str | None = Field(default=None, description="Recipe to train the teacher by, in place of `model`.")
    model: str | None = Field(default=None, description="An existing model, in place of `recipe`.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.recipe is None) == (self.model is None):
            raise ValueError("needs either recipe or model")
        if self.model is not None and self.model_extra:
            raise ValueError(f"an existing model takes no recipe keys; drop {', '.join(self.model_extra)}")
        return self

    @property
    def stage(self) -> Stage | None:
        """The recipe to train it by; None for an existing model."""
        return None if self.recipe is None else Stage(recipe=self.recipe, **(self.model_extra or {}))


class FlywheelRecipe(BaseModel):
    """`outgrow flywheel`: generations of a teacher, a student, and the data that the better of them makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["flywheel"]
    name: FolderName = Field(description="The flywheel's name, and the name of its folder.", examples=["mine"])
    description: str = Field(default="", description="What the flywheel does, in a sentence.")
    expected: str = Field(default="", description="What a run should show, with time and machine.")
    seed: int = Field(default=0, description="Seed of every stage, the same in all generations.")
    generations: int = Field(default=2, ge=1, description="Limit of generations.")
    patience: int = Field(default=1, ge=1, description="Generations in a row without a better student before the flywheel stops.")
    suite: str = Field(default="micro", description="Held-out problems that decide promotions, and when to stop.")
    samples: int = Field(default=8, ge=1, description="Samples per problem, on all suites.")
    temperature: FiniteFloat = Field(default=1.0, gt=0, description="Sampling temperature of the measurements.")
    extra_suites: tuple[str, ...] = Field(default=(), description="Suites that are measured too, and decide nothing.")
    accumulate: bool = Field(
        default=True, description="Whether a base learns from the data of all generations, or only of the last one."
    )
    anchors: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="Share of a later base's examples from its recipe's own problems; the rest is synthetic.",
    )
    base: Stage
    first_base: str | None = Field(default=None, description="A model that the first student starts from, in place of `base`.")
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
    """Return the recipe as TOML, with every default."""
    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))
