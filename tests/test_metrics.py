"""The descriptions of metrics: every key that runs write has one, and no description is left without a key."""

import doctest

import pytest

from helpers.judges import JUDGED, Says
from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core import metrics
from outgrow.core.json_lines import read_lines
from outgrow.core.metrics import GROUPS, METRICS, group_of, pattern_of
from outgrow.judge.canaries import KINDS
from outgrow.train import judge_scores
from outgrow.train.loop import train


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The keys of two steps with a judge, a second judge, a distilled teacher, validation and every part of the loss; and of two
    that are written ahead, which no judge allows.
    """
    settings = "rubric='{completion}',watch={every=1,canaries=4,heldout_problems=4,second_model='org/second'}"
    overrides = [
        *JUDGED,
        "learn.steps=2",
        "evaluate.every=1",
        "evaluate.validation_share=9",
        f"judge={{model='org/says',{settings}}}",
        "rewards=[{type='accuracy'},{type='judge_score'}]",
        "distill={model='micro-base'}",
        "loss={kl_weight=0.1}",
    ]
    ahead = ["learn.steps=2", "learn.ahead=1", "learn.old_logprobs=learner", "evaluate.every=0", "evaluate.suite=held-out"]
    run, other = (tmp_path_factory.mktemp("metrics") / name for name in ("run", "ahead"))
    train(load_recipe("micro", [*SMALL, *ahead]), other, Silent())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge_scores, "judge_model", lambda *_: Says(lambda text, call, index: rf"\boxed{{0.{len(text) % 10}}}"))
        train(load_recipe("micro", overrides), run, Silent())
    return {key for path in (run, other) for row in read_lines(path / "metrics.jsonl") for key in row}


def test_every_key_of_a_run_has_a_description(keys):
    assert {key for key in keys if pattern_of(key) is None} == set()
    assert {f"judge/canary_{kind}" for kind in KINDS} <= keys, "the run takes every branch"


def test_every_description_is_of_a_key(keys):
    assert METRICS.keys() - {pattern_of(key) for key in keys} == set()


def test_every_metric_is_in_a_group_that_has_a_heading():
    assert {group_of(name) for name in METRICS} == {"", *GROUPS}


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(metrics)
    assert result.attempted > 0 and result.failed == 0
