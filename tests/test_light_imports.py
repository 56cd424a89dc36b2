"""What is wrong in a recipe is told before torch and transformers are imported, which takes longer than reading the recipe."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "scipy")
COMMANDS = [
    ("train", "micro", "--set", "lern.lr=1"),
    ("sft", "micro-base", "--set", "lern.lr=1"),
    ("plan", "micro", "--set", "lern.lr=1"),
    ("plan", "micro-flywheel", "--set", "generatons=1"),
    ("audit", "micro", "--set", "lern.lr=1"),
    ("flywheel", "micro-flywheel", "--set", "student.lern.lr=1"),
    ("eval", "micro-base", "--recipe", "micor"),
    ("generate", "micro-base", "1+1=?", "--recipe", "micor"),
    ("passrate", "micro-base", "micro", "--recipe", "micor"),
    ("judge", "micro-base", "runs/none", "--recipe", "micor"),
    ("data", "micro-base", "micro", "--out", "nowhere", "--set", "data.kk=1"),
]


def imported_by(code: str, *arguments: str) -> tuple[list[str], str, int]:
    """Return the heavy packages that this code imports in a new process, what it printed as an error, and its exit code."""
    tail = f"\nfinally:\n    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    body = "import json, sys\ntry:\n    " + code.replace("\n", "\n    ") + tail
    done = subprocess.run([sys.executable, "-c", body, *arguments], capture_output=True, text=True, check=False)
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr, done.returncode


def test_a_recipe_is_read_without_torch():
    code = "import outgrow.config\nfor name in outgrow.config.shipped_recipes():\n    outgrow.config.raw_recipe(name)\n"
    heavy, complaint, status = imported_by(code + "outgrow.config.load_recipe('micro')\noutgrow.config.load_recipe('micro-judged')")
    assert (heavy, status) == ([], 0), complaint


def test_a_flywheel_is_read_without_torch():
    heavy, complaint, status = imported_by("import outgrow.flywheel\noutgrow.flywheel.load_flywheel('micro-flywheel')")
    assert (heavy, status) == ([], 0), complaint


def test_the_live_pages_need_no_torch():
    """The machine that trains also serves them: torch would be most of their memory."""
    heavy, complaint, status = imported_by("import outgrow.report.live")
    assert (set(heavy) & {"torch", "transformers", "peft"}, status) == (set(), 0), complaint


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0] + command[1])
def test_a_command_says_what_is_wrong_in_its_recipe_first(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heavy, complaint, status = imported_by("import outgrow.cli\noutgrow.cli.main()", *command)
    assert (heavy, status) == ([], 2), complaint
    assert list(tmp_path.iterdir()) == []
