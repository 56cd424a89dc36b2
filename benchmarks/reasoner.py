"""A trained reasoner, its control and other suites: what they measured, in one file that its page is made from.

    outgrow train qwen2.5-0.5b-gsm8k
    outgrow train qwen2.5-0.5b-gsm8k-control
    outgrow eval runs/qwen2.5-0.5b-gsm8k --on svamp,arc-easy --limit 100 --samples 1 --out after
    outgrow eval MODEL --recipe qwen2.5-0.5b-gsm8k --on svamp,arc-easy --limit 100 --samples 1 --out before
    python benchmarks/reasoner.py runs/qwen2.5-0.5b-gsm8k --control runs/qwen2.5-0.5b-gsm8k-control --suites before after
    outgrow harness MODEL gsm8k_boxed --folder benchmarks/tasks --chat --out harness.json    # then add: --harness harness.json
    python benchmarks/reasoner_page.py

Writes benchmarks/results/qwen2.5-0.5b-gsm8k.json. What is left out is missing in the file, and the page says so.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import RESULTS, Found, write

from outgrow.config import load_recipe
from outgrow.core.estimate import Estimate
from outgrow.evaluate import Evaluation
from outgrow.evaluate.change import Comparison, compare, compared, grid, largest_changes, only
from outgrow.evaluate.sample import Sample
from outgrow.evaluate.statistics import share_estimate
from outgrow.plan import load_gpu_catalog, plan_recipe
from outgrow.report import words
from outgrow.report.analysis import analyze
from outgrow.report.data import RunData, read_run
from outgrow.report.findings import sentences

NAME = "qwen2.5-0.5b-gsm8k"
MARGIN = -0.05
"""A suite is not worse where the whole interval of its change lies above this."""
_TO_95 = 1.96
"""Standard errors from a share to the end of its 95% interval."""
_IN_FULL, _SURPRISES, _WINDOW = 5, 3, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--control", type=Path, help="run with a random reward")
    parser.add_argument("--suites", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="folders of `outgrow eval --out`")
    parser.add_argument("--harness", type=Path, help="what `outgrow harness --out` wrote of the base")
    chosen = parser.parse_args()
    found = _run(read_run(chosen.run))
    found["gpu"] = _on_a_gpu()
    if chosen.control:
        data, control = (read_run(each, visits_too=False) for each in (chosen.run, chosen.control))
        found["control"] = {**_short(control), "run_less_control": _less(control, data), "base_twice": _twice(control, data)}
    if chosen.suites:
        found["suites"] = _suites(*chosen.suites)
        found["found"] = [said for said in found["found"] if not said.startswith("Other suites were not measured")]
    if chosen.harness:
        found["harness"] = _harness(read_run(chosen.run, visits_too=False), json.loads(chosen.harness.read_text())[0])
    write(NAME, [], **found)
    print(RESULTS / f"{NAME}.json")


def _run(data: RunData) -> Found:
    before, after = _ends(data)
    analysis, own = analyze(data), grid(before, after)
    wins, losses = largest_changes(before, after, _SURPRISES)
    return {
        **_short(data),
        "recipe": _shared(data),
        "found": [words.headline(compare(before, after)["pass@1"], before.k), *sentences(data, analysis, own)],
        "levels": [{"steps": level, **asdict(own.cells[None, level])} for level in own.levels],
        "failures": [
            {"kind": str(row.failure), "before_count": row.count_before, "after_count": row.count_after, **asdict(row.shares)}
            for row in analysis.failures
        ],
        "lengths": [{"tokens": part.label, **_two(part.compared)} for part in analysis.by_length],
        "transitions": asdict(analysis.transitions) if analysis.transitions else None,
        "fates": analysis.fates(),
        "course": _course(data),
        "wins": [_pair(change.before, change.after) for change in wins],
        "losses": [_pair(change.before, change.after) for change in losses],
        "examples": _first_answers(before, after),
    }


def _on_a_gpu() -> Found:
    """What `outgrow plan` says of the same run on a rented card."""
    catalog = load_gpu_catalog()
    estimates = plan_recipe(load_recipe(NAME, ["policy.dtype=bfloat16"]), catalog).estimates
    [one] = [each for each in estimates if each.gpu.name == "H100"]
    seconds = one.expected.total
    return {"name": one.gpu.name, "seconds": seconds, "dollars": one.dollars(seconds), "prices": str(catalog.date)}


def _shared(data: RunData) -> str:
    """The run's recipe, with the model's file by its name only."""
    model = data.recipe.policy.model or ""
    return data.recipe_text.replace(model, Path(model).name) if Path(model).is_absolute() else data.recipe_text


def _short(data: RunData) -> Found:
    before, after = _ends(data)
    measures = compare(before, after)
    change = measures["pass@1"]
    return {
        "measures": {name: asdict(each) for name, each in measures.items()},
        "before": asdict(change.before) if change.before else None,
        "after": asdict(change.after) if change.after else None,
        "paired_delta": _delta(change),
        "n": len(before.pass_rates()),
        "samples": before.k,
        "steps": data.steps_done,
        "rollouts": sum(int(count or 0) for count in data.metrics.column("rollouts/count")),
        "seconds": data.seconds(),
        "sessions": len(data.sessions),
    }


def _less(control: RunData, data: RunData) -> Found | None:
    """The run's pass@1 less the control's, after training, on the problems that both were measured on."""
    first, second = (_ends(each)[1].pass_rates() for each in (control, data))
    return _delta(compared(first, only(second, list(first))))


def _twice(control: RunData, data: RunData) -> Found:
    """How alike the base's greedy answers are in the two measurements: in bfloat16 sums depend on how many rows there are."""
    first, second = ({s.problem_id: s for s in _ends(each)[0].samples if s.index == -1} for each in (control, data))
    pairs = [(first[problem], second[problem]) for problem in first]
    return {
        "n": len(pairs),
        "same": sum(one.text == other.text for one, other in pairs),
        "right": [sum(pair[side].right for pair in pairs) for side in (0, 1)],
    }


def _ends(data: RunData) -> tuple[Evaluation, Evaluation]:
    if data.before is None or data.after is None:
        raise SystemExit(f"{data.path}: not measured before and after yet; continue it with `outgrow resume {data.path}`")
    return data.before, data.after


def _delta(change: Comparison) -> Found | None:
    paired = change.change
    return {"pass@1": paired.value, "ci95": [paired.low, paired.high], "n": paired.n} if paired else None


def _two(change: Comparison) -> Found:
    return {"before": asdict(change.before) if change.before else None, "after": asdict(change.after) if change.after else None}


def _course(data: RunData) -> list[Found]:
    """Means of a window of steps."""
    keys = ("rollouts/pass_rate", "rollouts/mean_tokens", "rollouts/truncated_frac", "groups/mixed_frac", "policy/kl_to_reference")
    rows: list[Any] = list(data.metrics)
    parts = [rows[first : first + _WINDOW] for first in range(0, len(rows), _WINDOW)]
    return [
        {
            "from": int(part[0]["step"]),
            "to": int(part[-1]["step"]),
            **{key: sum(row[key] for row in part) / len(part) for key in keys},
        }
        for part in parts
    ]


def _first_answers(before: Evaluation, after: Evaluation) -> list[Found]:
    """The greedy answers to the suite's first problems, not chosen."""
    first, second = ({sample.problem_id: sample for sample in side.samples if sample.index == -1} for side in (before, after))
    return [_pair(first[problem], second[problem]) for problem in list(before.pass_rates())[:_IN_FULL]]


def _pair(before: Sample, after: Sample) -> Found:
    sides = {
        name: {"text": side.text, "verdict": str(side.verdict), "extracted": side.extracted, "tokens": side.length}
        for name, side in (("before", before), ("after", after))
    }
    return {"question": before.question, "answer": before.answer, "steps": before.level, **sides}


def _harness(data: RunData, score: Found) -> Found:
    """The harness's figure of the base, and ours: the greedy answers to as many problems, the first of the suite."""
    before, _ = _ends(data)
    problems = set(list(before.pass_rates())[: score["n"]])
    ours = share_estimate([sample.right for sample in before.samples if sample.index == -1 and sample.problem_id in problems])
    half = _TO_95 * score["error"]
    theirs = Estimate(score["value"], score["value"] - half, score["value"] + half, score["n"])
    return {"task": score["task"], "n": score["n"], "ours": asdict(ours) if ours else None, "harness": asdict(theirs)}


def _suites(before: Path, after: Path) -> list[Found]:
    rows = []
    for file in sorted(before.glob("*.parquet")):
        first, second = Evaluation.load(file), Evaluation.load(after / file.name)
        change = compare(first, second)["pass@1"]
        delta = _delta(change)
        rows.append(
            {
                "suite": file.stem,
                "samples": first.k,
                **_two(change),
                "paired_delta": delta,
                "margin": MARGIN,
                "not_worse": bool(delta and delta["ci95"][0] > MARGIN),
            }
        )
    return rows


if __name__ == "__main__":
    main()
