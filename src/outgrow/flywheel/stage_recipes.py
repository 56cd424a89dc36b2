"""From a flywheel's recipe to the recipe of each stage: the stage's own, with models, suites and seed filled in."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from ..config import Recipe, RLRecipe, SFTRecipe, apply_override, parse_recipe
from ..config.hints import Stage as StageKeys
from ..config.load import merged_texts, option_layers, recipe_texts
from ..config.recipe_error import RecipeError
from ..config.written import Layer, TableLayer, place_of
from ..core.errors import UsageError
from ..core.toml_lines import Path
from ..problems.suites import suite, suites
from .recipe import FlywheelRecipe, Stage

_Kind = TypeVar("_Kind", RLRecipe, SFTRecipe)
_Values = dict[str, Any]
# Keys that no stage's table may hold -> the top-level key of the flywheel that sets them for all stages.
_SHARED_KEYS = {f"evaluate.{key}": key for key in ("suite", "samples", "temperature", "extra_suites")}


class StageError(UsageError):
    """What is wrong with a stage's recipe."""

    def __init__(self, part: str, stage: Stage, reason: UsageError | str, path: Path = ()) -> None:
        """part: the table of the stage. path: the key in it that the reason is about, if one is known."""
        super().__init__(f"[{part}] {reason}")
        self._part, self._stage, self._reason, self._path = part, stage, reason, path

    def located(self, name: str, layers: Sequence[Layer]) -> UsageError:
        """Return the same error with the file and the line. name: of the flywheel's recipe. layers: where its keys are written."""
        if isinstance(self._reason, RecipeError):
            own = [TableLayer((self._part,), layer) for layer in layers]
            return UsageError(f"[{self._part}] {self._reason.located([*own, *recipe_texts(self._stage.recipe)])}")
        place = place_of((self._part, *self._path), layers)
        return UsageError(f"{place.where if place else name}: {self}")


def load_flywheel(name: str, overrides: Sequence[str] = ()) -> FlywheelRecipe:
    """Load the flywheel called `name` (a shipped one, or a TOML file), with "key.path=value" overrides applied.

    "student.learn.steps=50" changes a key of a stage's recipe. Raises UsageError with one line that says what to change.
    """
    texts = recipe_texts(name)
    layers: list[Layer] = [*option_layers(overrides), *texts]
    values = merged_texts(texts)
    for override in overrides:
        apply_override(values, override)
    kind = values.get("kind", "rl")
    if kind != "flywheel":
        raise UsageError(f"{name} is a recipe of kind {kind!r}; run it with: outgrow {'sft' if kind == 'sft' else 'train'} {name}")
    try:
        flywheel = FlywheelRecipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(name, values, error, FlywheelRecipe, StageKeys("student", RLRecipe), layers) from error
    try:
        stage_recipes(flywheel)
    except StageError as error:
        raise error.located(name, layers) from error
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error
    return flywheel


def stage_recipes(flywheel: FlywheelRecipe) -> dict[str, Recipe]:
    """Return the recipe of each stage, with placeholder names for models that do not exist yet.

    Raises UsageError where a recipe cannot be resolved.
    """
    suite(flywheel.suite)
    suites(",".join((flywheel.suite, *flywheel.extra_suites)))
    recipes: dict[str, Recipe] = {"base": base_recipe(flywheel, [])}
    if flywheel.teacher_base:
        recipes["teacher_base"] = teacher_base_recipe(flywheel)
    if flywheel.teacher.stage:
        recipes["teacher"] = teacher_recipe(flywheel, "base" if flywheel.teacher_base else None)
    if flywheel.judge:
        recipes["judge"] = judge_recipe(flywheel, "teacher", ["run"])
    recipes["student"] = student_recipe(flywheel, "base", "teacher", "judge" if flywheel.judge else None)
    return recipes


def base_recipe(flywheel: FlywheelRecipe, data: Sequence[str]) -> SFTRecipe:
    """Return the recipe of a new base. data: folders of earlier generations' data, mixed with the recipe's own problems."""
    values = _measured(flywheel, "base", flywheel.base)
    recipe = _parsed(values, "base", flywheel.base, SFTRecipe)
    if not data:
        return recipe
    anchors = [source.model_dump(mode="json", exclude_none=True) for source in recipe.problems] if flywheel.anchors else []
    # The anchors' share of the examples is flywheel.anchors; the data sets of the generations share the rest equally.
    rest = sum(source["weight"] for source in anchors) * (1 - flywheel.anchors) / flywheel.anchors if anchors else 1.0
    sources = [{"type": "synthetic", "path": path, "weight": rest / len(data)} for path in data]
    return _parsed({**values, "problems": [*anchors, *sources]}, "base", flywheel.base, SFTRecipe)


def teacher_base_recipe(flywheel: FlywheelRecipe) -> SFTRecipe:
    """Return the recipe of the base that the first teacher starts from."""
    assert flywheel.teacher_base is not None
    values = _measured(flywheel, "teacher_base", flywheel.teacher_base)
    return _parsed(values, "teacher_base", flywheel.teacher_base, SFTRecipe)


def teacher_recipe(flywheel: FlywheelRecipe, base: str | None) -> RLRecipe:
    """Return the first teacher's recipe. base: the model it starts from, where a stage made one."""
    stage = flywheel.teacher.stage
    assert stage is not None
    values = _measured(flywheel, "teacher", stage)
    return _parsed(values if base is None else _from(base, values, "teacher", stage), "teacher", stage, RLRecipe)


def judge_recipe(flywheel: FlywheelRecipe, teacher: str, runs: Sequence[str]) -> SFTRecipe:
    """Return the recipe that fine-tunes the teacher into a judge. runs: whose rollouts it learns from."""
    assert flywheel.judge is not None
    values = _from(teacher, _seeded(flywheel, "judge", flywheel.judge), "judge", flywheel.judge)
    sources = values.get("problems", [{"type": "judgements"}])
    if isinstance(sources, list):  # anything else is reported where the recipe is parsed
        values["problems"] = [_with_runs(source, runs) for source in sources]
    return _parsed(values, "judge", flywheel.judge, SFTRecipe)


def student_recipe(flywheel: FlywheelRecipe, base: str, teacher: str, judge: str | None) -> RLRecipe:
    """Return a student's recipe. judge: the model that scores its answers; teacher: the model its recipe may distil."""
    values = _from(base, _measured(flywheel, "student", flywheel.student), "student", flywheel.student)
    if judge is not None:
        values["judge"] = {**_table(values, "judge", "student", flywheel.student), "model": judge}
    if "distill" in values:
        values["distill"] = {**_table(values, "distill", "student", flywheel.student), "model": teacher}
    return _parsed(values, "student", flywheel.student, RLRecipe)


def measure_recipe(flywheel: FlywheelRecipe, model: str) -> RLRecipe:
    """Return how an existing model is sampled and graded: as the student is."""
    values = _from(model, _measured(flywheel, "student", flywheel.student), "student", flywheel.student)
    keys = ("policy", "prompt", "sampling", "engine", "verify", "evaluate", "run", "seed")
    return _parsed(
        {"name": "measured", **{key: values[key] for key in keys if key in values}}, "student", flywheel.student, RLRecipe
    )


def _with_runs(source: Any, runs: Sequence[str]) -> Any:
    """Return a problem source, with these runs where it is one of judgements."""
    return {**source, "runs": list(runs)} if isinstance(source, dict) and source.get("type") == "judgements" else source


def _table(values: Mapping[str, Any], name: str, part: str, stage: Stage) -> _Values:
    """Return a table of a recipe, or an empty one. Raises UsageError where its value is not a table."""
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise StageError(part, stage, f"{name} is a table with keys, not {table!r}", (name,))
    return table


def _seeded(flywheel: FlywheelRecipe, part: str, stage: Stage) -> _Values:
    _require_unset(part, stage, {"seed": "seed"})
    try:
        return {**stage.values(), "seed": flywheel.seed}
    except UsageError as error:
        raise StageError(part, stage, error, ("recipe",)) from error


def _require_unset(part: str, stage: Stage, keys: Mapping[str, str]) -> None:
    """Raise UsageError where a stage's table sets a key of the flywheel.

    keys: the key in the stage -> the flywheel's top-level key for it, empty where the flywheel has none.
    """
    for path, top_level in keys.items():
        table, _, key = path.rpartition(".")
        own = stage.model_extra or {}
        if key in (_table(own, table, part, stage) if table else own):
            advice = f"set `{top_level}` at the top level" if top_level else "the flywheel fills it in; drop it"
            raise StageError(part, stage, f"{path} cannot be set per stage; {advice}", tuple(path.split(".")))


def _measured(flywheel: FlywheelRecipe, part: str, stage: Stage) -> _Values:
    """Return a stage's values, measured on the flywheel's suites with the same seed, so that any two stages can be paired."""
    section = {
        "suite": flywheel.suite,
        "samples": flywheel.samples,
        "temperature": flywheel.temperature,
        "extra_suites": list(flywheel.extra_suites),
    }
    _require_unset(part, stage, _SHARED_KEYS)
    values = _seeded(flywheel, part, stage)
    return {**values, "evaluate": {**_table(values, "evaluate", part, stage), **section}}


def _from(model: str, values: _Values, part: str, stage: Stage) -> _Values:
    """Return the values with this model as the one to start from."""
    _require_unset(part, stage, dict.fromkeys(("policy.model", "policy.init", "policy.revision"), ""))
    kept = {key: value for key, value in _table(values, "policy", part, stage).items() if key not in ("init", "revision")}
    return {**values, "policy": {**kept, "model": model}}


def _parsed(values: _Values, part: str, stage: Stage, kind: type[_Kind]) -> _Kind:
    actual, required = values.get("kind", "rl"), "rl" if kind is RLRecipe else "sft"
    if actual != required:
        reason = f"{stage.recipe} is a recipe of kind {actual!r}; this stage takes one of kind {required!r}"
        raise StageError(part, stage, reason, ("recipe",))
    try:
        recipe = parse_recipe(values, (), stage.recipe)
    except UsageError as error:
        raise StageError(part, stage, error) from error
    assert isinstance(recipe, kind)
    if recipe.learn.ranks > 1:
        reason = f"learn.ranks = {recipe.learn.ranks}: stages train in one process; set learn.ranks = 1"
        raise StageError(part, stage, reason, ("learn", "ranks"))
    return recipe
