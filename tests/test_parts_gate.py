"""The gate before chains: parts are asked by themselves, and a field that is shown to be weak closes it."""

import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest

import outgrow.audit.audit as audit_module
from outgrow.audit.answer_form import written_for
from outgrow.audit.audit import conclude, problems_to_audit, sample_policy
from outgrow.audit.parts import part_rates, parts_to_ask, practised_first
from outgrow.audit.record import AUDITS, audit_key
from outgrow.audit.reward_audit import RewardAudit
from outgrow.audit.thresholds import SOLID
from outgrow.audit.verdict import AuditVerdict
from outgrow.cli.audit_line import audit_line
from outgrow.config import load_recipe
from outgrow.core.callbacks import never_stop
from outgrow.engines.chat_model import Answer, WrappedModel
from outgrow.runs.input_digests import digest_of
from outgrow.types import Problem

SOUND = RewardAudit(1, 0, [])
CHAINS = 'problems=[{type="micro-chains",chains=["sum>product","clock>sum"],levels=[2],per_chain=40}]'
WITH_PARTS = CHAINS.replace('"sum>product"', '"sum","product","clock","sum>product"')
CLIMB = "curriculum={type='climb'}"
K = 4


@dataclass(frozen=True)
class Stub(WrappedModel):
    """Gives the known answer a scripted number of times: question -> its answer, and how many of K are right."""

    script: dict[str, tuple[str, int]]

    def conversation(self, question, turns=()):
        return [{"role": "user", "content": question}]

    def answer(self, request, check_stop=never_stop):
        return [
            [self._answer(*self.script[conversation[-1]["content"]], index) for index in range(request.n)]
            for conversation in request.conversations
        ]

    def _answer(self, answer, right, index):
        written = written_for("boxed", answer if index < right else f"{answer}1")
        return Answer(f"</think>{written}" if self.opens_think else written, True, 5)


def scripted(problems, right):
    """right: field -> right answers of K, or of K in turn for one problem after the other; 2 for chains."""
    turn, script = Counter(), {}
    for problem in problems:
        of = right.get(problem.field, 2)
        script[problem.question] = problem.answer, of if isinstance(of, int) else of[turn[problem.field] % len(of)]
        turn[problem.field] += 1
    return script


def audited(shipped, right, *overrides, count=16):
    recipe = load_recipe("micro", [*overrides, 'verify.extract=["boxed"]'])
    problems = problems_to_audit(recipe, count, 0, print)
    script = scripted(problems.asked, right)
    drawn = sample_policy(recipe, shipped, problems, K, print, lambda model: Stub(model, script), never_stop)
    return conclude(recipe, shipped, problems, SOUND, drawn)


def test_parts_are_drawn_from_all_chains_each_once_and_up_to_a_number_of_each_field():
    [source] = load_recipe("micro", [CHAINS]).problems
    chains = source.load()
    every = {part.id: part for chain in chains for part in chain.parts}
    drawn = parts_to_ask(chains, 5, 0)
    assert Counter(part.field for part in drawn) == {"sum": 5, "product": 5, "clock": 5}
    assert len({part.id for part in drawn}) == 15 and all(every[part.id] == part for part in drawn)
    assert {part.id for part in parts_to_ask(chains, 10**6, 0)} == set(every)
    assert {part.id for part in parts_to_ask(chains, 5, 1)} != {part.id for part in drawn}
    assert parts_to_ask(list(every.values()), 5, 0) == []
    assert len(problems_to_audit(load_recipe("micro", [CHAINS]), 9, 0, print).parts) == 15, "half of nine, rounded up"
    assert problems_to_audit(load_recipe("micro"), 9, 0, print).parts == []


def test_a_field_that_is_shown_to_be_weak_closes_the_gate(shipped):
    said = audited(shipped, {"sum": [2, 3, 2, 1], "product": 4, "clock": [4, 3]}, CHAINS)
    assert said.verdict is AuditVerdict.NO_SUPPORT and not said.verdict.opens
    assert {field: rate.n for field, rate in said.parts.items()} == {"sum": 8, "product": 8, "clock": 8}
    assert [said.parts[field].value for field in ("sum", "product", "clock")] == [0.5, 1.0, 0.875], "by hand: 8/16, 1, 7/8"
    assert said.parts["sum"].low < 0.5 < said.parts["sum"].high < SOLID
    rate = said.parts["sum"]
    assert said.reasons[0].startswith("no support yet for chains: sum by itself is right in 50.0%")
    assert f"({100 * rate.low:.1f} to {100 * rate.high:.1f})" in said.reasons[0]
    assert not any(field in " ".join(said.reasons) for field in ("product", "clock"))
    [hint] = re.findall(r"train it first: \[\[problems\]\] (.+)", "\n".join(said.reasons))
    [source] = load_recipe("micro", [f"problems=[{{{hint}}}]"]).problems
    assert {(problem.field, problem.level, len(problem.parts)) for problem in source.load()} == {("sum", 2, 0)}
    assert (said.support.n, said.support.k) == (16, K), "parts are not among the problems of the sample"
    assert said.support.pass_1.value == 0.5


def test_parts_that_are_solved_change_nothing_but_a_line(shipped):
    solved = dict.fromkeys(("sum", "product", "clock"), 4)
    said = audited(shipped, solved, CHAINS)
    recipe = load_recipe("micro", [CHAINS, 'verify.extract=["boxed"]'])
    problems = problems_to_audit(recipe, 16, 0, print)
    script = scripted(problems.asked, solved)
    without = audit_module.AuditProblems(problems.sample, problems.all, 0)
    drawn = sample_policy(recipe, shipped, without, K, print, lambda model: Stub(model, script), never_stop)
    plain = conclude(recipe, shipped, without, SOUND, drawn)
    assert (said.verdict, said.support) == (plain.verdict, plain.support) == (AuditVerdict.GO, plain.support)
    assert said.reasons[:-1] == plain.reasons
    assert all(field in said.reasons[-1] for field in solved) and "80%" in said.reasons[-1]


def test_a_field_near_the_limit_is_named_and_closes_nothing(shipped):
    """Three of four parts right, the fourth never: 0.75, and eight parts cannot show that it is below 0.8."""
    said = audited(shipped, {"sum": [4, 4, 4, 0], "product": 4, "clock": 4}, CHAINS)
    assert said.parts["sum"].value == 0.75 and said.parts["sum"].high >= SOLID
    assert said.verdict is AuditVerdict.GO
    named, near = said.reasons[-2:]
    assert named.startswith("sum by itself is right in 75.0%") and "80%" in near and "--problems" in near
    many = audited(shipped, {"sum": [2, 2, 4, 4, 2], "product": 4, "clock": 4}, CHAINS, count=60)
    assert many.parts["sum"].n == 30 and many.parts["sum"].value == pytest.approx(0.7)
    assert many.verdict is AuditVerdict.NO_SUPPORT, "30 parts show it"


def test_a_recipe_that_climbs_practises_the_parts_first_itself(shipped):
    weak = {"sum": 2, "product": 4, "clock": 4}
    assert audited(shipped, weak, WITH_PARTS).verdict is AuditVerdict.NO_SUPPORT
    said = audited(shipped, weak, WITH_PARTS, CLIMB)
    assert said.verdict is AuditVerdict.GO
    assert "sum by itself is right in 50.0%" in said.reasons[-1] and "climb" in said.reasons[-1]
    assert audited(shipped, weak, CHAINS, CLIMB).verdict is AuditVerdict.NO_SUPPORT, "its source holds no parts"


def test_what_a_climb_practises_first_is_asked_of_every_source_and_level():
    recipe = load_recipe("micro", [CLIMB])
    part = Problem("sum:1", "sum", 1, "1+1=?", "2")
    other = Problem("clock:1", "clock", 1, "?", "3")
    chain = Problem("c", "sum>clock", 1, "?", "3", parts=(part, other))
    assert practised_first(recipe, [[part, other, chain]]) == {"sum", "clock"}
    assert practised_first(recipe, [[part, chain], [other]]) == {"sum"}
    assert practised_first(recipe, [[part, other, chain], [Problem("d", "sum>clock", 2, "?", "3", parts=(part, other))]]) == set()
    unnamed = Problem("c", "riddles", 1, "?", "3", parts=(part, other))
    assert practised_first(recipe, [[part, other, unnamed]]) == set(), "the sampler cannot see what it is made of"
    assert practised_first(load_recipe("micro"), [[part, other, chain]]) == set()


def test_another_verdict_comes_before_the_gate(shipped):
    easy = audited(shipped, {"sum": 2, "product": 4, "clock": 4, "sum>product": 4, "clock>sum": 4}, CHAINS)
    assert easy.verdict is AuditVerdict.TOO_EASY
    assert not any("by itself" in reason for reason in easy.reasons)
    hard = audited(shipped, {"sum": 2, "product": 4, "clock": 4, "sum>product": 0, "clock>sum": 0}, CHAINS)
    assert hard.verdict is AuditVerdict.NO_SUPPORT
    assert hard.reasons[0].startswith("only ") and any("no support yet for chains: sum" in reason for reason in hard.reasons)


def test_part_rates_without_parts_are_none():
    assert part_rates([], []) == {}


@pytest.mark.usefixtures("own_code")
def test_the_command_the_record_and_training_say_it(shipped, outgrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real = audit_module.sample_policy

    def stubbed(recipe, policy, problems, k, warn, wrap, check_stop):
        script = scripted(problems.asked, {"sum": 1, "product": 4, "clock": 4})
        return real(recipe, policy, problems, k, warn, lambda model: Stub(model, script), check_stop)

    monkeypatch.setattr(audit_module, "sample_policy", stubbed)
    small = ["--problems", "8", "--samples", str(K)]
    overrides = [CHAINS, 'verify.extract=["boxed"]']
    sets = [part for override in overrides for part in ("--set", override)]
    code, printed, complaint = outgrow("audit", "micro", *small, *sets)
    assert code == 1, complaint
    [file] = AUDITS.iterdir()
    written = json.loads(file.read_text())
    assert written["verdict"] == "no support"
    assert {field: (rate["value"], rate["n"]) for field, rate in written["parts"].items()} == {
        "sum": (0.25, 4), "product": (1.0, 4), "clock": (1.0, 4)
    }  # fmt: skip
    assert "verdict: no support" in printed and written["reasons"][0] in " ".join(printed.split())
    assert re.search(r"sum by itself +0\.250", printed)
    line = audit_line(load_recipe("micro", overrides), "micro", overrides)
    assert "no support yet for chains: sum by itself is right in 25.0%" in line and "\n" not in line
    code, printed, _ = outgrow("audit", "micro", "--problems", "8", "--samples", "2", *sets)
    assert "replaces" in printed and "32" in printed and "16" in printed, "8 problems x 4 samples, without the parts"


def test_a_sampler_decides_an_audit_only_where_it_climbs():
    def key(*overrides):
        return digest_of(audit_key(load_recipe("micro", list(overrides))))

    assert key() == key("curriculum={type='uniform'}") != key(CLIMB)
    assert key(CLIMB) == key("curriculum={type='climb',solved=0.9}")
