"""Settings by the size of the model: filled in only where nothing is said, and told."""

import itertools
import tomllib

import pytest

from outgrow.config import filled, load_recipe, parse_recipe, raw_recipe, shipped_recipes, table_values, unsaid
from outgrow.config.by_size import NEW_MODEL_LR, TABLE, row_for
from outgrow.flywheel.stage_recipes import load_flywheel, stage_recipes

OWN = {
    "policy.model": '"micro-base"',
    "problems": '[{type="micro",per_level=2}]',
    "learn.steps": "2",
    "learn.problems_per_step": "2",
    "learn.group_size": "2",
    "sampling.max_tokens": "16",
    "evaluate.samples": "1",
}


def own_recipe(tmp_path, **more):
    """A recipe that says no learning rate and no KL weight; more: key with __ for a dot -> TOML."""
    lines = OWN | {key.replace("__", "."): value for key, value in more.items()}
    file = tmp_path / "own.toml"
    file.write_text('name = "own"\n' + "".join(f"{key} = {value}\n" for key, value in lines.items()))
    return str(file)


def test_a_larger_model_takes_smaller_steps_and_an_adapter_larger_ones():
    for small, large in itertools.pairwise(TABLE):
        assert small.parameters < large.parameters
        for name in ("lr", "lora_lr", "sft_lr", "sft_lora_lr"):
            assert getattr(small, name) > getattr(large, name)
    assert all(row.lora_lr / row.lr >= 5 for row in TABLE)
    assert TABLE[-1].parameters == float("inf")


@pytest.mark.parametrize(
    ("parameters", "row"), [(1, 0), (5_000_000, 0), (5_000_001, 1), (135_000_000, 2), (1_777_088_000, 3), (7e9, 4)]
)
def test_a_row_is_for_models_up_to_its_size(parameters, row):
    assert row_for(int(parameters)) is TABLE[row]


def test_only_what_is_not_said_is_filled(tmp_path):
    recipe = load_recipe(own_recipe(tmp_path))
    assert unsaid(recipe) == ["learn.lr", "loss.kl_weight", "evaluate.every"]
    full = filled(recipe, 135_000_000)
    assert (full.learn.lr, full.loss.kl_weight, full.evaluate.every) == (TABLE[2].lr, TABLE[2].kl_weight, 1)
    assert unsaid(full) == []
    adapter = filled(load_recipe(own_recipe(tmp_path, policy__lora="{}")), 135_000_000)
    assert adapter.learn.lr == TABLE[2].lora_lr
    said = load_recipe(own_recipe(tmp_path, learn__lr="3e-3", loss__kl_weight="0.5", evaluate__every="7"))
    assert filled(said, 135_000_000) == said
    by_option = load_recipe(own_recipe(tmp_path), ["learn.lr=1e-9"])
    assert filled(by_option, 135_000_000).learn.lr == 1e-9


def test_supervised_rates_are_their_own():
    sft = {"name": "own", "kind": "sft", "policy": {"model": "micro-base"}}
    assert filled(parse_recipe(sft), 135_000_000).learn.lr == TABLE[2].sft_lr
    assert filled(parse_recipe(sft | {"policy": {"model": "micro-base", "lora": {}}}), 135_000_000).learn.lr == TABLE[2].sft_lora_lr
    assert filled(parse_recipe(sft | {"policy": {"init": {}}}), 600_000).learn.lr == NEW_MODEL_LR


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_a_shipped_recipe_says_all_so_that_the_table_never_changes_it(name):
    recipes = stage_recipes(load_flywheel(name)).values() if raw_recipe(name).get("kind") == "flywheel" else [load_recipe(name)]
    for recipe in recipes:
        assert unsaid(recipe) == []
        assert table_values(recipe) == {}


def test_the_table_is_part_of_a_key_only_where_it_decides(tmp_path):
    assert len(table_values(load_recipe(own_recipe(tmp_path)))["by_size"]) == len(TABLE)


@pytest.mark.parametrize(("lora", "rate"), [(None, TABLE[0].lr), ("{}", TABLE[0].lora_lr)])
def test_a_run_tells_and_keeps_what_was_chosen(tmp_path, outgrow, lora, rate):
    recipe = own_recipe(tmp_path, **({"policy__lora": lora} if lora else {}))
    code, out, err = outgrow("train", recipe, "--out", tmp_path / "run")
    assert code == 0, err
    assert f"learn.lr={rate:g}" in out
    stored = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert stored["learn"]["lr"] == rate
    assert stored["loss"]["kl_weight"] == TABLE[0].kl_weight
    # What is stored is said: a later table does not change a run that is continued.
    code, out, _ = outgrow("resume", tmp_path / "run", "--set", "learn.steps=3")
    assert code == 0
    assert "chosen for" not in out
