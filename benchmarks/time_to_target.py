"""Time to target, ours and TRL's: seconds of training until the pass@1 on held-out problems reaches a target.

    python benchmarks/time_to_target.py micro           # pass@1 0.70, 5 seeds
    outgrow pull smollm2-135m
    python benchmarks/time_to_target.py smollm2-135m    # pass@1 0.20 on arithmetic, 1 seed, 90 minutes a side or less

Ours is the shipped recipe (micro, smollm2-135m-arithmetic) without its validation and checkpoints. TRL's GRPO has the same base,
problems, prompts, end token, checker, temperature, and problems and rollouts a step; loss, scaling of rewards, KL divergence
(none), optimizer and linear schedule are as it ships. Its learning rate is the best of three at a seed that is not reported. It has
the settings that make it fast, as in vs_trl.py. Before training, both sides' rollouts to the same problems must be right equally
often.

The clock counts rollouts, grading and learning. It stands while the policy is measured, by the same code on both sides, every few
steps; loading is not counted. The time is that of the first measurement that reaches the target and is confirmed by a second one
with other draws. A run that does not arrive within the bound counts as the bound, and the table says so.

Each finished run is a line of --folder/WORK.jsonl: a benchmark that was stopped goes on behind the last one. Each run is a process
of its own; sides alternate. Nothing else should run. Writes benchmarks/results/time_to_target_WORK.json.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from bench import Found, in_process, processor, row, write_for_kind
from target_sides import SIDES, WORKS, Work, recipe_of
from vs_trl import ALLOCATOR

from outgrow.core.json_lines import append_line, read_lines

SEEDS = {"micro": (30, 31, 32, 33, 34), "smollm2-135m": (30,)}
MUST, REACH = 4, 8  # of the ratio at micro
SAME = 0.01  # between two measurements of the base with the same draws; only rounding can change a token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--seeds", type=int, help="number of seeds. Default: all of them")
    parser.add_argument("--folder", type=Path, default=Path("runs/time-to-target"), help="where finished runs are kept")
    parser.add_argument("--side", choices=SIDES, help="one run of this side, printed and not kept; with --seed, --rate, --bound")
    parser.add_argument("--seed", type=int, help="seed of the one run")
    parser.add_argument("--rate", type=float, help="TRL's learning rate in the one run")
    parser.add_argument("--bound", type=float, help="seconds of training after which the one run ends")
    chosen = parser.parse_args()
    work = WORKS[chosen.work]
    if chosen.side:
        if chosen.seed is None or (chosen.side == "trl" and chosen.rate is None):
            parser.error("--side needs --seed, and for trl --rate")
        target = replace(work.target, bound=chosen.bound or work.target.bound)
        print(json.dumps(SIDES[chosen.side](work, target, chosen.seed, chosen.rate)))
        return
    runs = Runs(chosen.work, chosen.folder)
    tried = tried_rates(runs, work)
    rate = best_rate(tried)
    print(f"TRL's learning rate: {rate:g}, the best of {len(tried)} at seed {work.tuning_seed}", flush=True)
    bound, pairs = work.target.bound, []
    for seed in SEEDS[chosen.work][: chosen.seeds]:
        pair = {"ours": runs.run("ours", seed, None, bound), "trl": runs.run("trl", seed, rate, bound)}
        before = [run["before"] for run in pair.values()]
        print("pass@1 before training, ours and TRL:", *before, flush=True)
        if abs(before[0] - before[1]) > SAME:
            raise SystemExit("the two sides do not start from the same policy, or are not measured alike")
        pairs.append(pair)
    rows = table(chosen.work, pairs, bound, MUST if chosen.work == "micro" else None)
    write_for_kind(f"time_to_target_{chosen.work}", rows, target=asdict(work.target), trl_rate=rate, tried=tried, runs=pairs)


class Runs:
    """The finished runs in a folder."""

    def __init__(self, work: str, folder: Path) -> None:
        """Raises SystemExit where the folder has runs of another kind of processor."""
        self._work, self._file, self._setup = work, folder / f"{work}.jsonl", setup(WORKS[work])
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = [line for line in read_lines(self._file) if line["setup"] == self._setup]
        if others := {line["processor"] for line in self._lines} - {processor()}:
            there = ", ".join(sorted(others))
            raise SystemExit(f"{self._file} has runs of {there}, and this is {processor()}; give another --folder")

    def run(self, side: str, seed: int, rate: float | None, bound: float) -> Found:
        """Return the finished run of this side, seed and learning rate; do it first where there is none."""
        for line in self._lines:
            if (line["side"], line["seed"], line["asked_rate"]) == (side, seed, rate):
                return line
        options = ["--side", side, "--seed", str(seed), "--bound", str(bound), *(["--rate", str(rate)] if rate else [])]
        found = in_process(str(Path(__file__)), self._work, *options, environment=ALLOCATOR if side == "trl" else None)
        line = {"side": side, "seed": seed, "asked_rate": rate, "setup": self._setup, "processor": processor(), **found}
        append_line(self._file, line)
        self._lines.append(line)
        return line


def setup(work: Work) -> str:
    """Return a digest of all that decides a run, so that one of another recipe, target or version of TRL is not counted."""
    versions = [version(name) for name in ("trl", "transformers", "torch")]
    parts = [asdict(work), recipe_of(work, 0).model_dump(mode="json"), versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def tried_rates(runs: Runs, work: Work) -> list[Found]:
    """Return a run of TRL for each learning rate. A try ends where an earlier one had arrived: it cannot become the best."""
    tried: list[Found] = []
    for rate in work.rates:
        bound = min([work.tuning_bound, *(run["seconds"] for run in tried if run["arrived"])])
        tried.append(runs.run("trl", work.tuning_seed, rate, bound))
    return tried


def best_rate(tried: Sequence[Found]) -> float:
    """Return the learning rate that arrived first; where none did, that of the highest last pass@1."""
    best = min(tried, key=lambda run: (not run["arrived"], run["seconds"] if run["arrived"] else -run["last"]))
    return float(best["rate"])


def table(work: str, pairs: Sequence[dict[str, Found]], bound: float, must: float | None) -> list[Found]:
    """Return the rows of a benchmark's table. pairs: of each seed, both sides' runs."""

    def each(side: str, key: str) -> list[float]:
        return [float(pair[side][key]) for pair in pairs]

    def late(side: str) -> str:
        missing = sum(not pair[side]["arrived"] for pair in pairs)
        return f" ({missing} of {len(pairs)} not there in {bound / 60:g} min, which counts)" if missing else ""

    ratio = [theirs / own for theirs, own in zip(each("trl", "seconds"), each("ours", "seconds"), strict=True)]
    intervals = [run["interval"] / run["trained"] for pair in pairs for run in pair.values()]
    first = row(f"{work}, seconds to target: TRL{late('trl')} / ours{late('ours')}", ratio, must)
    return [
        {**first, "reach": REACH} if must else first,
        row(f"{work}, seconds to target: ours", each("ours", "seconds")),
        row(f"{work}, seconds to target: TRL", each("trl", "seconds")),
        row(f"{work}, steps to target: ours", each("ours", "steps")),
        row(f"{work}, steps to target: TRL", each("trl", "steps")),
        row(f"{work}, of these seconds between the last two measurements, share", intervals),
    ]


if __name__ == "__main__":
    main()
