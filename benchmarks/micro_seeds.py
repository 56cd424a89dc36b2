"""The demo's claim at several seeds, and its control: a Markdown table from finished runs.

for seed in 15 16 17 18 19; do outgrow train micro --set seed=$seed --set run.threads=1 --out runs/micro-$seed; done
for seed in 15 16; do outgrow train micro-random-reward --set seed=$seed --set run.threads=1 --out runs/random-$seed; done
python benchmarks/micro_seeds.py runs/micro-1? runs/random-1? > benchmarks/results/micro-seeds.md
"""

import json
import platform
import sys
import tomllib
from pathlib import Path


def row(run: Path) -> str:
    """One line of the table."""
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    summary = json.loads((run / "summary.json").read_text())
    before, after, delta = summary["before"], summary["after"], summary["paired_delta"]
    low, high = delta["ci95"]
    k = str(before["k"])
    cells = [
        recipe["name"],
        str(recipe["seed"]),
        f"{before['pass@1']:.3f}",
        f"{after['pass@1']:.3f}",
        f"{100 * delta['pass@1']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
        f"{before['greedy']:.3f} → {after['greedy']:.3f}",
        f"{before['pass@k'][k]:.3f} → {after['pass@k'][k]:.3f}",
        str(summary["rollouts"]),
        f"{summary['wall_s']:.0f} ({recipe['run']['threads']})",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    runs = [Path(argument) for argument in sys.argv[1:]]
    summary = json.loads((runs[0] / "summary.json").read_text())["before"]
    made_with = tomllib.loads((runs[0] / "recipe.toml").read_text())["made_with"]
    print("# The recipe micro at several seeds\n")
    print(f"{summary['n']} held-out test problems × {summary['k']} samples at temperature 1. The change in pass@1 is in points,")
    print(f"paired by problem, with its 95% bootstrap interval. {platform.machine()} CPU, Python {made_with['python']}, torch")
    print(f"{made_with['torch']}, transformers {made_with['transformers']}; base sha256 {made_with['base_sha256'][:12]}….\n")
    print(f"| recipe | seed | before | after | change, points | greedy | pass@{summary['k']} | rollouts | seconds (threads) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for run in runs:
        print(row(run))


if __name__ == "__main__":
    main()
