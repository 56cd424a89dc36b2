"""A run's folder written by hand for the report's tests, and a page taken apart."""

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from outgrow.config import dump_recipe, parse_recipe
from outgrow.evaluate import Evaluation
from outgrow.evaluate.sample import Sample
from outgrow.ledger import Ledger
from outgrow.types import Problem, Verdict, Visit

K = 8
STEPS = 30


class Page(HTMLParser):
    """A written page taken apart: its elements, its text, its tables and its script blocks."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.tables: list[list[list[str]]] = []
        self.pres: list[str] = []
        self.text = ""
        self._inside = ""
        self._in_cell = False
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", self.text)
        self.tables = [[[cell.strip() for cell in row] for row in rows] for rows in self.tables]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style", "pre"):
            self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))
        elif tag == "pre":
            self.pres.append("")
        elif tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
        elif tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data
        elif self._inside != "style":
            self.text += data
            if self._inside == "pre":
                self.pres[-1] += data
            if self._in_cell:
                self.tables[-1][-1][-1] = self.tables[-1][-1][-1] + data

    def figures(self) -> list[dict[str, Any]]:
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]

    def table(self, first_heading: str) -> dict[str, list[str]]:
        """Row heading -> cells, of the first table whose head begins so."""
        rows = next(rows for rows in self.tables if rows[0][0] == first_heading)
        return {row[0]: row[1:] for row in rows}


def evaluation(chances: dict[int, float], seed: int, text: str = "12=12</think>\\boxed{12}", problems: int = 8) -> Evaluation:
    """Two fields with as many levels as `chances` names; each level's problems are solved with its chance."""
    rng = random.Random(seed)
    samples = []
    for field in ("sum", "clock"):
        for level, chance in chances.items():
            for number in range(problems):
                own = min(1.0, max(0.0, chance + rng.uniform(-0.3, 0.3)))
                for index in range(-1, K):
                    verdict = (
                        Verdict.RIGHT if rng.random() < own else rng.choice([Verdict.WRONG, Verdict.TRUNCATED, Verdict.NO_ANSWER])
                    )
                    extracted = "12" if verdict is Verdict.RIGHT else None
                    place = (f"{field}:{level}:{number}", field, level, f"{field} {number}+{level}=?", "12")
                    samples.append(Sample(*place, index, f"{text} {index}", verdict, extracted, rng.randint(5, 60)))
    return Evaluation(samples)


def write_recipe(run: Path, /, **sections: Any) -> None:
    values = {
        "name": "tiny",
        "policy": {"model": "micro-base"},
        "learn": {"steps": STEPS},
        "run": {"dollars_per_hour": 2.5},
        **sections,
    }
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.toml").write_text(dump_recipe(parse_recipe(values), {"made_with": {"outgrow": "0.1.0"}}), encoding="utf-8")


def write_steps(run: Path, steps: int, extra: dict[str, float] | None = None) -> None:
    rng = random.Random(0)
    metrics, timings = [], [{"step": 0, "evaluation_before": 7.5}]
    for step in range(1, steps + 1):
        look = {"validation/pass_rate": rng.random()} if step % 10 == 1 else {}
        taught = {} if step == 3 else {"train/loss": rng.gauss(0, 0.1), "train/grad_norm": rng.random(), "train/lr": 1e-3}
        shares = {
            name: rng.random() / 4
            for name in (
                "rollouts/truncated_frac",
                "rollouts/no_answer_frac",
                "rollouts/verifier_failed_frac",
                "groups/mixed_frac",
                "train/clipped_low_frac",
                "train/clipped_high_frac",
            )
        }
        gaps = {"train_infer_logprob_gap/mean": 1e-7 * rng.random(), "train_infer_logprob_gap/max": 1e-5}
        rewards = {"reward/total": rng.random(), "reward/accuracy": rng.random(), "reward/format": rng.random()}
        rest = {
            "rollouts/pass_rate": rng.random(),
            "rollouts/mean_tokens": rng.uniform(10, 60),
            "train/entropy": rng.random(),
            "policy/kl_to_reference": rng.random(),
        }
        metrics.append({"step": step, **look, **rest, **shares, **rewards, **gaps, **taught, **(extra or {})})
        timings.append(
            {"step": step, "validation": 0.25, "generation": rng.random(), "verification": 0.01, "learning": rng.random()}
        )
    for name, rows in (("metrics.jsonl", metrics), ("timings.jsonl", timings)):
        (run / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Ledger(run / "ledger.sqlite") as ledger:
        ledger.enter([Problem(f"p{number}", "sum", 1, "1+1=?", "2") for number in range(50)])
        visited = [(step, number) for step in range(1, steps + 1) for number in rng.sample(range(50), 6)]
        ledger.record([Visit(step, f"p{number}", 8, rng.choice([0, 0, 1, 2, 3, 4, 6, 7, 8, 8]), 20.0) for step, number in visited])


def save(run: Path, name: str, found: Evaluation) -> None:
    (run / "evals").mkdir(exist_ok=True)
    found.save(run / "evals" / f"{name}.parquet")
