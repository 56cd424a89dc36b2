"""From the wheel's recipe to that of each stage: what the wheel fills in, everything else being as the stage's recipe has it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from ..config import Recipe, RLRecipe, SFTRecipe, apply_override, parse_recipe, raw_recipe
from ..config.renamed import renamed_in
from ..core.errors import UsageError
from ..core.registry import explain
from ..problems.suites import suite, suites
from .recipe import FlywheelRecipe, Stage

_Kind = TypeVar("_Kind", RLRecipe, SFTRecipe)
_Values = dict[str, Any]
# What a stage's table may not say, since the wheel does -> where it is said.
_SAID_ONCE = {f"evaluate.{key}": key for key in ("suite", "samples", "temperature", "extra_suites")}


def load_flywheel(name: str, overrides: Sequence[str] = ()) -> FlywheelRecipe:
    """The flywheel called `name` (a shipped one, or a TOML file), with "key.path=value" overrides applied; "student.learn.steps=50"
    changes a line of a stage's recipe.

    Raises UsageError with one line that says what to change, also where it is in a stage's recipe.
    """
    values = raw_recipe(name)
    for override in overrides:
        apply_override(values, override)
    kind = values.get("kind", "rl")
    if kind != "flywheel":
        raise UsageError(f"{name} is a recipe of kind {kind!r}; run it with: outgrow {'sft' if kind == 'sft' else 'train'} {name}")
    try:
        wheel = FlywheelRecipe.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{name}: {renamed_in(values, error) or explain(error, FlywheelRecipe)}") from error
    try:
        stage_recipes(wheel)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error
    return wheel


def stage_recipes(wheel: FlywheelRecipe) -> dict[str, Recipe]:
    """Stage -> its recipe, with names in place of what is yet to be made. Raises UsageError where one cannot be resolved."""
    suite(wheel.suite)
    suites(",".join((wheel.suite, *wheel.extra_suites)))
    found: dict[str, Recipe] = {"base": base_recipe(wheel, [])}
    if wheel.teacher_base:
        found["teacher_base"] = teacher_base_recipe(wheel)
    if wheel.teacher.stage:
        found["teacher"] = teacher_recipe(wheel, "base" if wheel.teacher_base else None)
    if wheel.judge:
        found["judge"] = judge_recipe(wheel, "teacher", ["run"])
    found["student"] = student_recipe(wheel, "base", "teacher", "judge" if wheel.judge else None)
    return found


def base_recipe(wheel: FlywheelRecipe, made: Sequence[str]) -> SFTRecipe:
    """Of a fresh base. made: folders of the data of earlier generations; the recipe's own problems anchor it."""
    values = _measured(wheel, "base", wheel.base)
    recipe = _parsed(values, "base", wheel.base, SFTRecipe)
    if not made:
        return recipe
    anchors = [source.model_dump(mode="json", exclude_none=True) for source in recipe.problems] if wheel.anchors else []
    # So that the anchors' share of the examples is wheel.anchors, and each generation's data has as much of the rest.
    rest = sum(source["weight"] for source in anchors) * (1 - wheel.anchors) / wheel.anchors if anchors else 1.0
    sources = [{"type": "synthetic", "path": path, "weight": rest / len(made)} for path in made]
    return _parsed({**values, "problems": [*anchors, *sources]}, "base", wheel.base, SFTRecipe)


def teacher_base_recipe(wheel: FlywheelRecipe) -> SFTRecipe:
    """Of what the first teacher starts from."""
    assert wheel.teacher_base is not None
    values = _measured(wheel, "teacher_base", wheel.teacher_base)
    return _parsed(values, "teacher_base", wheel.teacher_base, SFTRecipe)


def teacher_recipe(wheel: FlywheelRecipe, base: str | None) -> RLRecipe:
    """Of the first teacher. base: what it starts from, where a stage made it."""
    stage = wheel.teacher.stage
    assert stage is not None
    values = _measured(wheel, "teacher", stage)
    return _parsed(values if base is None else _from(base, values, "teacher", stage), "teacher", stage, RLRecipe)


def judge_recipe(wheel: FlywheelRecipe, teacher: str, runs: Sequence[str]) -> SFTRecipe:
    """Of the judge that the teacher becomes. runs: whose rollouts it learns to tell right from wrong by."""
    assert wheel.judge is not None
    values = _from(teacher, _seeded(wheel, "judge", wheel.judge), "judge", wheel.judge)
    given = values.get("problems", [{"type": "judgements"}])
    if isinstance(given, list):  # anything else is told of where the recipe is read
        values["problems"] = [_of_runs(source, runs) for source in given]
    return _parsed(values, "judge", wheel.judge, SFTRecipe)


def student_recipe(wheel: FlywheelRecipe, base: str, teacher: str, judge: str | None) -> RLRecipe:
    """Of a generation's student. judge: who scores its answers; teacher: whose words it is drawn to where its recipe distils."""
    values = _from(base, _measured(wheel, "student", wheel.student), "student", wheel.student)
    if judge is not None:
        values["judge"] = {**_table(values, "judge", "student"), "model": judge}
    if "distill" in values:
        values["distill"] = {**_table(values, "distill", "student"), "model": teacher}
    return _parsed(values, "student", wheel.student, RLRecipe)


def asked_recipe(wheel: FlywheelRecipe, model: str) -> RLRecipe:
    """How a model that is there already is asked and graded: as the student is."""
    values = _from(model, _measured(wheel, "student", wheel.student), "student", wheel.student)
    asked = ("policy", "prompt", "sampling", "engine", "verify", "evaluate", "run", "seed")
    return _parsed({"name": model, **{key: values[key] for key in asked if key in values}}, "student", wheel.student, RLRecipe)


def _of_runs(source: Any, runs: Sequence[str]) -> Any:
    """A problem source, of these runs where it is of judgements."""
    return {**source, "runs": list(runs)} if isinstance(source, dict) and source.get("type") == "judgements" else source


def _table(values: Mapping[str, Any], name: str, part: str) -> _Values:
    """A table of a recipe, empty where there is none. Raises UsageError where something else has its name."""
    found = values.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"[{part}] {name} is a table with keys, not {found!r}")
    return found


def _seeded(wheel: FlywheelRecipe, part: str, stage: Stage) -> _Values:
    _leave(part, stage, {"seed": "seed"})
    try:
        return {**stage.values(), "seed": wheel.seed}
    except UsageError as error:
        raise UsageError(f"[{part}] {error}") from error


def _leave(part: str, stage: Stage, said: Mapping[str, str]) -> None:
    """Raise UsageError where a stage's table says what the wheel does. said: a line of the stage -> the line of the wheel."""
    for line, instead in said.items():
        table, _, key = line.rpartition(".")
        own = stage.model_extra or {}
        if key in (_table(own, table, part) if table else own):
            raise UsageError(
                f"[{part}] {line} is for the wheel to say; {f'set {instead} above its stages' if instead else 'drop it'}"
            )


def _measured(wheel: FlywheelRecipe, part: str, stage: Stage) -> _Values:
    """Every run measures itself on the wheel's suites, with the same dice, so that any two of them can be paired."""
    asked = {
        "suite": wheel.suite,
        "samples": wheel.samples,
        "temperature": wheel.temperature,
        "extra_suites": list(wheel.extra_suites),
    }
    _leave(part, stage, _SAID_ONCE)
    values = _seeded(wheel, part, stage)
    return {**values, "evaluate": {**_table(values, "evaluate", part), **asked}}


def _from(model: str, values: _Values, part: str, stage: Stage) -> _Values:
    """Starting from this model, whatever the recipe itself would start from."""
    _leave(part, stage, dict.fromkeys(("policy.model", "policy.init", "policy.revision"), ""))
    kept = {key: value for key, value in _table(values, "policy", part).items() if key not in ("init", "revision")}
    return {**values, "policy": {**kept, "model": model}}


def _parsed(values: _Values, part: str, stage: Stage, kind: type[_Kind]) -> _Kind:
    given, wanted = values.get("kind", "rl"), "rl" if kind is RLRecipe else "sft"
    if given != wanted:
        raise UsageError(f"[{part}] {stage.recipe} is a recipe of kind {given!r}; this stage takes one of kind {wanted!r}")
    try:
        recipe = parse_recipe(values, (), stage.recipe)
    except UsageError as error:
        raise UsageError(f"[{part}] {error}") from error
    assert isinstance(recipe, kind)
    return recipe
