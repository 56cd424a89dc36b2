"""A plan for many GPUs by simulation: which split of 8, 64 and 512 GPUs makes most of them, and what waits for what.

    python benchmarks/scale_sim.py
    python benchmarks/scale_sim.py --gpu H200 --model deepseek-ai/DeepSeek-R1-Distill-Qwen-7B --limit 8192
    python benchmarks/scale_sim.py --lengths runs/NAME    # answers as long, as shares of the limit, as those of a run

What single operations take is by the formulas of `outgrow plan` (arithmetic and bandwidth of the card at its rule-of-thumb
efficiencies; weights to and from other machines by the network), which were not measured on a GPU. Lengths, dealing and waiting are
simulated. `python benchmarks/scale.py` compares the simulation with what processes really take here, with measured costs.
Writes benchmarks/results/scale_sim.json.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from bench import Found, write
from scale_model import Costs, Devices, Group, Step, one_step, run_seconds

from outgrow.core.rollout_log import rollouts_folder
from outgrow.plan.gpus import GPU, Assumptions, load_gpu_catalog
from outgrow.plan.models import KNOWN
from outgrow.plan.shape import Shape, head_parameters, key_value_bytes, layer_parameters, parameters
from outgrow.runs.folder import read_recipe

_STEPS, _PROMPT, _GROUP, _WIDTH = 3, 256, 8, 2  # of a simulation; tokens; rollouts of a problem; bytes of a number (bfloat16)
_ROWS, _PASS = 256, 32 * 1024  # sequences that an actor writes at once; tokens of a micro-batch
_LAUNCHES = 3  # of a forward and a backward pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", default="H100")
    parser.add_argument("--model", default="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", choices=sorted(KNOWN))
    parser.add_argument("--limit", type=int, default=3200, help="tokens of the longest answer")
    parser.add_argument("--lengths", type=Path, help="a run whose rollouts say how long answers are")
    parser.add_argument("--per-gpu", type=int, default=16, help="problems of a step for each GPU, 8 rollouts each")
    chosen = parser.parse_args()
    catalog = load_gpu_catalog()
    gpu = next(each for each in catalog.gpu if each.name == chosen.gpu)
    shape, shares = KNOWN[chosen.model], _of_run(chosen.lengths) if chosen.lengths else _assumed()
    rows = [row for gpus in (8, 64, 512) for row in _plan(gpus, chosen, shape, gpu, catalog.assumptions, shares)]
    best = max(row["rollouts_a_gpu_hour"] for row in rows if row["gpus"] == 8)
    for row in rows:
        row["of_8"] = row["rollouts_a_gpu_hour"] / best
        print(
            f"{row['gpus']:4} GPUs = {row['actors']:3} actors + {row['ranks']:3} ranks, ahead {row['ahead']}: "
            f"{row['seconds']:6.1f} s a step, {row['rollouts_a_gpu_hour']:6.0f} rollouts a GPU hour, "
            f"{row['of_8']:.2f} of 8 GPUs' best; at work: actors {row['writing_share']:.0%}, ranks {row['learning_share']:.0%}"
        )
    assumed = {
        "gpu": gpu.model_dump(),
        "assumptions": catalog.assumptions.model_dump(),
        "model": chosen.model,
        "prompt": _PROMPT,
        "limit": chosen.limit,
        "group": _GROUP,
        "lengths": chosen.lengths.name if chosen.lengths else "uniform from nothing to the limit, one in ten cut there",
        "steps": _STEPS,
    }
    write("scale_sim", [], assumed=assumed, splits=rows)


def _plan(
    gpus: int, chosen: argparse.Namespace, shape: Shape, gpu: GPU, assumptions: Assumptions, shares: Sequence[float]
) -> list[Found]:
    """The best split of so many GPUs, writing ahead and not."""
    draws = random.Random(0)
    drawn = [[_group(draws, chosen.limit, shares) for _ in range(chosen.per_gpu * gpus)] for _ in range(_STEPS)]
    found = []
    for ahead in (False, True):
        ways = [Devices(gpus - ranks, ranks, _ROWS, _PASS, ahead) for ranks in _ranks(gpus)]
        found.append(min((_tried(drawn, way, shape, gpu, assumptions) for way in ways), key=lambda row: row["seconds"]))
    return found


def _ranks(gpus: int) -> list[int]:
    """Ranks that are tried: shares of the GPUs in sixteenths."""
    return sorted({max(1, gpus * part // 16) for part in range(1, 16)})


def _tried(drawn: list[list[Group]], devices: Devices, shape: Shape, gpu: GPU, assumptions: Assumptions) -> Found:
    costs = _costs(shape, gpu, assumptions, devices)
    steps: list[Step] = [one_step(groups, devices, costs) for groups in drawn]
    seconds = run_seconds(steps, devices, costs) / len(steps)
    gpus, rollouts = devices.actors + devices.ranks, len(drawn[0]) * _GROUP
    return {
        "gpus": gpus,
        "actors": devices.actors,
        "ranks": devices.ranks,
        "ahead": int(devices.ahead),
        "seconds": seconds,
        "write": sum(step.write for step in steps) / len(steps),
        "learn": sum(step.learn for step in steps) / len(steps),
        "hand_over": costs.hand_over,
        "rollouts_a_gpu_hour": rollouts / seconds * 3600 / gpus,
        "writing_share": sum(step.write * step.writing_share for step in steps) / len(steps) / seconds,
        "learning_share": sum(step.learn * step.learning_share for step in steps) / len(steps) / seconds,
    }


def _costs(shape: Shape, gpu: GPU, assumptions: Assumptions, devices: Devices) -> Costs:
    """What operations take on a card: full fine-tuning in bfloat16, every layer gathered twice in each micro-batch."""
    bandwidth, rate = gpu.bandwidth_gb_s * 1e9 * gpu.bandwidth_efficiency, gpu.bfloat16_tflops * 1e12 * gpu.rate_efficiency
    used, weights = layer_parameters(shape) + head_parameters(shape), parameters(shape) * _WIDTH
    kept, launches = key_value_bytes(shape, _WIDTH), shape.layers * gpu.launch_ms / 1e3
    inside = devices.ranks <= assumptions.gpus_per_machine
    link = (gpu.link_gb_s if inside else assumptions.network_gb_s) * 1e9 * assumptions.link_efficiency
    passed = 3 * weights * (devices.ranks - 1) / devices.ranks / link
    outside = (gpu.link_gb_s if devices.actors + devices.ranks <= assumptions.gpus_per_machine else assumptions.network_gb_s) * 1e9
    return Costs(
        token=lambda rows, held: max((used * _WIDTH + held * kept) / bandwidth, 2 * used * rows / rate) + launches,
        read=lambda tokens: 2 * layer_parameters(shape) * tokens / rate + launches,
        learn=lambda tokens: 6 * used * tokens / rate + _LAUNCHES * launches + passed,
        call=0.01,
        hand_over=weights * (devices.ranks - 1) / devices.ranks / link + weights / (outside * assumptions.link_efficiency),
    )


def _group(draws: random.Random, limit: int, shares: Sequence[float]) -> Group:
    return _PROMPT, [max(1, round(limit * draws.choice(shares))) for _ in range(_GROUP)]


def _assumed() -> list[float]:
    """Shares of the limit: even up to it, and one answer in ten cut there; the mean is 0.55."""
    return [(index + 0.5) / 90 for index in range(90)] + [1.0] * 10


def _of_run(run: Path) -> list[float]:
    from pyarrow import parquet

    limit = read_recipe(run)[0].sampling.max_tokens
    files = sorted(rollouts_folder(run).glob("*.parquet"))
    return [count / limit for file in files for count in parquet.read_table(file, columns=["length"]).column("length").to_pylist()]


if __name__ == "__main__":
    main()
