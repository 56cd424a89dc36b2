"""The support gate: its figures by hand, and each verdict from answers made for it; the record; the commands."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from outgrow.audit.audit import AuditProblems, conclude
from outgrow.audit.record import AUDITS, audit_key, record_path, standing
from outgrow.audit.reward_audit import RewardAudit
from outgrow.audit.support import judge_support, support
from outgrow.audit.thresholds import ALL_RIGHT, CUT, MIXED, UNREAD
from outgrow.audit.verdict import AuditVerdict
from outgrow.cli.audit_line import audit_line
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.evaluate.sample import Sample
from outgrow.runs.input_digests import digest_of
from outgrow.types import Verdict

pytestmark = pytest.mark.usefixtures("own_code")

LETTERS = {"r": Verdict.RIGHT, "w": Verdict.WRONG, "n": Verdict.NO_ANSWER, "t": Verdict.TRUNCATED}
NO_PROBLEMS = AuditProblems([], [], 0)
SOUND = RewardAudit(1, 0, [])


def samples(*groups, text="It is 7.", answer="7"):
    """One sample for each letter: a word is a problem."""
    return [
        Sample(f"p{number}", "field", 1, "3+4=?", answer, index, text, LETTERS[letter], None, 10 + index)
        for number, word in enumerate(groups)
        for index, letter in enumerate(word)
    ]


def test_the_figures_by_hand():
    figures = support(samples("rrrr", "rwnt", "wwww", "tttt", "nnnn"))
    assert (figures.n, figures.k, figures.tokens) == (5, 4, 11.5)
    assert figures.pass_1.value == pytest.approx(5 / 20)
    assert figures.pass_k.value == pytest.approx(2 / 5)
    assert figures.mixed.value == pytest.approx(1 / 5)
    assert figures.all_right.value == pytest.approx(1 / 5)
    assert figures.cut.value == pytest.approx((1 / 4 + 1) / 5)
    assert figures.unread is not None
    assert figures.unread.value == pytest.approx((0 + 1 / 3 + 0 + 1) / 4), "of finished answers, in the problems that have them"
    # Wilson's interval for 1 of 5, as published tables give it
    assert (figures.mixed.low, figures.mixed.high) == pytest.approx((0.0362, 0.6245), abs=1e-4)
    assert support(samples("tt", "tt")).unread is None


def test_no_right_answer_at_all_still_has_an_interval():
    """The bootstrap of 32 zeros is zero to zero; nothing of 32 is not nothing."""
    figures = support(samples(*["wwww"] * 32))
    assert (figures.pass_k.value, figures.pass_k.low) == (0, 0)
    assert 0.1 < figures.pass_k.high < 0.12
    assert figures.pass_1.high == figures.pass_k.high
    assert support(samples(*["tttt"] * 32)).cut.low == pytest.approx(1 - figures.pass_k.high)


@pytest.mark.parametrize(
    ("groups", "verdict"),
    [
        (["rwww"] * 4 + ["wwww"] * 6, AuditVerdict.GO),
        (["rrrw"] * 4 + ["rrrr"] * 6, AuditVerdict.GO),
        (["rwww"] + ["wwww"] * 10, AuditVerdict.NO_SUPPORT),
        (["rwww"] + ["wwww"] * 9, AuditVerdict.GO),  # one of ten is the limit
        (["rwww"] + ["wwww"] * 5 + ["rrrr"] * 5, AuditVerdict.NO_SUPPORT),
        (["rrrr"] * 8 + ["rrrw"] * 2, AuditVerdict.TOO_EASY),
        (["rrrr"] * 7 + ["rrrw"] * 3, AuditVerdict.GO),
        (["rrrr"] * 10, AuditVerdict.TOO_EASY),
        (["tttt"] * 10, AuditVerdict.CUT),
        (["rwwt"] * 10, AuditVerdict.CUT),
        (["rwwt"] * 9 + ["rwww"], AuditVerdict.GO),
        (["nnnr"] * 10, AuditVerdict.FORMAT),
        (["nnnn"] * 10, AuditVerdict.FORMAT),
        (["nnrw"] * 9 + ["nrrw"], AuditVerdict.GO),
        (["nnnt"] * 10, AuditVerdict.CUT),
    ],
)
def test_each_verdict(groups, verdict):
    said, reasons = judge_support(support(samples(*groups)))
    assert said is verdict
    assert reasons
    assert all("\n" not in reason for reason in reasons)


def test_the_thresholds_that_those_cases_stand_at():
    assert (CUT, UNREAD, MIXED, ALL_RIGHT) == (0.25, 0.5, 0.1, 0.8)


def test_a_verdict_near_its_limit_says_so():
    few = judge_support(support(samples(*["rwww"] + ["wwww"] * 9)))[1]
    many = judge_support(support(samples(*["rwww"] * 100 + ["wwww"] * 100)))[1]
    assert any("10%" in reason and "--problems" in reason for reason in few)
    assert not any("--problems" in reason for reason in many)


def test_a_policy_worse_than_one_constant_answer_is_named():
    yes_no = [
        replace(sample, answer="no" if sample.problem_id in ("p0", "p1", "p2", "p3") else "yes")
        for sample in samples(*["rwww"] * 10)
    ]
    said, reasons = judge_support(support(yes_no))
    assert said is AuditVerdict.GO
    assert any("'yes'" in reason and "60%" in reason for reason in reasons), "25% right, and 6 of 10 by always saying yes"
    better = [replace(sample, verdict=Verdict.RIGHT) if sample.index < 3 else sample for sample in yes_no]
    different = [replace(sample, answer=sample.problem_id) for sample in yes_no]
    for others in (better, different):
        assert not any("always" in reason for reason in judge_support(support(others))[1])


@pytest.mark.parametrize(("text", "name"), [("#### 7", "hash"), (r"So \boxed{7}", "boxed"), ("The answer is 7.", "phrase")])
def test_answers_that_are_not_read_name_the_extractor_that_reads_them(shipped, text, name):
    other = "first_boxed" if name != "boxed" else "hash"
    recipe = load_recipe("micro", [f'verify.extract=["{other}"]'])
    drawn = samples(*["nnnn"] * 10, text=f"</think>{text}")
    audit = conclude(recipe, shipped, NO_PROBLEMS, SOUND, drawn)
    assert audit.verdict is AuditVerdict.FORMAT
    assert f'verify.extract=["{name}"]' in audit.reasons[-1]
    assert "40" in audit.reasons[-1]


def test_an_unsound_reward_comes_before_what_the_policy_earns(shipped):
    from outgrow.audit.audit import problems_to_audit, try_reward
    from outgrow.core.callbacks import never_stop

    recipe = load_recipe("micro", ['rewards=[{type="format"}]'])
    reward = try_reward(recipe, shipped, problems_to_audit(recipe, 2, 0, print), never_stop)
    assert conclude(recipe, shipped, NO_PROBLEMS, reward, samples(*["rw"] * 9)).verdict is AuditVerdict.FIX_REWARD
    assert conclude(recipe, shipped, NO_PROBLEMS, reward, None).verdict is AuditVerdict.FIX_REWARD
    assert conclude(recipe, shipped, NO_PROBLEMS, SOUND, None).verdict is AuditVerdict.NOT_SAMPLED


# The record and the commands

OUTSIDE = """
from outgrow.algorithms.rewards import Reward

class Mine(Reward):
    def compute(self, group):
        return [float(group.problem.answer in rollout.text) for rollout in group.rollouts]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "rewards_of_mine", raising=False)
    (tmp_path / "rewards_of_mine.py").write_text(OUTSIDE)
    return tmp_path


def key(*overrides):
    return digest_of(audit_key(load_recipe("micro", list(overrides))))


def test_what_decides_an_audit(here):
    first = key()
    for same in (["learn.steps=3"], ["name=other"], ["seed=9"], ["policy.lora={rank=2}"], ["evaluate.samples=1"]):
        assert key(*same) == first, same
    table = here / "rows.jsonl"
    table.write_text('{"question":"1","answer":"1"}\n')
    rows = f'problems=[{{type="table",path="{table}"}}]'
    changed = [
        key(rows), key("sampling.max_tokens=80"), key("sampling.temperature=0.5"), key("prompt.system=Think"),
        key("verify.exact=true"), key('verify.extract=["hash"]'), key('rewards=[{type="accuracy",weight=2.0}]'),
        key('rewards=[{type="rewards_of_mine:Mine"}]'),
    ]  # fmt: skip
    table.write_text('{"question":"1","answer":"2"}\n')
    (here / "rewards_of_mine.py").write_text(OUTSIDE.replace("float(", "2 * float("))
    changed += [key(rows), key('rewards=[{type="rewards_of_mine:Mine"}]')]
    assert len({first, *changed}) == 1 + len(changed)


def test_a_new_policy_is_told_apart_by_its_seed(here):
    new = ["policy={init={layers=1,hidden=16,heads=2,kv_heads=1,feed_forward=16}}"]
    assert key(*new, "seed=1") != key(*new, "seed=2")


def test_an_audit_is_of_the_exact_weights(here):
    assert key("engine.weights=int8", "learn.old_logprobs=learner") == key() != key("engine.max_sequences=7")


def test_training_says_what_its_audit_said(here):
    overrides = ["learn.steps=5", "rewards = [{type='format'}]", "seed=3"]
    recipe = load_recipe("micro", overrides)
    assert standing(recipe) is None
    line = audit_line(recipe, "micro", overrides)
    assert line.endswith("""outgrow audit micro --set 'rewards = [{type='"'"'format'"'"'}]'"""), "with what decides, and no more"
    fast = ["engine.weights=int8", "learn.old_logprobs=learner"]
    command = audit_line(load_recipe("micro", fast), "micro", fast).partition("outgrow audit ")[2].split()
    load_recipe("micro", [part for part in command[1:] if part != "--set"])  # it is a recipe
    AUDITS.mkdir(parents=True)
    for verdict in AuditVerdict:
        reasons = ["reason 0; and why", *(f"reason {number}" for number in range(1, 5))]
        record_path(recipe).write_text(json.dumps({"verdict": verdict, "reasons": reasons}))
        assert standing(recipe).verdict is verdict
        line = audit_line(recipe, "micro", overrides)
        if verdict is AuditVerdict.GO:
            assert line is None
        elif verdict is not AuditVerdict.NOT_SAMPLED:
            assert verdict in line and "reason 0" in line and "and why" not in line and "reason 1" not in line
        assert line is None or "\n" not in line
    for torn in ("", "{", "[]", '{"verdict": "perhaps", "reasons": []}'):
        record_path(recipe).write_text(torn)
        assert standing(recipe) is None, torn


def test_a_recipe_whose_input_is_missing_is_left_to_training(here):
    recipe = load_recipe("micro", ["policy.model=./nowhere"])
    with pytest.raises(UsageError, match="nowhere"):
        audit_key(recipe)
    assert audit_line(recipe, "micro", []) is None


def record(here):
    [file] = (here / AUDITS).iterdir()
    return json.loads(file.read_text())


def test_a_run_that_is_refused_is_told_without_advice_on_its_audit(here, outgrow):
    code, printed, complaint = outgrow("train", "micro", "--set", "engine.type=vllm")
    assert (code, printed) == (2, "") and len(complaint.splitlines()) == 1


def test_the_command_on_micro(here, outgrow):
    small = ["--problems", "12", "--samples", "4"]
    code, printed, complaint = outgrow("audit", "micro", *small)
    assert code == 0, complaint
    written = record(here)
    assert written["verdict"] == "go"
    assert written["support"]["k"] == 4 and written["support"]["pass_k"]["n"] == 12
    assert {kind["failures"] for kind in written["reward"]["kinds"]} == {0}
    assert "verdict: go" in printed
    figures = written["support"]["mixed"]
    assert f"{figures['value']:.3f} ({figures['low']:.3f} to {figures['high']:.3f})" in printed
    assert Path(printed.splitlines()[-1]).is_file()
    assert audit_line(load_recipe("micro"), "micro", []) is None
    assert outgrow("audit", "micro", *small)[1].splitlines()[-9:] == printed.splitlines()[-9:]
    code, printed, _ = outgrow("audit", "micro", "--no-samples", *small)
    assert code == 0 and "verdict: not sampled" in printed
    assert record(here) == written, "it says more than that"
    assert "keeps" in printed and "48" in printed
    code, printed, _ = outgrow("audit", "micro", "--problems", "4", "--samples", "2")
    assert record(here)["support"]["k"] == 2
    assert "replaces" in printed and "48" in printed and "8" in printed


def test_the_command_refuses_a_short_limit(here, outgrow):
    code, printed, _ = outgrow("audit", "micro", "--problems", "6", "--samples", "2", "--set", "sampling.max_tokens=12")
    assert (code, record(here)["verdict"]) == (1, "answers are cut")
    assert "sampling.max_tokens" in printed


def test_the_command_finds_a_reward_from_outside_and_sees_when_it_changes(here, outgrow):
    mine = ["--set", 'rewards=[{type="rewards_of_mine:Mine"}]']
    code, printed, _ = outgrow("audit", "micro", "--no-samples", "--problems", "4", *mine)
    assert code == 1
    written = record(here)
    assert (written["verdict"], written["support"]) == ("fix the reward", None)
    thought = next(kind for kind in written["reward"]["kinds"] if kind["kind"] == "the known answer only in the thought")
    assert thought["failures"] == thought["n"] == 4
    assert thought["example"]["parts"] == {"rewards_of_mine:Mine": 1.0}
    assert "pays and should not" in printed and thought["kind"] in printed
    recipe = load_recipe("micro", mine[1::2])
    line = audit_line(recipe, "micro", mine[1::2])
    assert "fix the reward" in line and "never" not in line and len(line) < 250
    assert printed.count(thought["kind"]) == 2, "in the table and with its example"
    assert "group.graded" in printed.partition("verdict: ")[2], "what to change comes last"
    assert thought["example"]["completion"].split()[-1] in printed and "\\\\boxed" not in printed, "raw text"
    (here / "rewards_of_mine.py").write_text(OUTSIDE + "# fixed\n")
    assert standing(recipe) is None
    line = audit_line(recipe, "micro", mine[1::2])
    assert "changed" in line and "fix the reward" in line
    assert "never" in audit_line(load_recipe("micro", ["name=other"]), "micro", ["name=other"])


def test_a_table_is_not_a_recipe(here, outgrow):
    (here / "odd.csv").write_text("question,answer\n1,1\n")
    code, _, complaint = outgrow("audit", "odd.csv")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "odd.csv" in complaint and ".toml" in complaint and "[[problems]]" in complaint and "micro" not in complaint


def test_a_recipe_of_another_kind_is_one_line(outgrow):
    code, _, complaint = outgrow("audit", "micro-base")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "'sft'" in complaint and "micro-base" in complaint
