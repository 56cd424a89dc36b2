"""The library: its doctests, what it imports, what it never does, and that it gives what the command line gives."""

import doctest
import importlib
import inspect
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import outgrow
from outgrow.core.json_lines import read_lines
from outgrow.evaluate.evaluation import Evaluation
from outgrow.runs.folder import RunFolder
from outgrow.train.loop import train as train_loop

MODULES = ["outgrow", *(f"outgrow.library.{name}" for name in ("grade", "measurement", "recipe", "run"))]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Changes of a recipe that make a run of seconds."""
    held_out = tmp_path_factory.mktemp("short") / "held-out.jsonl"
    held_out.write_text(
        "\n".join(json.dumps({"question": f"{a}+{b}=?", "answer": str(a + b)}) for a in (12, 31) for b in range(3, 9))
    )
    return {
        "learn": {"steps": 2, "problems_per_step": 4, "group_size": 4},
        "evaluate": {"every": 0, "samples": 2, "suite": str(held_out), "validation": str(held_out)},
        "run": {"threads": 1, "checkpoint_every": 1},
    }


@pytest.mark.parametrize("module", MODULES)
def test_doctests(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted >= 2 and found.failed == 0


def python(script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(outgrow.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_else_of_it():
    heavy = ("outgrow.", "torch", "transformers", "pydantic")
    script = f"import sys, outgrow; print([name for name in sys.modules if name.startswith({heavy})])"
    assert python(script).strip() == "[]"
    assert "torch" not in python("import outgrow, sys; outgrow.verify; print(*sys.modules)").split()


@pytest.mark.parametrize("first", ["outgrow.train", "import outgrow.train.loop"])
def test_a_room_and_the_function_of_its_name_are_both_there(first):
    script = (
        f"import outgrow; {first}; import outgrow.train.loop as loop; import outgrow.verify.verifier, inspect\n"
        "from outgrow import train; from outgrow.library import train as function; from outgrow.library import verify\n"
        "assert train is outgrow.train and outgrow.train.loop is loop and inspect.signature(train) == inspect.signature(function)\n"
        "assert outgrow.verify('7', 7) == verify('7', 7) and outgrow.verify.Verifier is outgrow.verify.verifier.Verifier\n"
    )
    python(script)


def test_everything_that_is_offered_is_there_typed_and_documented():
    assert set(outgrow.__all__) <= set(dir(outgrow))
    for name in outgrow.__all__:
        offered = getattr(outgrow, name)
        assert offered.__doc__ or name == "Recipe", name
    for name in ("evaluate", "load", "load_run", "resume", "train", "verify"):
        signature = inspect.signature(getattr(outgrow, name))
        assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values()), name
        assert signature.return_annotation is not inspect.Signature.empty
    with pytest.raises(AttributeError, match="'tarin'"):
        outgrow.tarin  # noqa: B018
    assert (Path(outgrow.__file__).parent / "py.typed").is_file()


# Recipes


def test_a_recipe_by_each_of_its_forms_is_the_same(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "micro"\nname = "mine"\n[learn]\nsteps = 7\n')
    recipe = outgrow.load(file)
    assert outgrow.load(str(file)) == recipe == outgrow.load({"extends": "micro", "name": "mine", "learn": {"steps": 7}})
    assert (
        outgrow.load("micro", name="mine", learn={"steps": 7})
        == recipe
        == outgrow.load("micro", **{"name": "mine", "learn.steps": 7})
    )
    assert outgrow.load(outgrow.load("micro"), name="mine", learn={"steps": 7}) == recipe == outgrow.load(recipe)


def test_changes_touch_nothing_that_was_given():
    given = {"extends": "micro", "learn": {"steps": 7}}
    before = json.dumps(given)
    assert outgrow.load(given, learn={"lr": 1e-4}, rewards=[{"type": "accuracy"}]).learn.steps == 7
    assert json.dumps(given) == before


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("mirco", {}, "'mirco'.*'micro'"),
        ("micro", {"lern": {"steps": 1}}, "'lern.steps'.*'learn.steps'"),
        ("micro", {"learn.lr": -1}, "learn.lr"),
        ({"name": "x"}, {}, "policy"),
        ("micro-flywheel", {}, "flywheel"),
    ],
)
def test_a_wrong_recipe_is_a_usage_error(recipe, changes, said):
    with pytest.raises(outgrow.UsageError, match=said) as refused:
        outgrow.load(recipe, **changes)
    assert "\n" not in str(refused.value)


# Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory, short):
    """A run of the library, and what was printed and logged."""
    path = tmp_path_factory.mktemp("library") / "run"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        result = outgrow.train("micro", path, **short)
    return result, out.getvalue() + err.getvalue()


def test_a_run_is_silent_and_says_what_its_files_say(run):
    result, printed = run
    assert printed == ""
    files = RunFolder(result.path)
    before, after = (Evaluation.load(files.evaluation(when)).pass_rates() for when in ("before", "after"))
    n = len(before)
    assert result.finished and (result.before.n, result.after.n, result.change.n) == (n, n, n)
    assert result.before.value == pytest.approx(sum(before.values()) / n) and result.after.value == pytest.approx(
        sum(after.values()) / n
    )
    assert result.change.value == pytest.approx(result.after.value - result.before.value)
    assert result == outgrow.load_run(result.path) == outgrow.resume(result.path)
    assert files.report.is_file() and outgrow.load(result.path).learn.steps == 2


def test_the_library_trains_to_the_bytes_of_the_loop(run, tmp_path, short):
    recipe = outgrow.load("micro", **short)
    train_loop(recipe, tmp_path / "loop", outgrow.SilentWatcher())
    same = [RunFolder(path).metrics.read_bytes() for path in (run[0].path, tmp_path / "loop")]
    assert same[0] == same[1]


def test_a_budget_ends_a_run_that_resume_continues(run, tmp_path, short):
    stopped = outgrow.train("micro", tmp_path / "run", budget_hours=0.0, **short)
    assert not stopped.finished and stopped.change is None and (stopped.path / "report.html").is_file()
    steps = []

    class Steps(outgrow.SilentWatcher):
        def step(self, result, spent):
            steps.append(result.metrics["step"])

    finished = outgrow.resume(stopped.path, watcher=Steps())
    assert steps == [1, 2] and finished.change == run[0].change
    assert read_lines(finished.path / "metrics.jsonl") == read_lines(run[0].path / "metrics.jsonl")


def test_a_folder_that_is_taken_is_a_usage_error(run, short):
    with pytest.raises(outgrow.UsageError, match="already exists"):
        outgrow.train("micro", run[0].path, **short)


def test_ctrl_c_saves_the_run_and_is_ctrl_c(tmp_path, short):
    class Stops(outgrow.SilentWatcher):
        def step(self, result, spent):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        outgrow.train("micro", tmp_path / "run", watcher=Stops(), **short)
    assert outgrow.resume(tmp_path / "run").finished


def test_a_run_trains_in_a_thread(tmp_path, short):
    found = []
    thread = threading.Thread(target=lambda: found.append(outgrow.train("micro", tmp_path / "run", **short)))
    thread.start()
    thread.join()
    assert found and found[0].finished


def test_what_a_person_should_read_goes_to_the_logger(tmp_path, caplog, short):
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(json.dumps({"question": f"{a}+3=?", "answer": str(a + 3)}) for a in range(2, 5)))
    with caplog.at_level(logging.WARNING, "outgrow"):
        outgrow.train("micro", tmp_path / "run", problems=[{"type": "table", "path": str(few)}], **{**short, "learn.steps": 1})
    assert any("problems_per_step=4" in record.getMessage() for record in caplog.records)


# Measuring and grading


@pytest.fixture
def command(request):
    """The fixture of the command line; its name is the package's here."""
    return request.getfixturevalue("outgrow")


def test_a_measurement_is_that_of_the_command(command, tmp_path):
    file = tmp_path / "samples.parquet"
    code, _, complaint = command(
        "eval", "micro-base", "--on", "micro-validation", "--samples", "2", "--limit", "9", "--fresh", "--out", file
    )
    assert code == 0, complaint
    measured = outgrow.evaluate("micro-base", "micro-validation", samples=2, limit=9)
    assert list(measured.samples) == Evaluation.load(file).samples
    assert measured.pass_at_1.n == 9 and measured.greedy.value == measured.summary["greedy"]


def test_a_run_is_measured_as_its_recipe_says(run, short):
    measured = outgrow.evaluate(run[0], short["evaluate"]["suite"])
    after = Evaluation.load(RunFolder(run[0].path).evaluation("after"))
    assert list(measured.samples) == after.samples
    with pytest.raises(outgrow.UsageError, match="uses its own recipe"):
        outgrow.evaluate(run[0], "micro-validation", recipe="micro")


@pytest.mark.parametrize(
    ("model", "problems", "said"),
    [("micro-bse", "micro", "micro-bse"), ("micro-base", "mirco", "'micro'"), ("micro-base", [], "no problems")],
)
def test_what_cannot_be_measured_is_a_usage_error(model, problems, said):
    with pytest.raises(outgrow.UsageError, match=said):
        outgrow.evaluate(model, problems)


@pytest.mark.parametrize(
    ("output", "answer", "how", "verdict"),
    [
        (r"\boxed{7}", 7, {}, "right"),
        (r"\boxed{7}", "3 and 4.\n#### 7", {}, "right"),
        (r"\boxed{7}", 8, {}, "wrong"),
        ("The answer is 7.", "7", {"extract": "boxed"}, "no answer"),
        ("The answer is 7.", "7", {"extract": ["boxed", "phrase"]}, "right"),
        (r"\boxed{1,000}", "1000", {"exact": True}, "wrong"),
        (r"\boxed{7}", "7", {"finished": False}, "truncated"),
        (r"\boxed{seven}", ["7", "seven"], {}, "right"),
        (r"\boxed{7}", outgrow.Problem("a", "sum", 1, "3+4=?", "8", alternatives=("7",)), {}, "right"),
    ],
)
def test_an_output_is_graded(output, answer, how, verdict):
    assert outgrow.verify(output, answer, **how).verdict.value == verdict


def test_what_cannot_be_graded_is_a_usage_error():
    with pytest.raises(outgrow.UsageError, match=r"'bxoed'.*'boxed'"):
        outgrow.verify("7", "7", extract="bxoed")
    with pytest.raises(outgrow.UsageError, match="'N/A'"):
        outgrow.verify("7", "N/A")


def problem(name, question="2+3=?"):
    """Return a problem with this id."""
    return outgrow.Problem(id=name, field="sums", level=1, question=question, answer="5")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"samples": 0}, "samples=0"),
        ({"samples": 1.5}, "samples=1.5"),
        ({"max_tokens": -3}, "max_tokens=-3"),
        ({"limit": 0}, "limit=0"),
        ({"temperature": 0}, "temperature=0"),
        ({"temperature": -1.0}, "-1.0"),
        ({"temperature": float("nan")}, "nan"),
        ({"temperature": float("inf")}, "inf"),
        ({"problems": [problem("a"), problem("a", "1+4=?")]}, "'a'"),
        ({"problems": [{"question": "2+3=?", "answer": "5"}]}, "outgrow.Problem"),
    ],
)
def test_a_setting_that_would_measure_something_else_is_a_usage_error(settings, said):
    with pytest.raises(outgrow.UsageError, match=said):
        outgrow.evaluate("micro-base", **{"problems": [problem("a")], **settings})


@pytest.mark.parametrize("budget", [{"budget_hours": float("nan")}, {"budget_hours": -1}, {"budget_usd": "5"}])
def test_a_budget_that_is_no_amount_is_a_usage_error(budget, tmp_path):
    with pytest.raises(outgrow.UsageError, match=next(iter(budget))):
        outgrow.train("micro", tmp_path / "run", **budget)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "call", [lambda: outgrow.load(3), lambda: outgrow.verify(None, 7), lambda: outgrow.verify("7", 7, extract=[])]
)
def test_what_is_of_another_kind_is_a_usage_error(call):
    with pytest.raises(outgrow.UsageError):
        call()
