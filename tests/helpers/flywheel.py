"""A tiny flywheel for tests: its recipe with its problems, and a progress that keeps what it is told."""

import json
from pathlib import Path

from outgrow.flywheel.lineage import Artifact
from outgrow.train.watcher import SilentWatcher

RUN = """
run.threads = 1
sampling.max_tokens = 8
evaluate.every = 0
evaluate.validation = "{held}"
"""
PROBLEMS = 'problems = [{{ type = "table", path = "{train}", solution = "solution", level = "level" }}]\n'
SFT = "learn = {{ steps = 40, batch_size = 16, lr = 1e-2 }}\n"
RL = "learn = {{ steps = 3, problems_per_step = 4, group_size = 3 }}\n"
FLYWHEEL = (
    """
kind = "flywheel"
name = "tiny"
generations = 2
patience = 2
suite = "{held}"
samples = 2
seed = 3

[data]
k = 4

[teacher_base]
recipe = "micro-base"
policy.init = {{ layers = 1, hidden = 48, heads = 2, kv_heads = 1, feed_forward = 64 }}
"""
    + RUN
    + PROBLEMS
    + SFT
    + """
[teacher]
recipe = "micro"
policy.lora = {{ rank = 2 }}
"""
    + RUN
    + PROBLEMS
    + RL
    + """
[base]
recipe = "micro-base"
policy.init = {{ layers = 1, hidden = 32, heads = 2, kv_heads = 1, feed_forward = 48 }}
"""
    + RUN
    + PROBLEMS
    + SFT
    + """
[student]
recipe = "micro"
judge = {{ rubric = "{{question}}{{completion}}", max_tokens = 24, max_unscored = 0.99 }}
rewards = [{{ type = "hero" }}]
"""
    + RUN
    + PROBLEMS
    + RL
    + """
[judge]
recipe = "micro-base"
evaluate.suite = "{held}"
evaluate.samples = 1
run.threads = 1
sampling.max_tokens = 24
problems = [{{ type = "judgements", rubric = "{{question}}{{completion}}" }}]
"""
    + SFT
)


def write_flywheel(folder: Path) -> Path:
    """Write a flywheel's recipe, and problems that ask whether a number is even, so that a guess is right half of the time."""
    rows = [{"question": f"{n}?", "answer": str(1 + n % 2), "solution": "ab"[n % 2], "level": 1 + n // 100} for n in range(10, 200)]
    parts = {"held": rows[::5], "train": [row for place, row in enumerate(rows) if place % 5]}
    for name, part in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    path = folder / "tiny.toml"
    path.write_text(FLYWHEEL.format(**{name: folder / f"{name}.jsonl" for name in parts}))
    return path


class RecordedStages(SilentWatcher):
    """Keeps the lines about stages."""

    def __init__(self):
        self.lines = []

    def stage(self, text):
        self.lines.append(text)


def artifact(name, generation, stage, kind="model"):
    return Artifact(name, "d" * 64, kind, generation, stage, 0.0)
