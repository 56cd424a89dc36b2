"""`outgrow new`: the recipe that it writes is loaded and audited; every mistake is one line, and leaves no file."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from outgrow.cli import new
from outgrow.cli.app import app
from outgrow.config import load_recipe


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with two-digit sums under an odd name."""
    rows = [{"question": f"{10 + number}+{97 - number}=?", "answer": 107} for number in range(20)]
    rows += [{"question": f"{10 + number}+{2 * number}=?", "answer": 10 + 3 * number} for number in range(20)]
    (tmp_path / 'my "sums".jsonl').write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


DATA = ("--data", 'my "sums".jsonl', "--model", "micro-base")


def test_what_it_writes_is_loaded_and_passes_the_audit(folder, outgrow):
    code, printed, _ = outgrow("new", "mine.toml", *DATA)
    assert code == 0
    recipe = load_recipe("mine.toml")
    assert (recipe.name, recipe.policy.model, recipe.verify.extract) == ("mine", "micro-base", ("boxed",))
    assert str(recipe.problems[0].path) == 'my "sums".jsonl'
    seen, _, following = printed.partition("next")
    assert len(seen.splitlines()) <= 14
    assert "40 in" in seen and "numbers 100%" in seen and "micro-base" in seen
    for command in ("audit", "train", "plan"):
        assert f"outgrow {command} mine.toml" in following
    code, printed, _ = outgrow("audit", "mine.toml", "--no-samples", "--problems", "8")
    assert code == 0, printed


def test_a_file_that_exists_stays(folder, outgrow):
    (folder / "mine.toml").write_text("mine")
    code, _, errors = outgrow("new", "mine.toml", *DATA)
    assert (code, len(errors.splitlines())) == (2, 1)
    assert "mine.toml" in errors and "--force" in errors
    assert (folder / "mine.toml").read_text() == "mine"
    assert outgrow("new", "mine.toml", *DATA, "--force")[0] == 0
    assert load_recipe("mine.toml").name == "mine"


def test_a_budget_decides_the_steps(folder, outgrow):
    outgrow("new", "all.toml", *DATA)
    code, printed, _ = outgrow("new", "few.toml", *DATA, "--budget", "9s")
    assert code == 0, printed
    assert 1 <= load_recipe("few.toml").learn.steps <= load_recipe("all.toml").learn.steps
    assert "9 s" in (folder / "few.toml").read_text(), "the budget is the reason"


def test_held_out_problems(folder, outgrow):
    (folder / "test.csv").write_text("question,answer\n1+1=?,2\n10+97=?,107\n")
    code, printed, _ = outgrow("new", "mine.toml", *DATA, "--heldout", "test.csv")
    assert code == 0
    assert "2 problems of test.csv" in printed
    assert load_recipe("mine.toml").evaluate.suite == "test.csv"


MISTAKES = [
    (["mine", *DATA], "mine.toml"),
    (["nowhere/mine.toml", *DATA], "nowhere"),
    (["mine.toml"], "--data"),
    (["mine.toml", "--data", "nothing.jsonl", "--model", "micro-base"], "nothing.jsonl"),
    (["mine.toml", "--data", "nothing", "--model", "micro-base"], "nothing"),
    (["mine.toml", "--data", "notes.txt", "--model", "micro-base"], "notes.txt"),
    (["mine.toml", "--data", "empty.jsonl", "--model", "micro-base"], "empty"),
    (["mine.toml", "--data", "two.jsonl", "--model", "micro-base"], "2 problems"),
    (["mine.toml", "--data", "odd.jsonl", "--model", "micro-base"], "'speech'"),
    (["mine.toml", "--data", "long.jsonl", "--model", "micro-base"], "256"),
    (["mine.toml", "--data", "foreign.jsonl", "--model", "micro-base"], "characters"),
    (["mine.toml", *DATA[:2], "--model", "smollm2-135m"], "outgrow pull smollm2-135m"),
    (["mine.toml", *DATA[:2], "--model", "http://localhost:1/v1"], "http://localhost:1/v1"),
    (["mine.toml", *DATA, "--heldout", "nothing.csv"], "nothing.csv"),
    (["mine.toml", *DATA, "--budget", "soon"], "soon"),
    (["mine.toml", *DATA, "--budget", "1s"], "--budget"),
]


@pytest.mark.parametrize(("arguments", "word"), MISTAKES, ids=lambda value: value if isinstance(value, str) else None)
def test_a_mistake_is_one_line_and_leaves_nothing(folder, outgrow, monkeypatch, arguments, word):
    (folder / "notes.txt").write_text("What is 1 + 1?")
    (folder / "empty.jsonl").write_text("")
    (folder / "two.jsonl").write_text('{"question": "1+1=?", "answer": 2}\n{"question": "1+2=?", "answer": 3}\n')
    (folder / "odd.jsonl").write_text('{"speech": "1+1=?", "reply": 2}\n')
    (folder / "long.jsonl").write_text("".join(f'{{"question": "{number:0300}", "answer": 2}}\n' for number in range(12)))
    (folder / "foreign.jsonl").write_text("".join(f'{{"question": "сумма {number}", "answer": 2}}\n' for number in range(12)))
    monkeypatch.setattr("outgrow.draft.budget._RESERVE", 1e-6 if "1s" in arguments else 0.85)  # no machine does a step in 1 µs
    before = set(os.listdir(folder))
    code, _, errors = outgrow("new", *arguments)
    assert code == 2
    assert len(errors.splitlines()) == 1 and word in errors
    assert set(os.listdir(folder)) == before


def test_it_asks_where_somebody_is_there(folder, monkeypatch):
    monkeypatch.setattr(new, "_is_interactive", lambda: True)
    result = CliRunner().invoke(app, ["new", "mine.toml"], input='my "sums".jsonl\n\nmicro-base\n\n')
    assert result.exit_code == 0, result.output
    assert load_recipe("mine.toml").policy.model == "micro-base"
    assert "smollm2-135m" in result.output, "the default is shown"


def test_a_wrong_place_is_told_before_anything_is_imported(tmp_path):
    code = "import sys\nfrom outgrow.cli import main\nsys.argv = ['outgrow', 'new', 'mine']\ntry: main()\nexcept SystemExit: pass\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, len(done.stderr.splitlines())) == ("False\n", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_told(folder, outgrow):
    name = os.fsdecode(b"sums-\xff.jsonl")
    (folder / name).write_text((folder / 'my "sums".jsonl').read_text())
    code, _, errors = outgrow("new", "mine.toml", "--data", name, "--model", "micro-base")
    assert code == 2 and "UTF-8" in errors
    assert not (folder / "mine.toml").exists()
