"""What a model's answers become: chosen, checked against suites, written; read again by datasets, TRL and our own SFT."""

import doctest
import os
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.config.sections import DataSection
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.rollout_log import write_part
from outgrow.engines import Answer
from outgrow.evaluate.sample import sample_problems
from outgrow.policy import Sampling
from outgrow.problems.math import Math
from outgrow.problems.suites import suite
from outgrow.synthetic import DataRequest, SyntheticRow, contamination, make_data, read_rows, read_summary, rows_from_run
from outgrow.synthetic import dataset_card as card_of
from outgrow.synthetic import sample as draw_of
from outgrow.synthetic.contamination import held_out, index, without_held_out
from outgrow.synthetic.dataset_card import card
from outgrow.synthetic.quality import precision, sound
from outgrow.synthetic.sample import draw
from outgrow.synthetic.select import choose, eligible
from outgrow.types import Problem, Verdict
from outgrow.verify import Verifier

WARM = Sampling(max_tokens=40)
PROBLEMS = [Problem(f"p{number}", "sum", 1 + number % 2, f"{number}+1=?", str(number + 1)) for number in range(40)]
RIGHT, WRONG, CUT, SILENT = Verdict.RIGHT, Verdict.WRONG, Verdict.TRUNCATED, Verdict.NO_ANSWER


@pytest.fixture
def verifier():
    with Verifier() as opened:
        yield opened


@dataclass
class Draws:
    """Answers by its seeds: right as often as not, with a step in front; remembers what it was asked, and with which seeds."""

    identity: str = f"{'0a' * 32} rest"
    opens_think: bool = True
    context: int = 100
    asked: list = field(default_factory=list)

    def conversation(self, question, turns=()):
        return [{"role": "system", "content": "Think."}, {"role": "user", "content": f"Q: {question}"}]

    def room(self, conversation):
        return self.context

    def answer(self, request, check_stop=lambda: None):
        check_stop()
        asked = list(zip(request.conversations, request.seeds, strict=True))
        self.asked += [(turns[-1]["content"], seed) for turns, seed in asked]
        return [[self._one(turns[-1]["content"], seed + index) for index in range(request.n)] for turns, seed in asked]

    def _one(self, question, dice):
        number = int(question[3:].partition("+")[0])
        said = number + 1 + dice % 2
        return Answer(f"{number}+1={said}, {dice % 7} </think>\\boxed{{{said}}}", dice % 5 > 0, 9 + dice % 3)


def row(text="\\boxed{1}", verdict=RIGHT, problem="p0", rate=0.5, length=5, **more):
    extracted = None if verdict in (CUT, SILENT) else "1" if verdict is RIGHT else "2"
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]
    one = SyntheticRow(problem, "sum", 1, f"what is {problem}?", "1", chat, text, verdict, extracted, rate, 8, 1, "m", length)
    return replace(one, **more)


# Choosing


def test_what_each_filter_drops():
    rows = [
        row("a", RIGHT),
        row("b", WRONG),
        row("c", CUT, length=99),
        row("d", SILENT),
        row("e", Verdict.VERIFIER_FAILED, extracted="huge"),
        row("f", RIGHT, length=31),
        row("g", RIGHT, rate=0.1),
        row("h", WRONG, extracted="  "),
    ]
    limits = {"max_tokens": 30, "min_pass_rate": 0.2, "max_pass_rate": 0.9}
    passed, dropped = eligible(rows, DataSection(**limits))
    assert [one.sampled for one in passed] == ["a"]
    assert dropped == {
        "wrong": 2, "truncated": 1, "no answer": 1, "verifier failed": 1, "longer than max_tokens": 1, "pass rate out of range": 1
    }  # fmt: skip
    passed, dropped = eligible(rows, DataSection(keep="all", **limits))
    assert [one.sampled for one in passed] == ["a", "b", "e"]
    assert dropped == {"truncated": 1, "no answer": 2, "longer than max_tokens": 1, "pass rate out of range": 1}


@st.composite
def draws(draw):
    """Rows of a few problems: answers that often differ only in white space, with their real pass rates."""
    rows = []
    for problem in range(draw(st.integers(1, 4))):
        texts = draw(st.lists(st.sampled_from(["a", " a", "a ", "a b", "a  b", "a\nb", "b"]), min_size=1, max_size=8))
        kinds = draw(st.sampled_from([[RIGHT], [RIGHT, RIGHT, WRONG, CUT, SILENT]]))
        verdicts = [draw(st.sampled_from(kinds)) for _ in texts]
        rate = verdicts.count(RIGHT) / len(texts)
        rows += [row(t, v, f"p{problem}", rate, length=len(t)) for t, v in zip(texts, verdicts, strict=True)]
    return rows


def sections():
    lows, highs = st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.8]), st.sampled_from([0.3, 0.8, 1.0, 1.0, 1.0])
    return st.builds(
        lambda low, high, **rest: DataSection(min_pass_rate=min(low, high), max_pass_rate=max(low, high), **rest),
        lows,
        highs,
        keep=st.sampled_from(["verified", "all"]),
        per_problem=st.integers(1, 4),
        per_easy_problem=st.integers(1, 4),
        max_tokens=st.none() | st.none() | st.integers(1, 4),
    )


@meets(chosen=80, dropped=200, spare=80, easy=40, wrong=8)
@given(draws(), sections(), st.integers(0, 99), st.randoms())
def test_what_is_chosen_keeps_to_the_section(rows, section, seed, shuffling):
    passed, dropped = eligible(rows, section)
    chosen, spare = choose(passed, section, seed)
    assert len(chosen) + dropped.total() + spare.total() == len(rows)
    by_problem = defaultdict(list)
    for one in chosen:
        by_problem[one.problem_id].append(one)
        assert one in rows
        assert one.extracted is not None
        assert one.right or section.keep == "all"
        assert section.min_pass_rate <= one.pass_rate <= section.max_pass_rate
        assert section.max_tokens is None or one.length <= section.max_tokens
    for kept in by_problem.values():
        assert len({tuple(one.sampled.split()) for one in kept}) == len(kept) <= section.per_problem
        assert kept[0].pass_rate < 0.8 or len(kept) <= section.per_easy_problem
    assert by_problem.keys() == {one.problem_id for one in passed}, "no problem is lost that has an answer"
    for kind, times in (("chosen", len(chosen)), ("dropped", dropped.total()), ("spare", spare.total())):
        met(kind, times)
    met("easy", sum(kept[0].pass_rate >= 0.8 for kept in by_problem.values()))
    met("wrong", sum(not one.right for one in chosen))
    shuffled = shuffling.sample(rows, len(rows))
    assert choose(eligible(shuffled, section)[0], section, seed)[0] == chosen


def test_each_of_a_problems_answers_is_as_likely_to_stay():
    rows = [row("x" * (1 + place)) for place in range(4)]
    met = Counter(choose(rows, DataSection(per_problem=1), seed)[0][0].sampled for seed in range(800))
    assert len(met) == 4
    assert all(abs(count - 200) < 4 * (800 * 0.25 * 0.75) ** 0.5 for count in met.values()), met


# Drawing


def test_a_row_says_what_was_asked_and_written(verifier):
    rows = draw(Draws(), verifier, PROBLEMS[:2], 8, WARM, 0, 3)
    assert [one.problem_id for one in rows] == ["p0"] * 8 + ["p1"] * 8
    for one in rows:
        asked, number = Draws().conversation(one.question), int(one.problem_id[1:])
        assert one.messages == [*asked, {"role": "assistant", "content": f"<think>{one.sampled}"}]
        assert (one.generation, one.model, one.n, one.answer) == (3, "0a" * 32, 8, str(number + 1))
        assert one.right == (one.verdict is not CUT and f"boxed{{{number + 1}}}" in one.sampled)
        assert one.pass_rate == sum(other.right for other in rows if other.problem_id == one.problem_id) / 8
    assert {one.verdict for one in rows} == {RIGHT, WRONG, CUT}
    server = draw(Draws("http://someone:secret@10.0.0.7/v1#qwen", opens_think=False), verifier, PROBLEMS[:1], 1, WARM, 0, 3)[0]
    assert (server.model, server.messages[-1]["content"]) == ("qwen", server.sampled)
    with pytest.raises(UsageError, match="temperature"):
        draw(Draws(), verifier, PROBLEMS, 8, Sampling(temperature=0), 0, 3)


def test_its_random_numbers_are_used_for_nothing_else(verifier):
    def seeds(of):
        respondent = Draws()
        of(respondent)
        return set(dict(respondent.asked).values())

    thrown = [
        seeds(lambda one, generation=generation: draw(one, verifier, PROBLEMS, 2, WARM, 5, generation)) for generation in (1, 2)
    ]
    thrown.append(seeds(lambda one: sample_problems(one, verifier, PROBLEMS, 2, WARM, 5)))
    assert len(set.union(*thrown)) == 3 * len(PROBLEMS)


@pytest.mark.parametrize("module", [card_of, contamination, draw_of])
def test_the_examples_in_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted >= 1
    assert found.failed == 0


# Contamination


def test_a_planted_question_and_13_planted_words_are_found():
    known = "A farmer has 17 sheep and 3 dogs; each day he buys two more sheep. How many sheep has he after nine days?"
    words = known.split()
    suites = {"short": [Problem("s", "f", 0, "What's 2+2?", "4")], "long": [Problem("l", "f", 0, known, "35")]}
    rows = {
        "another": row(question="what is 2 * 2?"),
        "same": row(question="Whats  2 + 2"),
        "in the question": row(question="Tell me! " + " ".join(words[4:17]).upper() + " Well?"),
        "in the answer": row("so\n" + "\n".join(words[:13]) + "\nas it were"),
        "twelve words": row(question=" ".join(words[4:16]), sampled=" ".join(words[:12])),
    }
    clean, contaminated, checked = without_held_out(rows.values(), index(suites))
    assert [name for name, one in rows.items() if one in clean] == ["another", "twelve words"]
    assert contaminated == 3
    assert [(one.suite, one.questions, one.same, one.overlapping) for one in checked] == [("short", 1, 1, 0), ("long", 1, 0, 2)]


def test_a_template_of_a_suite_is_no_question_of_it():
    template = "Sort the following words in ascending order and give them back with commas in between them: {}, {}"
    problems = [Problem(f"s{n}", "f", 0, template.format(n, n + 1), "x") for n in range(11)]
    fresh = row(question=template.format(77, 78))
    assert without_held_out([fresh], index({"s": problems}))[1] == 0
    assert without_held_out([fresh], index({"s": problems[:10]}))[1] == 1
    assert without_held_out([fresh], index({"s": problems[:10], "t": problems[5:]}))[1] == 0, "eleven in all"
    assert without_held_out([fresh], index({"s": problems[:10], "t": problems[5:10]}))[1] == 1, "the same ten"
    assert without_held_out([row(question=problems[3].question)], index({"s": problems}))[1] == 1, "as a whole it still is"


def test_a_suite_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    said = []
    known = held_out(["micro-validation", "gsm8k", "svamp"], said.append)
    assert (list(known.questions), known.not_checked) == (["micro-validation"], ("gsm8k", "svamp"))
    assert len(said) == 2 and "gsm8k" in said[0]
    with pytest.raises(UsageError, match="did you mean 'gsm8k'"):
        held_out(["gsm8"], said.append)


def test_a_suite_stands_in_the_set_it_was_taken_from(data):
    """Ten of the twelve questions of math/test are those of math/math500, and one of math/train is, written otherwise."""
    known = held_out(["math500"], pytest.fail)
    for questions, same in (([p.question for p in suite("math").load()], 10), ([p.question for p in Math().load()], 1)):
        rows = [row(problem=question, question=question) for question in questions]
        clean, contaminated, [found] = without_held_out(rows, known)
        assert (found.suite, found.questions, found.same, contaminated) == ("math500", 10, same, same)
        assert len(clean) == len(rows) - same


# Quality


def test_precision_grades_again_with_the_known_answers(verifier):
    rows = [row("<think>1</think>\\boxed{1}", problem=f"p{n}") for n in range(10)]
    problems = [Problem(f"p{n}", "sum", 1, "?", "1.0" if n else "7") for n in range(5)]
    found = precision(rows, problems, verifier)
    assert (found.value, found.n) == (0.8, 5)
    assert found.low == pytest.approx(0.3755, abs=1e-4) and found.high == pytest.approx(0.9638, abs=1e-4)  # Wilson, 4 of 5, by hand
    assert precision(rows, [], verifier) is None
    assert precision([row("<think>\\boxed{1}", problem="p1")], problems, verifier).value == 0, "it never left its thoughts"


def test_sound_is_what_every_calculation_says():
    rows = [row("2+2=4, 3*3=9"), row("2+2=4, 3*3=8"), row("no sums here"), row("1+1=2")]
    assert (sound(rows).value, sound(rows).n) == (2 / 3, 3)
    assert sound(rows[2:3]) is None


# What a run has written


def practised(run: Path) -> list[dict]:
    """Two steps of rollouts: p0 is met twice, p1 once, q9 is another run's problem."""
    met = [(1, "p0", "right"), (1, "p0", "wrong"), (1, "q9", "right"), (2, "p0", "right"), (2, "p1", "truncated")]
    rollouts = [
        {
            "step": step, "problem_id": problem, "field": "sum", "level": 2, "sample": 0, "question": f"{problem[1:]}+1=?",
            "completion": f"so {place}</think>\\boxed{{1}}", "verdict": verdict, "answer": "1",
            "extracted": None if verdict == "truncated" else "1", "length": 7, "reward": 1.0,
        }
        for place, (step, problem, verdict) in enumerate(met)
    ]  # fmt: skip
    for step in (1, 2):
        write_part(run, step, [row for row in rollouts if row["step"] == step])
    return rollouts


def prompts(*ids):
    """The prompts of `practised`."""
    return {id: Draws().conversation(f"{id[1:]}+1=?") for id in ids}


def test_rollouts_of_a_run_are_rows(tmp_path):
    rollouts = practised(tmp_path)
    rows = rows_from_run(tmp_path, prompts("p0", "p1"), "<think>", "m", 3)
    assert [one.sampled for one in rows] == [one["completion"] for one in rollouts if one["problem_id"] != "q9"]
    assert [(one.pass_rate, one.n) for one in rows] == [(2 / 3, 3)] * 3 + [(0, 1)], "over all steps"
    assert rows[0].messages == [*Draws().conversation("0+1=?"), {"role": "assistant", "content": f"<think>{rows[0].sampled}"}]
    assert [one.verdict for one in rows] == [RIGHT, WRONG, RIGHT, CUT]
    assert {(one.model, one.generation, one.answer, one.level, one.length) for one in rows} == {("on the way to m", 3, "1", 2, 7)}
    with pytest.raises(UsageError, match="has no rollouts"):
        rows_from_run(tmp_path / "none", prompts("p0"), "", "m", 3)


def test_what_was_written_costs_nothing_and_counts_with_what_is_drawn(tmp_path, verifier):
    practised(tmp_path)

    existing = rows_from_run(tmp_path, prompts("p0", "p1", "q9"), "<think>", "m", 2)
    assert {one.problem_id for one in existing} == {"p0", "p1", "q9"}, "q9 is none of the problems, so its rows do not count"
    free = made(tmp_path, None, verifier, section=DataSection(k=0, rollouts=True), existing_rows=existing)
    assert (free.drawn, free.written, free.cost, free.right, free.kept) == (4, 4, 0, 2, 2)
    assert {one.sampled for one in read_rows(free.path)} == {"so 0</think>\\boxed{1}", "so 3</think>\\boxed{1}"}
    assert "4 of them were written in training" in (free.path / "README.md").read_text()
    both = made(tmp_path, Draws(), verifier, DataSection(k=6, rollouts=True), existing_rows=existing, out=tmp_path / "both")
    assert (both.drawn, both.written, both.cost) == (244, 4, 240)
    rates = {(one.pass_rate, one.n) for one in read_rows(both.path) if one.problem_id == "p0"}
    drawn = [one.right for one in draw(Draws(), verifier, PROBLEMS[:1], 6, WARM, 5, 2)]
    assert rates == {((sum(drawn) + 2) / 9, 9)}, "drawn or written, they are answers to one problem"
    assert read_summary(both.path) == both
    with pytest.raises(UsageError, match="k > 0"):
        made(tmp_path, None, verifier, DataSection(k=0, rollouts=True), out=tmp_path / "none")
    with pytest.raises(ValueError, match="k = 0"):
        DataSection(k=0)


# The folder


def made(tmp_path, respondent, verifier, section=None, **more):
    section = section or DataSection(k=6, per_easy_problem=2)
    out = more.pop("out", tmp_path / "made")
    callbacks = {name: more.pop(name) for name in ("warn", "check_stop", "on_written") if name in more}
    settings = {"recipe_sampling": WARM, "seed": 5, "generation": 2, "suites": ["micro-validation"], **more}
    return make_data(respondent, verifier, DataRequest(PROBLEMS, section, **settings), out, **callbacks)


def test_the_folder_is_what_the_summary_says(tmp_path, verifier):
    summary = made(tmp_path, Draws(), verifier)
    rows = read_rows(summary.path)
    assert rows == read_rows(summary.path / "data" / "train-00000-of-00001.parquet")
    assert summary == read_summary(summary.path)
    assert (summary.problems, summary.drawn, summary.kept) == (40, 240, len(rows))
    assert summary.kept + sum(summary.dropped.values()) == 240
    again = draw(Draws(), verifier, PROBLEMS, 6, WARM, 5, 2)
    assert summary.right == sum(one.right for one in again)
    assert all(one in again and one.right for one in rows)
    for parts in (summary.by_cell, summary.by_band):
        assert [sum(getattr(part, name) for part in parts) for name in ("problems", "drawn", "right", "kept")] == [
            40, 240, summary.right, summary.kept
        ]  # fmt: skip
    assert (summary.precision.value, summary.precision.n) == (1, len(rows))
    assert (summary.sound.value, summary.sound.n) == (1, len(rows))
    assert os.listdir(tmp_path) == ["made"], "nothing is left next to it"
    control = made(tmp_path, Draws(), verifier, section=DataSection(k=6, keep="all", per_problem=6), out=tmp_path / "control")
    wrong = [one for one in read_rows(control.path) if not one.right]
    assert 1 > control.precision.value == pytest.approx(1 - len(wrong) / control.kept)
    with pytest.raises(UsageError, match="already exists"):
        made(tmp_path, Draws(), verifier)


def test_a_call_that_was_stopped_goes_on_and_ends_the_same(tmp_path, verifier):
    whole = made(tmp_path / "whole", Draws(), verifier, section=DataSection(k=60))
    respondent, polls = Draws(), iter(range(99))

    def stop_at_the_third():
        if next(polls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, respondent, verifier, DataSection(k=60), check_stop=stop_at_the_third)
    done = len(respondent.asked)
    assert 0 < done < 40
    assert not (tmp_path / "made").exists()
    told = []
    assert made(tmp_path, respondent, verifier, DataSection(k=60), on_written=told.append).sha256 == whole.sha256
    assert len(respondent.asked) == len(dict(respondent.asked)) == 40, "each once"
    assert told[-1].answers == 60 * 40
    assert 0 < told[-1].stored == 60 * done < told[-1].answers


def test_nothing_worth_keeping_is_said_and_nothing_written(tmp_path, verifier):
    with pytest.raises(OutgrowError, match=r"(?s)240 answers.*wrong: \d+, longer than max_tokens: \d+"):
        made(tmp_path, Draws(), verifier, section=DataSection(k=6, max_tokens=2))
    assert not (tmp_path / "made").exists()
    with pytest.raises(UsageError, match="sum 1, sum 2"):
        made(tmp_path, Draws(), verifier, section=DataSection(levels=(6,)))
    with pytest.raises(UsageError, match="max_tokens"):
        made(tmp_path, Draws(), verifier, recipe_sampling=Sampling(max_tokens=101))
    with pytest.raises(UsageError, match="no suite called"):
        made(tmp_path, Draws(), verifier, suites=["micr"])
    (tmp_path / "made").mkdir()
    with pytest.raises(UsageError, match=r"summary\.json"):
        read_summary(tmp_path / "made")
    (tmp_path / "made" / "summary.json").write_text('{"drawn": "many"}')
    with pytest.raises(UsageError, match=r"summary\.json"):
        read_summary(tmp_path / "made")


def test_the_card_has_the_figures_and_the_hubs_front_matter(tmp_path, verifier):
    from huggingface_hub import DatasetCard

    absent = str(tmp_path / "secret" / "mine.jsonl")
    summary = made(tmp_path, Draws(), verifier, section=DataSection(k=30), suites=["micro-validation", absent])
    text = (summary.path / "README.md").read_text()
    assert str(tmp_path) not in text and "mine.jsonl" in text, "a path means nothing elsewhere"
    told = DatasetCard(text).data.to_dict()
    assert told["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert told["size_categories"] == ["n<1K"]
    for figure in (
        f"| sum | 1 | {' | '.join(str(getattr(summary.by_cell[0], name)) for name in ('problems', 'drawn', 'right', 'kept'))} |",
        f"1.000 ({summary.precision.low:.3f} to 1.000), n = {summary.kept}",
        "| micro-validation | 190 | 0 | 0 |",
        f"| duplicate | {summary.dropped['duplicate']} |",
        "0a" * 32,
        summary.sha256,
        "k = 30",
    ):
        assert figure in text


def test_whatever_was_written_the_card_is_short_and_nothing_but_text(tmp_path, verifier):
    hostile = "```\n</div><script>alert(1)</script>\x1b[2J\u202e\u2028# heading\n---\n" + "|x" * 5_000_000
    one = row(hostile, field="a|b`<img src=x>\x07\n# own", model="[click](javascript:1)", problem="p0")
    summary = replace(made(tmp_path, Draws(), verifier), by_cell=(), dropped={one.field * 99: 3})
    text = card([one], DataRequest(PROBLEMS, DataSection(), WARM), summary)
    assert len(text) < 20_000
    assert not set(text) & {"\x1b", "\x07", "\u202e", "\u2028"}
    assert all(line.startswith("    ") for line in text.splitlines() if "script>" in line)
    assert "\n# own" not in text and "\n# heading" not in text
    assert not re.search(r"(?<!\\)\]\(", text) and not re.search(r"(?<!\\)<img", text)
    assert yaml.safe_load(text.split("---")[1])["tags"][0] == "outgrow"


def test_the_datasets_library_and_trl_read_it(tmp_path, verifier):
    from datasets import load_dataset
    from trl.data_utils import apply_chat_template, is_conversational

    summary = made(tmp_path, Draws(), verifier)
    by_folder = load_dataset(str(summary.path), split="train", cache_dir=tmp_path / "cache")
    by_file = load_dataset("parquet", data_files=f"{summary.path}/data/*.parquet", split="train", cache_dir=tmp_path / "cache")
    rows = read_rows(summary.path)
    for read in (by_folder, by_file):
        assert [SyntheticRow(**{**one, "verdict": Verdict(one["verdict"])}) for one in read] == rows
    for one in by_folder:
        # Whatever the order in which it looks at the columns.
        assert all(is_conversational({name: one[name] for name in random.sample(list(one), len(one))}) for _ in range(5))

    class Turns:
        def apply_chat_template(self, messages, **_):
            return "".join(f"[{turn['role']}] {turn['content']}\n" for turn in messages)

    text = apply_chat_template({"messages": by_folder[0]["messages"]}, Turns())["text"]
    assert text == f"[system] Think.\n[user] Q: {rows[0].question}\n[assistant] <think>{rows[0].sampled}\n"
