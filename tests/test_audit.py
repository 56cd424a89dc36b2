"""The reward audit: rewards that can be cheated by design are found, honest ones pass; and what probes are."""

import random
import re

import pytest

from outgrow.algorithms.rewards import Reward
from outgrow.algorithms.rewards.accuracy import Accuracy
from outgrow.audit.advice import reward_advice
from outgrow.audit.answer_form import can_be_written, written_for
from outgrow.audit.audit import problems_to_audit, try_reward
from outgrow.audit.mutant_words import MUTANT_WORDS
from outgrow.audit.probes import Asked, probes, wrong_answer
from outgrow.config import load_recipe
from outgrow.core.callbacks import never_stop
from outgrow.types import Graded, GradedGroup, Problem, Verdict
from outgrow.verify import EXTRACTORS, Attempt, Verifier
from outgrow.verify.comparison.compare import same
from outgrow.verify.mutants import KINDS

IN_THOUGHT = "the known answer only in the thought"
OPEN_THOUGHT = "the known answer in an open thought"
BETWEEN = "the known answer between two wrong ones"
CUT = "the known answer, cut by the token limit"
IN_TEXT = "a wrong answer after the known one"


class Anywhere(Reward):
    """Pays the known answer wherever it stands in the text."""

    type: str = "anywhere"

    def compute(self, group):
        return [float(group.problem.answer in rollout.text) for rollout in group.rollouts]


class AnyBox(Reward):
    """Pays the known answer in any of the boxes."""

    type: str = "any_box"

    def compute(self, group):
        boxes = [re.findall(r"\\boxed\{([^{}]*)\}", rollout.text) for rollout in group.rollouts]
        return [float(group.problem.answer in found) for found in boxes]


class Form(Reward):
    """Pays a box, whatever is in it."""

    type: str = "form"

    def compute(self, group):
        return [float(r"\boxed{" in rollout.text) for rollout in group.rollouts]


class Longer(Reward):
    """Pays length."""

    type: str = "longer"

    def compute(self, group):
        return [0.1 * length for length in group.lengths]


class Number(Reward):
    """Pays nearness of the last number, and fails where there is none."""

    type: str = "number"

    def compute(self, group):
        last = [re.findall(r"\d+", rollout.text)[-1] for rollout in group.rollouts]
        return [1 / (1 + abs(int(group.problem.answer) - int(number))) for number in last]


def audit(policy, *overrides, rewards=(), count=12, name="micro"):
    recipe = load_recipe(name, ['problems=[{type="micro",fields=["sum","product"],per_level=20}]', *overrides])
    if rewards:
        recipe = recipe.model_copy(update={"rewards": rewards})
    problems = problems_to_audit(recipe, count, 0, print)
    return try_reward(recipe, policy, problems, never_stop)


def failing(result):
    return {kind.kind: (len(kind.failures), kind.n) for kind in result.kinds if kind.failures}


@pytest.mark.parametrize(
    ("reward", "found"),
    [
        (Anywhere(), {IN_THOUGHT, OPEN_THOUGHT, BETWEEN, CUT, IN_TEXT}),
        (AnyBox(), {IN_THOUGHT, OPEN_THOUGHT, BETWEEN, CUT}),
        (
            Form(),
            {
                IN_THOUGHT,
                OPEN_THOUGHT,
                BETWEEN,
                CUT,
                IN_TEXT,
                "the form without an answer",
                "a wrong answer",
                "wrong answer: a digit changed",
            },
        ),
    ],
)
@pytest.mark.parametrize("also", [(), (Accuracy(weight=0.0),)])
def test_a_reward_that_can_be_cheated_is_found(shipped, reward, found, also):
    result = audit(shipped, rewards=(reward, *also))
    assert not result.sound
    failures = failing(result)
    assert found <= set(failures)
    for kind in found:
        assert failures[kind] == (12, 12), kind
    if not isinstance(reward, Form):
        assert not result.fails_right
        assert "a wrong answer" not in failures and "nothing" not in failures


def test_paying_the_answer_anywhere_is_outweighed_only_by_a_larger_part_for_the_verdict(shipped):
    """As an addition to the verdict it pays wrong places more than wrong answers, but less than a right answer."""
    result = audit(shipped, rewards=(Accuracy(), Anywhere(weight=0.5)))
    assert result.sound
    kinds = {kind.kind: kind for kind in result.kinds}
    assert kinds[BETWEEN].above_wrong == kinds[BETWEEN].n == 12
    assert kinds[BETWEEN].mean(lambda trial: trial.reward) == 0.5
    assert kinds["a wrong answer"].above_wrong == 0


def test_a_reward_of_length_is_found_where_it_outweighs_the_verdict(shipped):
    assert audit(shipped, rewards=(Accuracy(weight=100.0), Longer())).sound
    result = audit(shipped, rewards=(Accuracy(), Longer()))
    assert BETWEEN in failing(result) and "nothing" not in failing(result)


def test_a_reward_that_raises_is_told_and_is_no_crash(shipped):
    result = audit(shipped, rewards=(Number(),))
    nothing = next(kind for kind in result.kinds if kind.kind == "nothing")
    assert len(nothing.errors) == nothing.n == 12
    assert nothing.errors[0].error.startswith("IndexError")
    assert nothing not in result.pays_wrong, "it pays nothing"
    assert not result.sound
    [line] = result.raises
    n = sum(kind.n for kind in result.kinds)
    assert "IndexError" in line and f"({len(result.errors)} of {n} " in line
    assert nothing.mean(lambda trial: trial.reward) is None


class AlwaysRaises(Reward):
    """Fails for every group."""

    type: str = "always_raises"

    def compute(self, group):
        raise ValueError(f"no reward for {group.problem.id}")


def test_a_reward_that_always_raises_pays_nothing(shipped):
    result = audit(shipped, rewards=(AlwaysRaises(),), count=3)
    assert not result.sound and not result.pays_wrong and not result.fails_right
    assert len(result.errors) == sum(kind.n for kind in result.kinds)
    [line] = result.raises
    assert "ValueError" in line
    assert [line for line in advice(AlwaysRaises(), result=result) if "raises" in line]


def advice(*rewards, result):
    recipe = load_recipe("micro")
    return reward_advice(recipe.model_copy(update={"rewards": rewards}), result)


def test_advice_names_the_reward_and_the_verdict_of_a_rollout(shipped):
    result = audit(shipped, rewards=(Anywhere(),), count=3)
    [line] = advice(Anywhere(), result=result)
    assert "anywhere" in line and "accuracy" in line
    group = next(re.finditer(r"group\.(\w+)\[i\]\.(\w+)", line))
    assert group[1] in GradedGroup.__dataclass_fields__ and hasattr(Graded, group[2]), "as a reward's code finds it"
    assert advice(Accuracy(), result=audit(shipped, count=3)) == []


def test_every_kind_of_mutant_has_words():
    assert list(MUTANT_WORDS) == list(KINDS)


LENGTHS = ("alp", "efficient", "experiment", "hapo", "kimi", "l1_max", "overlong")


@pytest.mark.parametrize(
    "parts",
    [
        '{type="accuracy"}',
        '{type="accuracy",weight=2},{type="format"}',
        '{type="accuracy"},{type="level_bonus"}',
        *(f'{{type="accuracy"}},{{type="length_{rule}"}}' for rule in LENGTHS),
    ],
)
def test_rewards_that_ship_are_sound_with_the_verdict(shipped, parts):
    result = audit(shipped, f"rewards=[{parts}]", count=6)
    assert failing(result) == {}
    assert {kind.n for kind in result.kinds if kind.worth} == {6}


@pytest.mark.parametrize("reward", ["random", "format"])
def test_the_controls_fail(shipped, reward):
    result = audit(shipped, f'rewards=[{{type="{reward}"}}]')
    assert not result.sound
    assert result.fails_right and result.pays_wrong


@pytest.mark.parametrize(
    ("rewards", "sound"),
    [
        ('{type="hero"}', True),
        ('{type="judge_score"}', False),
        ('{type="accuracy"},{type="judge_score",weight=0.9}', True),
        ('{type="accuracy"},{type="judge_score",weight=1.1}', False),
    ],
)
def test_a_judge_that_is_fooled_pays_a_wrong_answer_only_if_it_outvotes_the_checker(shipped, rewards, sound):
    result = audit(shipped, 'judge={model="micro-base"}', f"rewards=[{rewards}]", count=4)
    assert result.sound is sound


def test_an_extractor_that_cannot_read_the_known_answers_is_found(shipped, data):
    math = 'problems=[{type="math"}]'
    assert failing(audit(shipped, math, count=100)) == {}
    result = audit(shipped, math, 'verify.extract=["last_number"]', count=100)
    assert result.fails_right and not result.pays_wrong
    for kind in result.fails_right:
        for trial in kind.failures:
            assert not re.fullmatch(r"-?[\d.]+", trial.problem.answer)
            assert trial.verdict is not Verdict.RIGHT


@pytest.mark.parametrize("name", ["boxed", "hash", "phrase", "last_number", "auto"])
def test_gsm8k_is_sound_with_every_extractor(shipped, data, name):
    result = audit(shipped, 'problems=[{type="gsm8k"}]', f'verify.extract=["{name}"]', count=100)
    assert failing(result) == {}
    assert result.unusable == 0


def test_each_extractor_reads_the_form_that_it_wants():
    for name in EXTRACTORS:
        assert EXTRACTORS[name](written_for(name, "18")) == "18"
        assert can_be_written(name, "18")
    assert can_be_written("boxed", "7 or 8") and not can_be_written("last_number", "7 or 8")
    assert not can_be_written("first_boxed", r"\frac{1}{2}"), "it stops at the first brace"


def asked(problem, inside_think=False, prompt="", extract=("boxed",)):
    wrong = wrong_answer(problem, [], extract[0], random.Random(0))
    return Asked(problem, prompt or problem.question, extract, inside_think, wrong)


QUESTION = Problem("p", "field", 1, "Tom has 12 red pens and 1,018 blue ones. Is 7 or 12 the number of boxes for 30.5 g?", "7")


def test_probes_hold_what_they_are_called(shipped):
    made = {probe.kind: probe for probe in probes(asked(QUESTION, prompt="Think. " + QUESTION.question), random.Random(0))}
    assert made["nothing"].text == ""
    assert made["the question"].text == QUESTION.question
    assert made["the prompt"].text == "Think. " + QUESTION.question
    listed = made["every number of the question"].text.split(", ")
    assert sorted(listed) == sorted(["12", "1,018", "7", "12", "30.5"])
    assert listed[0] != "7" != listed[-1], "the first or the last may be taken for the answer"
    assert re.findall(r"\\boxed\{([^}]*)\}", made["a box for every number of the question"].text) == listed
    assert not made[CUT].finished and all(probe.finished for kind, probe in made.items() if kind != CUT)
    assert [kind for kind, probe in made.items() if probe.worth] == [
        "the known answer for 'boxed'",
        "the known answer after a finished thought",
        "the known answer between sentences",
    ]


def test_a_question_that_ends_in_its_answer_is_not_repeated():
    """Repeated under last_number it would be right, and by chance."""
    problem = Problem("p", "field", 1, "Which is larger, 3 or 7?", "7")
    kinds = {probe.kind for probe in probes(asked(problem, extract=("last_number",)), random.Random(0))}
    assert "the question" not in kinds and "the prompt" not in kinds
    assert "every number of the question" in kinds
    only = Problem("p", "field", 1, "Is it 7?", "7")
    assert "every number of the question" not in {probe.kind for probe in probes(asked(only), random.Random(0))}


@pytest.mark.parametrize("inside_think", [False, True])
@pytest.mark.parametrize("extract", [("boxed",), ("phrase", "boxed"), ("hash",), ("last_number",)])
def test_the_verdict_pays_what_is_worth_it_and_nothing_else(inside_think, extract):
    made = probes(asked(QUESTION, inside_think, extract=extract), random.Random(1))
    with Verifier(extract) as verifier:
        graded = verifier.grade([Attempt(probe.text, "7", probe.finished) for probe in made], inside_think=inside_think)
    assert [grade.right for grade in graded] == [probe.worth for probe in made]
    assert sum(probe.worth for probe in made) == 2 + (not inside_think) + len(extract) - 1


def test_a_wrong_answer_is_wrong_and_may_come_from_another_problem():
    for known in ("7", "-3/4", "(1,2)", r"\frac{\pi}{2}", "yes", "B"):
        wrong = wrong_answer(Problem("p", "f", 1, "q", known), [], "boxed", random.Random(0))
        assert wrong is not None and not same(known, wrong)
    name = Problem("p", "f", 1, "q", "Ada Lovelace")
    others = [name, Problem("q", "f", 1, "q", "Alan Turing")]
    assert wrong_answer(name, [name], "boxed", random.Random(0)) is None
    assert wrong_answer(name, others, "boxed", random.Random(0)) == "Alan Turing"


def test_other_accepted_answers_are_worth_it_and_are_no_mutants():
    problem = Problem("p", "f", 1, "From 3 to 9: an odd prime above 3?", "5", alternatives=("7", "-5"))
    made = probes(asked(problem), random.Random(0))
    with Verifier() as verifier:
        graded = verifier.grade([Attempt.at(problem, probe.text, probe.finished) for probe in made])
    assert [grade.right for grade in graded] == [probe.worth for probe in made]
    assert [probe.text for probe in made if probe.kind == "another accepted answer"] == [r"\boxed{7}", r"\boxed{-5}"]
    assert "wrong answer: the sign changed" not in {probe.kind for probe in made}, "-5 is accepted"
