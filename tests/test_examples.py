"""The examples run, and the one that teaches the loop does what the loop does."""

import importlib.util
import json
from pathlib import Path

from outgrow.config import load_recipe
from outgrow.core.json_lines import read_lines
from outgrow.train.loop import train
from outgrow.train.watcher import SilentWatcher

EXAMPLES = Path(__file__).parents[1] / "examples"
STEPS = 3


def test_one_file_computes_the_metrics_of_the_library(tmp_path):
    spec = importlib.util.spec_from_file_location("grpo_in_one_file", EXAMPLES / "grpo_in_one_file.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    small = [f"learn.steps={STEPS}", "learn.problems_per_step=16", "learn.group_size=4", "problems=[{type='micro',per_level=5}]"]
    small += ["evaluate.suite=held-out", "evaluate.samples=1", "run.threads=1"]
    recipe = load_recipe("micro", [*example.RECIPE, *small])
    train(recipe, tmp_path / "run", SilentWatcher())
    library = read_lines(tmp_path / "run" / "metrics.jsonl")
    one_file = list(example.grpo(recipe, STEPS, tmp_path))
    assert one_file == [{name: row[name] for name in one_file[0]} for row in library], "equal to the last bit"
    assert len(one_file) == STEPS
    assert len((EXAMPLES / "grpo_in_one_file.py").read_text(encoding="utf-8").splitlines()) <= 150, "the README says so"
    assert len({row["train/loss"] for row in one_file}) == STEPS


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    """As it stands, but for few problems to measure: 678 take most of a minute."""
    notebook = json.loads((EXAMPLES / "demo.ipynb").read_text(encoding="utf-8"))
    cells = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    settings = 'f"learn.steps={steps}"'
    assert cells.count(settings) == 1
    few = '"evaluate.suite=micro-validation", "evaluate.samples=1", "evaluate.every=0"'
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTGROW_DEMO_STEPS", "2")
    exec(cells.replace(settings, f"{settings}, {few}"), {"__name__": "__main__"})
    assert (tmp_path / "runs" / "notebook" / "report.html").is_file()
    assert capsys.readouterr().out.count("pass@1") == 2
