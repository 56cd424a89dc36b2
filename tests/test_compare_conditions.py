"""Sides are subtracted only where they were measured alike; what differs is named, and each side is still shown."""

from dataclasses import replace

import pytest

from helpers.report import evaluation, save, write_recipe
from outgrow.core.errors import UsageError
from outgrow.evaluate import Evaluation
from outgrow.evaluate.compare import Side, against, unlike
from outgrow.evaluate.conditions import conditions
from outgrow.policy import Sampling
from outgrow.report.live.views import OpenRun, compare_to_first

WARM, COLD = Sampling(), Sampling(temperature=0.5)


def measured(path, how, seed=1, chance=0.5):
    replace(evaluation({1: chance, 2: 0.4}, seed=seed), conditions=how).save(path)
    return path


@pytest.fixture
def warm(tmp_path):
    return measured(tmp_path / "warm.parquet", conditions(None, WARM, 4))


@pytest.fixture
def cold(tmp_path):
    return measured(tmp_path / "cold.parquet", conditions(None, COLD, 4), seed=2, chance=0.9)


def test_conditions_outlive_a_file(tmp_path):
    how = conditions(None, Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=7), 3, seed=9)
    whole = replace(evaluation({1: 0.5}, seed=1), conditions=how)
    whole.save(tmp_path / "one.parquet")
    assert Evaluation.load(tmp_path / "one.parquet") == whole
    replace(whole, conditions=None).save(tmp_path / "none.parquet")
    assert Evaluation.load(tmp_path / "none.parquet").conditions is None


def test_unlike_sides_are_shown_and_not_subtracted(outgrow, warm, cold):
    code, printed, _ = outgrow("compare", warm, cold)
    assert code == 0
    assert "evaluate.temperature 1.0 → 0.5" in printed
    assert "--across evaluate.temperature" in printed
    assert "not compared" in printed
    rates = [Evaluation.load(path).summary()["pass@1"] for path in (warm, cold)]
    assert all(f"{rate:.3f}" in printed for rate in rates)
    assert f"{100 * (rates[1] - rates[0]):+.1f}" not in printed


def test_a_difference_that_is_asked_for_is_subtracted_and_named(outgrow, warm, cold):
    code, printed, _ = outgrow("compare", warm, cold, "--across", "evaluate.temperature")
    rates = [Evaluation.load(path).summary()["pass@1"] for path in (warm, cold)]
    assert code == 0
    assert f"{100 * (rates[1] - rates[0]):+.1f}" in printed
    assert "evaluate.temperature 1.0 → 0.5" in printed
    code, _, said = outgrow("compare", warm, cold, "--across", "temprature")
    assert code == 2
    assert "evaluate.temperature" in said


@pytest.mark.parametrize(
    "change",
    [{"sampling": WARM.model_copy(update={key: value})} for key, value in (("max_tokens", 9), ("top_k", 3), ("top_p", 0.5))],
)
def test_every_setting_of_sampling_is_named(tmp_path, outgrow, warm, change):
    [key] = [name for name in ("max_tokens", "top_k", "top_p") if getattr(change["sampling"], name) != getattr(WARM, name)]
    other = measured(tmp_path / "other.parquet", conditions(None, WARM, 4).model_copy(update=change))
    assert f"sampling.{key}" in outgrow("compare", warm, other)[1]


def test_more_samples_and_another_seed_of_sampling_are_no_difference(tmp_path, warm):
    other = measured(tmp_path / "other.parquet", conditions(None, WARM, 64, seed=3), seed=3)
    sides = [Side(path.stem, [Evaluation.load(path)]) for path in (other, warm)]
    assert unlike(*sides) == {}
    assert against(*sides, 0.02).change.n > 0


def test_an_unrecorded_measurement_is_named(tmp_path, outgrow, warm):
    other = measured(tmp_path / "other.parquet", None, seed=3)
    code, printed, _ = outgrow("compare", warm, other)
    assert code == 0
    assert "not recorded" in printed and "other" in printed.split("not recorded")[1]
    assert "not compared" not in printed


def test_seeds_of_a_side_must_be_alike():
    seeds = [
        replace(evaluation({1: 0.5}, seed=number), conditions=conditions(None, sampling, 4))
        for number, sampling in ((1, WARM), (2, COLD))
    ]
    with pytest.raises(UsageError, match=r"evaluate.temperature 1\.0 → 0\.5"):
        Side("one", seeds)


def test_a_suite_of_other_problems_leaves_the_comparison_on_the_rest(tmp_path, outgrow):
    for name, levels in (("first", {1: 0.5}), ("second", {2: 0.5})):
        (tmp_path / name).mkdir()
        evaluation({1: 0.4}, seed=len(name)).save(tmp_path / name / "alike.parquet")
        evaluation(levels, seed=1).save(tmp_path / name / "unlike.parquet")
    code, printed, _ = outgrow("compare", tmp_path / "first", tmp_path / "second")
    assert code == 0
    assert "alike: second against first: " in printed
    assert "different problems" in printed.split("unlike: second against first: ")[1]
    code, _, said = outgrow("compare", tmp_path / "first" / "unlike.parquet", f"two={tmp_path / 'second' / 'unlike.parquet'}")
    assert code == 2
    assert "different problems" in said


def test_the_live_page_subtracts_only_what_was_measured_alike(tmp_path):
    for name, sampling in (("a", WARM), ("b", COLD), ("c", WARM)):
        write_recipe(tmp_path / name)
        one = replace(evaluation({1: 0.5}, seed=1), conditions=conditions(None, sampling, 4))
        for when in ("before", "after"):
            save(tmp_path / name, when, one)
    _, unlike_row, alike_row = compare_to_first([OpenRun(tmp_path / name).view() for name in "abc"])
    assert unlike_row.comparison is None
    assert "evaluate.temperature 1.0 → 0.5" in unlike_row.verdict
    assert alike_row.comparison.change.value == 0
