"""`outgrow recipes NAME --show`: the whole recipe, and where each value comes from."""

import tomllib

import pytest

from outgrow.config import explained_recipe, load_recipe, raw_recipe, shipped_recipes
from outgrow.core.errors import UsageError
from outgrow.flywheel import load_flywheel

OWN = """
extends = "micro"
name = "own"
rewards = [{ type = "accuracy", weight = 2.0 }, { type = "format" }]
[learn]
steps = 3
[loss]
kl_weight = 0.1
[advantage]
type = "grpo"
"""


def loaded(name):
    return load_flywheel(name) if raw_recipe(name).get("kind") == "flywheel" else load_recipe(name)


@pytest.mark.parametrize("name", shipped_recipes())
def test_what_is_shown_is_the_recipe(name, tmp_path):
    file = tmp_path / "shown.toml"
    file.write_text(explained_recipe(name, loaded(name)), encoding="utf-8")
    assert loaded(str(file)) == loaded(name)


def test_each_value_says_where_it_comes_from(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    shown = explained_recipe(str(file), load_recipe(str(file)))
    assert load_recipe(str(file)).model_dump(mode="json", exclude_none=True) == tomllib.loads(shown)
    for line in (
        'name = "own"',
        "steps = 3",
        "kl_weight = 0.1",
        'aggregation = "token"  # micro',  # in [loss], which both files have
        "problems_per_step = 64  # micro",
        "updates_per_step = 1  # default",
        "weight = 2.0",
        'type = "format"',
        "per_level = 400  # micro",  # in a list of tables
        'type = "grpo"',
    ):
        assert line in shown.splitlines(), line
    assert "kappa" not in shown, "a table with a type takes the place of the one it extends"


def test_a_chain_names_the_file_that_said_it_last(tmp_path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('extends = "micro"\nname = "first"\n[learn]\nsteps = 3\nlr = 0.5\n')
    second.write_text(f'extends = "{first}"\nname = "second"\n[learn]\nsteps = 4\n')
    lines = explained_recipe(str(second), load_recipe(str(second))).splitlines()
    assert "steps = 4" in lines
    assert f"lr = 0.5  # {first}" in lines
    assert "group_size = 8  # micro" in lines


def test_the_command(outgrow, tmp_path):
    code, printed, _ = outgrow("recipes", "micro", "--show")
    assert code == 0
    assert tomllib.loads(printed)["learn"]["steps"] == 165
    code, printed, _ = outgrow("recipes")
    assert "outgrow new" in printed and "--show" in printed
    code, _, errors = outgrow("recipes", "--show")
    assert (code, len(errors.splitlines())) == (2, 1)
    code, _, errors = outgrow("recipes", "mcro", "--show")
    assert code == 2 and "'micro'" in errors
    with pytest.raises(UsageError, match="nothing"):
        explained_recipe("nothing.toml", load_recipe("micro"))
