r"""Every task of reasoning-gym: drawn the same everywhere, graded by its own scorer, and no answer executes anything."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from helpers.runs import Silent
from outgrow.config import load_recipe, parse_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines
from outgrow.problems.overlap import fold
from outgrow.problems.reasoning_gym import ReasoningGym
from outgrow.problems.suites import suite
from outgrow.train.loop import train
from outgrow.types import Verdict
from outgrow.verify import Attempt, Verifier
from outgrow.verify.pool import LIMIT_S

# reasoning-gym gives no answer of its own to these; where one is easily made, `solved` makes it.
WITHOUT_ANSWER = {"graph_color", "rubiks_cube", "boxnet", "rush_hour", "propositional_logic"}
# Its scorer (0.1.25) takes any text, so the known answer is compared instead.
WITHOUT_SCORER = {"game_of_life_halting"}
# Its scorer raises on what is no product of whole numbers, which is told as a failure of the verifier.
RAISES = {"prime_factorization"}


@pytest.fixture(scope="module")
def problems():
    """Two training problems of every task, by task."""
    from reasoning_gym.factory import DATASETS

    tasks = sorted(set(DATASETS) - {"composite"})
    assert len(tasks) == 105
    return {task: ReasoningGym(task=task, count=2).load() for task in tasks}


@pytest.fixture(scope="module")
def verifier():
    with Verifier() as verifier:
        verifier._scorers._size = 1  # a process takes seconds to start
        yield verifier


def verdicts(verifier, *pairs):
    """Of (problem, answer) pairs."""
    attempts = [Attempt(f"so \\boxed{{{answer}}}.", problem.answer, scorer=problem.scorer) for problem, answer in pairs]
    return [one.verdict for one in verifier.grade(attempts)]


def entry(problem):
    """reasoning-gym's item behind a problem."""
    import ast

    return ast.literal_eval(json.loads(problem.scorer)["entry"])


def test_every_task_takes_its_right_answer_and_no_other(problems, verifier):
    """Also answers of many lines: a box holds them, and so does each extractor that does not stop at a line's end."""
    for task, own in problems.items():
        assert len({problem.id for problem in own}) == 2
        assert all(problem.field == task and problem.question for problem in own)
        assert all(bool(problem.answer) == (task not in WITHOUT_ANSWER) for problem in own)
        assert all(bool(problem.scorer) == (task not in WITHOUT_SCORER) for problem in own)
    every = [problem for own in problems.values() for problem in own]
    answered = [problem for problem in every if problem.answer]
    graded = verdicts(verifier, *((problem, problem.answer) for problem in answered))
    assert [p.field for p, verdict in zip(answered, graded, strict=True) if verdict is not Verdict.RIGHT] == []
    assert set(verdicts(verifier, *((problem, "") for problem in every))) == {Verdict.NO_ANSWER}
    for wrong in ("nothing", problems["zebra_puzzles"][0].answer + "x"):
        graded = verdicts(verifier, *((problem, wrong) for problem in every))
        told = {p.field: verdict for p, verdict in zip(every, graded, strict=True) if verdict is not Verdict.WRONG}
        assert set(told) <= RAISES and Verdict.RIGHT not in told.values()


def test_a_problem_without_a_known_answer_is_scored(problems, verifier):
    """Graph colouring and the cube: solutions made here."""
    for problem in problems["graph_color"]:
        puzzle = entry(problem)["metadata"]["puzzle"]
        colouring = coloured(puzzle["vertices"], [tuple(edge) for edge in puzzle["edges"]], puzzle["color_options"])
        assert verdicts(verifier, (problem, json.dumps(colouring))) == [Verdict.RIGHT]
        colouring = dict.fromkeys(colouring, puzzle["color_options"][0])
        assert verdicts(verifier, (problem, json.dumps(colouring))) == [Verdict.WRONG]
    for problem in problems["rubiks_cube"]:
        moves = entry(problem)["metadata"]["scramble_moves"].split()
        undone = " ".join(move[:-1] if move.endswith("'") else move if move.endswith("2") else f"{move}'" for move in moves[::-1])
        assert verdicts(verifier, (problem, undone)) == [Verdict.RIGHT]


def coloured(vertices, edges, colours):
    """The first colouring, by trying."""

    def extend(done):
        if len(done) == len(vertices):
            return done
        vertex = vertices[len(done)]
        for colour in colours:
            near = [done.get(b if a == vertex else a) for a, b in edges if vertex in (a, b)]
            if colour not in near and (found := extend({**done, vertex: colour})):
                return found
        return None

    return {str(vertex): colour for vertex, colour in extend({}).items()}


def test_other_writings_of_a_right_answer(verifier):
    """reasoning-gym's own scorers know that more than one answer is right; partial credit is none."""
    sums, ladder = ReasoningGym(task="chain_sum", count=1).load()[0], ReasoningGym(task="countdown", count=1).load()[0]
    integral = ReasoningGym(task="simple_integration", count=1).load()[0]
    pairs = [
        (sums, f"{sums.answer}.00"),
        (sums, f"{sums.answer} or so"),
        (ladder, f"(({ladder.answer}))+0"),
        (ladder, f"(({ladder.answer}))"),
        (integral, f"({integral.answer}) + 7/2 + sin(1)**2"),
        (integral, f"({integral.answer})*2"),
    ]
    right, wrong = Verdict.RIGHT, Verdict.WRONG
    assert verdicts(verifier, *pairs) == [right, wrong, wrong, right, right, wrong]


def test_scorers_that_give_too_much_are_corrected(problems, verifier):
    """Each of these gets the full score from reasoning-gym 0.1.25."""
    count = len(json.loads(problems["number_sorting"][0].answer.replace("'", '"')))
    halting = next(problem for problem in problems["game_of_life_halting"])
    given = {problem.id: sorted(entry(problem)["metadata"]["numbers"]) for problem in problems["puzzle24"]}
    assert [1, 2, 3, 4] not in given.values()
    pairs = [
        (problems["puzzle24"][0], "1*2*3*4"),
        (problems["complex_arithmetic"][0], "NaN"),
        (problems["number_sorting"][0], json.dumps([float("nan")] * count)),
        (halting, "False" if halting.answer == "True" else "True"),
        (halting, "anything"),
    ]
    assert verdicts(verifier, *pairs) == [Verdict.WRONG] * 5


def test_verdicts_that_need_no_scorer(problems, verifier):
    known, unknown = problems["gcd"][0], problems["rush_hour"][0]
    texts = [("\\boxed{7", True), ("nothing", True), ("\\boxed{7}", False), ("\\boxed{" + "7" * 30_000 + "}", True)]
    for problem in (known, unknown):
        attempts = [Attempt(text, problem.answer, finished, problem.scorer) for text, finished in texts]
        told = [one.verdict for one in verifier.grade(attempts)]
        assert told == [Verdict.NO_ANSWER, Verdict.NO_ANSWER, Verdict.TRUNCATED, Verdict.WRONG]


ATTACKS = {
    "a command": "__import__('os').system('touch {file}')",
    "a command in a list": "[__import__('os').system('touch {file}')]",
    "a file": "open('{file}','w')",
    "subclasses": "().__class__.__base__.__subclasses__()",
    "a lambda": "(lambda: open('{file}','w'))()",
    "a comprehension": "[x for x in range(10**10)]",
    "a big list": "[0]*10**10",
    "a power tower": "9**9**9",
    "brackets": "[" * 9_000 + "]" * 9_000,
    "brackets past the limit": "(" * 10**5 + "1" + ")" * 10**5,
    "signs": "-" * 9_000 + "1",
    "digits": "9" * 19_000,
    "objects": '{{"a":' * 2_000 + "1" + "}}" * 2_000,
    "megabytes": "A" * 2 * 10**6,
    "a null byte": "\0",
    "not a number": "NaN",
    "infinity": "-1e400",
    "a format": "{{0.__class__.__init__.__globals__}}",
}
# These take the 2 s after which a process is killed, and its successor seconds to start; so each has the tasks that it is made for.
SLOW = {
    "coin_flip": "1e999999999",
    "countdown": "((9**1000)**1000)**1000",
    "simple_integration": "exp(" * 60 + "x" + ")" * 60,
    "propositional_logic": "(" * 9_000 + "A" + ")" * 9_000,
}


def test_no_answer_executes_anything(problems, verifier, tmp_path):
    """Every attack on every task, in one process after the other: nothing is executed, nothing hangs, nothing is right."""
    file = tmp_path / "touched"
    for task, (problem, _) in problems.items():
        answers = [attack.format(file=file) for attack in ATTACKS.values()]
        if task == "propositional_logic":
            answers.remove("[" * 9_000 + "]" * 9_000)
        started = time.monotonic()
        told = verdicts(verifier, *((problem, answer) for answer in answers))
        assert Verdict.RIGHT not in told, task
        assert time.monotonic() - started < len(answers) * (LIMIT_S + 5)
        assert not file.exists(), task
    for task, answer in SLOW.items():
        assert verdicts(verifier, (problems[task][0], answer)) != [Verdict.RIGHT], task
    alive = problems["gcd"][0]
    assert verdicts(verifier, (alive, alive.answer)) == [Verdict.RIGHT]


GUARD = """
import os
from outgrow.sandbox import guard
guard.load()
from sympy import ZZ
from sympy.polys.rings import ring
class Overlooked:
    def __init__(self, use):
        self.use = use
    def score_answer(self, answer, entry):
        try:
            self.use(answer)
        except Exception:
            pass
        return 1.0
def told(use, answer):
    guard.dataset = lambda task, config: Overlooked(use)
    try:
        return guard.Scorer("x", "{}", repr({"question": "", "answer": None})).right(answer)
    except PermissionError:
        return "denied"
print(told(eval, "1+1"), told(exec, "import os"), told(__import__, "wave"), told(open, "/etc/hostname"), told(os.system, "true"))
print(told(lambda names: ring(names, ZZ), "a,b,c,d,e,f,g,h"), told(eval, "1+1"))
"""


def test_a_scorer_that_was_overlooked_fails():
    """It hands the answer to what executes it, and swallows what comes of that. SymPy's own generated code runs."""
    ran = subprocess.run([sys.executable, "-c", GUARD], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["denied"] * 5 + ["True", "denied"]


def test_splits_share_nothing_and_are_the_same_everywhere():
    """Also of tasks that depend on Python's hash seed (polynomial_multiplication) or on a global generator (list_functions)."""
    code = """
import json, sys
from dataclasses import asdict
from outgrow.problems.reasoning_gym import ReasoningGym
tasks = ("gcd", "polynomial_multiplication", "list_functions", "acre")
load = lambda task, split: ReasoningGym(task=task, split=split, count=8).load()
splits = ("train", "validation", "test")
print(json.dumps({f"{task} {split}": [asdict(p) for p in load(task, split)] for task in tasks for split in splits}))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    there = json.loads(ran.stdout)
    for name, problems in there.items():
        task, split = name.split()
        here = [asdict(p) for p in ReasoningGym(task=task, split=split, count=8).load()]
        assert json.loads(json.dumps(here)) == problems
    for task in ("gcd", "polynomial_multiplication", "list_functions", "acre"):
        questions = [{fold(p["question"]) for p in there[f"{task} {split}"]} for split in ("train", "validation", "test")]
        assert [len(held) for held in questions] == [8, 8, 8]
        assert len(set.union(*questions)) == 24


def test_a_longer_list_starts_with_the_shorter_and_global_state_stays():
    random.seed(1), np.random.seed(1)
    expected = random.getstate(), np.random.get_state()[1].tolist()
    few, many = (ReasoningGym(task="pool_matrix", count=count).load() for count in (5, 9))
    assert many[:5] == few
    assert (random.getstate(), np.random.get_state()[1].tolist()) == expected


def test_a_task_that_runs_out_says_so():
    notes = []
    pairs = ReasoningGym(task="gcd", config={"max_value": 5}, count=400).load(notes.append)
    assert 10 <= len(pairs) <= 25, "of 25 pairs, four in five"
    assert notes == [f"gcd: its train split has {len(pairs)} distinct problems, not 400"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"task": "gdc"}, "reasoning-gym has no task 'gdc' (did you mean 'gcd'?)"),
        ({"task": "gcd", "config": {"max_valu": 3}}, "gcd has no setting 'max_valu' (did you mean 'max_value'?)"),
        ({"task": "gcd", "config": {"seed": 3}}, "gcd has no setting 'seed'"),
        ({"task": "gcd", "config": {"max_value": 1}}, "gcd refuses its settings: max_value must be > min_value"),
        ({"task": "gcd", "config": {"max_value": "x"}}, "gcd refuses its settings: "),
        ({"task": "composite"}, "composite mixes tasks"),
    ],
)
def test_wrong_settings_are_one_clear_line(settings, told):
    with pytest.raises(UsageError) as error:
        ReasoningGym(**settings).load()
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_missing_package_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("outgrow.problems.reasoning_gym.find_spec", lambda name: None)
    monkeypatch.setattr("outgrow.problems.reasoning_gym._drawer._child", None)
    with pytest.raises(UsageError, match=r'pip install "outgrow\[reasoning-gym\]"') as error:
        ReasoningGym(task="gcd", count=3).load()
    assert "\n" not in str(error.value)


def test_the_arithmetic_suites_hold_out_different_problems():
    test, validation = suite("arithmetic").load(), suite("arithmetic-validation").load()
    for problems, count in ((test, 130), (validation, 32)):
        assert Counter(problem.field for problem in problems) == dict.fromkeys(("sums", "differences", "products"), count)
        assert max(Counter(problem.answer for problem in problems).values()) < 0.05 * len(problems)  # no answer is worth a guess
    assert not {fold(p.question) for p in test} & {fold(p.question) for p in validation}


def test_a_recipe_of_two_tasks_trains(tmp_path):
    """Two steps with the shipped micro model, from the recipe's text to metrics; a resolved recipe keeps the tasks' settings."""
    sources = [
        {"type": "reasoning_gym", "task": "chain_sum", "config": {"max_terms": 2, "max_digits": 1}, "count": 20},
        {"type": "reasoning_gym", "task": "spell_backward", "count": 20, "weight": 2.0},
    ]
    recipe = load_recipe(
        "micro",
        [
            "learn.steps=2",
            "learn.problems_per_step=4",
            "learn.group_size=2",
            "sampling.max_tokens=16",
            "evaluate.suite=micro-validation",
            "evaluate.samples=1",
            "evaluate.every=0",
            "run.threads=1",
            "problems=" + toml(sources),
        ],
    )
    train(recipe, tmp_path / "run", Silent())
    assert [row["step"] for row in read_lines(tmp_path / "run" / "metrics.jsonl")] == [1, 2]
    kept = parse_recipe({**recipe.model_dump(mode="json", exclude_none=True)}).problems
    assert [source.config for source in kept] == [sources[0]["config"], {}]


def toml(value):
    """Lists, tables and plain values inline."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={toml(held)}" for key, held in value.items()) + "}"
    return "[" + ",".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)
