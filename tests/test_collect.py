"""How a step's groups come together: screening ends some early, refill draws others, and every rollout is counted."""

import pytest

from outgrow.config import parse_recipe
from outgrow.ledger import Ledger
from outgrow.policy import Policy
from outgrow.train.collect import Collector
from outgrow.train.step_records import ledger_visit
from outgrow.types import Graded, Problem, Rollout, Verdict

MIXED = {"d", "h", "m", "q", "x"}  # the problems whose answers are sometimes right; of the others every odd one is always


class Engine:
    """Writes one token; its second rollout, and every later even one, is what a mixed problem gets right."""

    def __init__(self):
        self.calls = []

    def work_done(self):
        return []

    def generate(self, request, check_stop):
        check_stop()
        prompts, seeds = request.prompts, request.seeds
        assert prompts, "an engine is never asked for nothing"
        self.calls.append((len(prompts), request.n))
        assert len(set(seeds)) == len(seeds)
        return [[Rollout(prompt, [index, seed], [0.0, 0.0], True, f"{prompt[0]} {index}") for index in range(request.n)]
                for prompt, seed in zip(prompts, seeds, strict=True)]  # fmt: skip


class Verifier:
    """Right or wrong by the problem's letter and the rollout's number, as the text has them."""

    def grade(self, attempts, inside_think, check_stop):
        return [Graded(Verdict.RIGHT if self._right(*attempt.text.split()) else Verdict.WRONG, None) for attempt in attempts]

    def _right(self, letter, index):
        return int(index) % 2 == 1 if chr(int(letter)) in MIXED else ord(chr(int(letter))) % 2 == 1


class Letters(Policy):
    """Asks a problem by its letter."""

    def prompt_ids(self, question, turns=()):
        return [ord(question)]

    @property
    def opens_think(self):
        return False


@pytest.fixture
def collected(tmp_path):
    def collect(curriculum, problems=6, letters="abcdefghijklmnopqrstuvwxyz", steps=(1,)):
        recipe = parse_recipe(
            {
                "name": "x",
                "policy": {"model": "micro-base"},
                "curriculum": {"type": "uniform", **curriculum},
                "learn": {"problems_per_step": problems, "group_size": 6},
            }
        )
        engine, laps = Engine(), []
        with Ledger(tmp_path / "ledger") as ledger:
            all_problems = [Problem(letter, "letters", 1, letter, "") for letter in letters]
            ledger.enter(all_problems)
            sources = (
                [ledger.known(all_problems[:13]), ledger.known(all_problems[13:])]
                if len(letters) > 13
                else [ledger.known(all_problems)]
            )
            shares = [problems - problems // 3, problems // 3] if len(sources) == 2 else [problems]
            collector = Collector(recipe, Letters(None, None), engine, Verifier(), ledger, sources, shares)
            for step in steps:
                whole, screened = collector.collect(step, lambda: None, laps.append)
                ledger.record([ledger_visit(group) for group in (*whole, *screened)])
        assert set(laps) == {"generation", "verification"}
        return whole, screened, engine.calls

    return collect


def letters_of(groups):
    return [group.problem.id for group in groups]


def test_without_screening_or_refill_a_step_is_one_batch(collected):
    whole, screened, calls = collected({})
    assert calls == [(6, 6)]
    assert screened == []
    assert len(whole) == 6
    assert sum(letter < "n" for letter in letters_of(whole)) == 4, "each source has its share"


def test_refill_draws_new_problems_until_enough_groups_are_mixed(collected):
    whole, _, calls = collected({"refill": 50}, problems=3)
    assert len(set(letters_of(whole))) == len(whole), "no problem twice in a step"
    mixed = [letter for letter in letters_of(whole) if letter in MIXED]
    assert len(mixed) == 3
    assert sum(letter < "n" for letter in mixed) == 2
    assert calls[0] == (3, 6)
    assert all(asked <= 3 for asked, _ in calls[1:])


def test_refill_is_bounded_and_ends_where_problems_do(collected):
    whole, _, calls = collected({"refill": 2}, letters="abce", problems=2)
    assert len(calls) == 2
    assert sorted(letters_of(whole)) == ["a", "b", "c", "e"]
    _, _, calls = collected({"refill": 2}, letters="abcefgijkl", problems=2)
    assert calls == [(2, 6)] * 3


def test_screening_ends_what_a_few_rollouts_find_even(collected):
    whole, screened, calls = collected({"screen": 2})
    assert calls[0] == (6, 2)
    assert set(letters_of(whole)) <= MIXED
    assert not set(letters_of(screened)) & MIXED
    assert all(len(group.rollouts) == len(group.graded) == 6 for group in whole)
    assert all(len(group.rollouts) == 2 for group in screened)
    assert calls[1:] == [(len(whole), 4)]
    # The rollouts of the rest are other ones: their seeds differ from those of the screening.
    assert len({rollout.completion_ids[1] for rollout in whole[0].rollouts}) == 2
    total = sum(n * asked for asked, n in calls)
    assert sum(ledger_visit(group).n for group in (*whole, *screened)) == total


def test_screening_and_refill_together_fill_the_batch(collected):
    whole, screened, calls = collected({"type": "speed", "screen": 2, "refill": 50}, problems=3)
    assert len(whole) == 3
    assert set(letters_of(whole)) <= MIXED
    assert sum(n * asked for asked, n in calls) == 6 * 3 + 2 * len(screened)


def test_where_screening_leaves_nothing_nothing_more_is_written(collected):
    whole, screened, calls = collected({"screen": 2, "refill": 3}, letters="abcefgijkl", problems=2)
    assert whole == []
    assert calls == [(2, 2)] * 4
    assert len(screened) == 8
