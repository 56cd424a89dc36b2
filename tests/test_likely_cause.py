"""The likeliest cause of a loss: each from rows that show it, and which comes first."""

import pytest

from outgrow.config import parse_recipe
from outgrow.config.load import apply_override
from outgrow.evaluate.likely_cause import Settings, likely_cause

STEPS = 20
USUAL = Settings(lr=3e-4, max_tokens=64, kl_weight=0.0, problems=1000, problems_per_step=32)
HEALTHY = {
    "policy/kl_to_reference": 0.01,
    "rollouts/truncated_frac": 0.02,
    "rollouts/no_answer_frac": 0.02,
    "rollouts/pass_rate": 0.6,
    "groups/mixed_frac": 0.4,
    "train/entropy": 0.3,
    "train/clipped_low_frac": 0.01,
    "train/clipped_high_frac": 0.01,
    "train/grad_norm": 0.8,
}


def rows(**late):
    """Healthy steps whose second half has these figures; `__` stands for the slash."""
    late = {name.replace("__", "/"): value for name, value in late.items()}
    return [{"step": step, **HEALTHY, **(late if step > STEPS / 2 else {})} for step in range(1, STEPS + 1)]


def drifting(to):
    return [{**row, "policy/kl_to_reference": to * row["step"] / STEPS} for row in rows()]


@pytest.mark.parametrize(
    ("steps", "settings", "name", "evidence", "setting"),
    [
        (rows(policy__kl_to_reference=0.3), USUAL, "learning rate", "0.29", "learn.lr=3e-05"),
        (rows(policy__kl_to_reference=4.0), USUAL, "learning rate", "4", "learn.lr=3e-06"),
        (rows(train__clipped_low_frac=0.15, train__clipped_high_frac=0.1), USUAL, "learning rate", "25%", "learn.lr=3e-05"),
        (rows(train__grad_norm=8.0), USUAL, "learning rate", "0.8 → 8", "learn.lr=3e-05"),
        (rows(rollouts__truncated_frac=0.4), USUAL, "cut answers", "2% → 40%", "sampling.max_tokens=128"),
        (rows(rollouts__no_answer_frac=0.3), USUAL, "format", "2% → 30%", "loss.kl_weight=0.05"),
        (rows(rollouts__pass_rate=0.99, groups__mixed_frac=0.02), USUAL, "too few problems", "99%", "learn.lr=0.0001"),
        (rows(), Settings(3e-4, 64, 0.0, 30, 32), "too few problems", "30 problems", "learn.lr=0.0001"),
        (drifting(0.4), USUAL, "no KL weight", "0.37", "loss.kl_weight=0.05"),
        (drifting(0.4), Settings(3e-4, 64, 0.02, 1000, 32), "KL weight too small", "0.37", "loss.kl_weight=0.06"),
        (rows(train__entropy=0.03), USUAL, "no KL weight", "0.3 → 0.03", "loss.kl_weight=0.05"),
        (rows(), USUAL, "not clear", "learning rate", "learn.lr=0.0001"),
        ([], USUAL, "not clear", "learning rate", "learn.lr=0.0001"),
    ],
)
def test_each_cause_is_told_from_its_figures(steps, settings, name, evidence, setting):
    cause = likely_cause(steps, settings)
    assert name in cause.name
    assert evidence in cause.evidence
    assert cause.setting == setting


def test_one_step_with_a_high_estimate_is_no_leap():
    steps = rows()
    steps[7] = {**steps[7], "policy/kl_to_reference": 0.9}
    assert "not clear" in likely_cause(steps, USUAL).name
    leap = [{**row, "policy/kl_to_reference": 0.9} if row["step"] == STEPS else row for row in rows()]
    assert "learning rate" in likely_cause(leap, USUAL).name, "in the last step it may be one"


@pytest.mark.parametrize(
    ("late", "name"),
    [
        # A rate that is too high cuts answers and loses the format as well.
        ({"policy__kl_to_reference": 2.0, "rollouts__truncated_frac": 0.9, "rollouts__no_answer_frac": 0.5}, "learning rate"),
        ({"rollouts__truncated_frac": 0.9, "train__entropy": 0.01}, "cut answers"),
        # A policy that masters its problems is sure of its answers.
        ({"rollouts__pass_rate": 1.0, "groups__mixed_frac": 0.0, "train__entropy": 0.01}, "too few problems"),
    ],
)
def test_the_cause_of_several_signs_comes_first(late, name):
    assert name in likely_cause(rows(**late), USUAL).name


def test_shares_that_were_high_from_the_start_are_no_cause():
    steps = [{**row, "rollouts/truncated_frac": 0.9, "rollouts/no_answer_frac": 0.5, "train/grad_norm": 9.0} for row in rows()]
    assert "not clear" in likely_cause(steps, USUAL).name


def test_steps_without_an_update_have_no_figures_of_one():
    """Where every group has equal rewards from the second step on, nothing is trained."""
    steps = rows(policy__kl_to_reference=4.0)
    for row in steps[1:]:
        for key in [key for key in row if key.startswith("train/")]:
            del row[key]
    assert "learning rate" in likely_cause(steps, USUAL).name


def test_fine_tuning_has_fewer_figures():
    steps = [{"step": step, "train/loss": 1.0, "train/grad_norm": 1.0} for step in range(1, 9)]
    cause = likely_cause(steps, Settings(1e-3, 64, None, 10_000, 64))
    assert "not clear" in cause.name and cause.setting.startswith("learn.lr=")
    assert "too few" in likely_cause(steps, Settings(1e-3, 64, None, 8, 64)).name


@pytest.mark.parametrize(
    "late", [{}, {"rollouts__truncated_frac": 0.9}, {"train__entropy": 0.01}, {"policy__kl_to_reference": 1.0}]
)
def test_every_setting_is_one_that_a_recipe_takes(late):
    values = {"name": "tiny", "policy": {"model": "micro-base"}}
    before = parse_recipe(dict(values))
    apply_override(values, likely_cause(rows(**late), USUAL).setting)
    assert parse_recipe(values) != before
