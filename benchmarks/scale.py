"""A run of several processes beside a run of one: actors, handing over weights, writing ahead, ranks.

    outgrow pull smollm2-135m
    python benchmarks/scale.py                       # by itself; writes benchmarks/results/scale.avx2.json or so
    python benchmarks/scale.py --rounds 1            # a first look
    python benchmarks/scale.py --side writing --actors 2 --threads 1
    python benchmarks/scale_memory.py --ranks 2      # what the row of memory compares, and how it is measured

Sides alternate, and each is a process of its own. SmolLM2-135M, 8 prompts x 8 rollouts of at most 64 tokens, float32. The
simulation of benchmarks/scale_sim.py is given what one actor takes here, and asked what two and four take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import Found, in_process, row, write_for_kind
from scale_model import Costs, Group, deal, writing_seconds
from steps import TARGETS, WORKS

_MODEL, _GROUP, _TOKENS, _CALL = "smollm2-135m", 8, 64, 16  # _CALL: rollouts of one call to an actor
_ALL = 64  # rollouts of a step: one call, to compute as this process does
_MEMORY = str(Path(__file__).with_name("scale_memory.py"))
_SENT = 5  # times that weights are sent
_STEPS = 4


def writing(actors: int, threads: int, call: int) -> Found:
    """Write the rollouts of a step twice; the second time is taken. actors: 0 for this process. call: rollouts of one call."""
    from outgrow.engines import GenerationRequest, NativeEngineConfig, build_engine
    from outgrow.policy import Sampling, load_policy

    policy = load_policy(_MODEL)
    engine = build_engine(NativeEngineConfig(actors=actors, actor_threads=threads, actor_rows=call))
    _threads(threads)
    try:
        engine.start(policy.spec())
        engine.load_policy(policy, 0)
        prompts = [policy.prompt_ids(question) for question in WORKS[_MODEL].questions]
        seconds, lengths = [], list[list[int]]()
        for turn in range(2):
            seeds = [turn * 100 + index for index in range(len(prompts))]
            began = time.perf_counter()
            groups = engine.generate(GenerationRequest(prompts, _GROUP, Sampling(max_tokens=_TOKENS), seeds))
            seconds.append(time.perf_counter() - began)
            lengths = [[len(rollout.completion_ids) for rollout in group] for group in groups]
    finally:
        engine.close()
    tokens = sum(map(sum, lengths))
    written = [[len(prompt), mine] for prompt, mine in zip(prompts, lengths, strict=True)]
    return {"seconds": seconds[1], "tokens": tokens, "written": written, "rollouts_a_second": len(prompts) * _GROUP / seconds[1]}


def single_calls() -> Found:
    """Seconds of a token by rows, and of reading a prompt, of one thread in this process: what the simulation is given."""
    from outgrow.engines import GenerationRequest, NativeEngine, sync
    from outgrow.policy import Sampling, load_policy

    policy, engine = load_policy(_MODEL), NativeEngine()
    _threads(1)
    sync(engine, policy)
    prompt = policy.prompt_ids(WORKS[_MODEL].questions[0])

    def seconds(rows: int, tokens: int) -> float:
        request = GenerationRequest([prompt] * (rows // _GROUP), _GROUP, Sampling(max_tokens=tokens), list(range(rows // _GROUP)))
        began = time.perf_counter()
        engine.generate(request)
        return time.perf_counter() - began

    seconds(_GROUP, 2)
    found = {}
    for rows in (8, 16):
        short, long = (statistics.median(seconds(rows, tokens) for _ in range(3)) for tokens in (1, 17))
        found[str(rows)] = {"token": (long - short) / 16, "read": short / (rows // _GROUP * len(prompt))}
    return found


def handing_over(actors: int) -> Found:
    """Send all weights, and then those of adapters of rank 16 next to them, to one actor, until it is ready to write with them.

    actors: 0 for an engine in this process, which lays the matrices out for its products just so.
    """
    from outgrow.engines import NativeEngineConfig, build_engine
    from outgrow.policy import Policy, load_policy
    from outgrow.policy.lora import add_adapter
    from outgrow.policy.lora_settings import LoRA

    policy = load_policy(_MODEL)
    cores = os.cpu_count() or 1
    _threads(cores)
    engine = build_engine(NativeEngineConfig(actors=actors, actor_threads=cores))
    try:
        engine.start(policy.spec())
        weights = policy.named_weights()
        whole = _sent(lambda number: engine.load_weights(weights, number))
        adapter = add_adapter(policy.model, LoRA(rank=16, targets=tuple(TARGETS)), 0, _MODEL)
        learner = Policy(policy.model, policy.tokenizer, policy.prompt, adapter)
        few = _sent(lambda number: engine.load_policy(learner, number))
    finally:
        engine.close()
    return {"weights": whole, "adapter": few}


def stepping(ahead: int) -> Found:
    """Steps of a run: in turn in this process on all cores, or ahead with two actors of one thread each."""
    from outgrow.config import load_recipe
    from outgrow.train.loop import train
    from outgrow.train.watcher import SilentWatcher

    ways = ["engine.actors=2", "engine.actor_threads=1", f"engine.actor_rows={_ALL // 2}", "learn.ahead=1", "run.threads=1"]
    settings = [
        f"policy.model={_MODEL}", "policy.lora.rank=16", f"learn.steps={_STEPS}", "learn.problems_per_step=8", "learn.group_size=8",
        "learn.old_logprobs=learner", f"sampling.max_tokens={_TOKENS}", "evaluate.every=0", "evaluate.samples=1",
        "curriculum.type=uniform", f"run.checkpoint_every={_STEPS}",
    ]  # fmt: skip
    with TemporaryDirectory() as folder:
        path, suite = Path(folder) / "run", Path(folder) / "suite.jsonl"
        # What is measured before and after does not count: few problems.
        suite.write_text("".join(json.dumps({"question": f"{n}+{n}=?", "answer": str(2 * n)}) + "\n" for n in range(901, 905)))
        settings.append(f"evaluate.suite={suite}")
        train(load_recipe("smollm2-135m-arithmetic", settings + (ways if ahead else [])), path, SilentWatcher())
        rows = [json.loads(line) for line in (path / "timings.jsonl").read_text().splitlines()]
    steps = [sum(value for name, value in row.items() if name not in ("step", "saving")) for row in rows if row["step"] > 1]
    return {"seconds": statistics.median(steps)}


def _sent(send: object) -> float:
    seconds = []
    for number in range(_SENT + 1):
        began = time.perf_counter()
        send(number)  # type: ignore[operator]
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def _threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def simulated(single: Found, written: list[tuple[int, list[int]]], actors: int, cores: int) -> float:
    """Seconds that the simulation says so many actors of one thread take for these rollouts."""
    slower = max(1.0, actors / cores)
    rows = {int(count): found for count, found in single.items()}
    low, high = sorted(rows)
    slope = (rows[high]["token"] - rows[low]["token"]) / (high - low)
    costs = Costs(
        token=lambda count, held: slower * max(1e-6, rows[low]["token"] + slope * (count - low)),
        read=lambda tokens: slower * rows[high]["read"] * tokens,
        learn=lambda tokens: 0.0,
        call=0.0,
        hand_over=0.0,
    )
    groups: list[Group] = [(prompt, lengths) for prompt, lengths in written]
    calls = [groups[start : start + _CALL // _GROUP] for start in range(0, len(groups), _CALL // _GROUP)]
    takes = [writing_seconds(call, _CALL, costs) for call in calls]
    return max(sum(takes[index] for index in share) for share in deal(takes, actors))


SIDES = {
    "writing": lambda chosen: writing(chosen.actors, chosen.threads, chosen.call),
    "single": lambda chosen: single_calls(),
    "handing-over": lambda chosen: handing_over(chosen.actors),
    "stepping": lambda chosen: stepping(chosen.ahead),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--actors", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--call", type=int, default=_CALL, help=argparse.SUPPRESS)
    parser.add_argument("--ahead", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side](chosen)))
        return
    cores = os.cpu_count() or 1
    rounds: list[Found] = []
    for _ in range(chosen.rounds):
        rounds.append(_round(cores))
        write_for_kind("scale", table(rounds, cores), rounds=rounds)  # a round takes ten minutes, and may be the last one


def table(rounds: list[Found], cores: int) -> list[Found]:
    """Return the figures of these rounds."""

    def each(of: object) -> list[float]:
        return [of(found) for found in rounds]  # type: ignore[operator]

    def beyond(of: str) -> list[float]:
        return each(lambda f: f["handing_over"][of] - f["handed_over_here"][of])

    return [
        row("rollouts a second: 2 actors of one thread / 1", each(lambda f: _ratio(f["two"], f["one"], "rollouts_a_second")), 1.6),
        row(
            "Ray's share of a step: one actor with all cores, less this process",
            each(lambda f: (f["all"]["seconds"] - f["here"]["seconds"]) / f["in_turn"]["seconds"]),
            0.05,
            least=False,
        ),
        row("weights of 135M to an actor, seconds more than to an engine in this process", beyond("weights"), 0.3, least=False),
        row("adapter of rank 16 to an actor, seconds more than to an engine in this process", beyond("adapter"), 0.05, least=False),
        row("weights of 135M to an actor, seconds until it is ready", each(lambda f: f["handing_over"]["weights"])),
        row("adapter of rank 16 to an actor, seconds until it is ready", each(lambda f: f["handing_over"]["adapter"])),
        row(
            "seconds a step: ahead with 2 actors / in turn",
            each(lambda f: _ratio(f["ahead"], f["in_turn"], "seconds")),
            0.85,
            least=False,
        ),
        row(
            "peak memory of a rank, all weights learn: 2 ranks (the larger) / 1",
            each(lambda f: max(f["memory"]["2"]) / f["memory"]["1"][0]),
            0.65,
            least=False,
        )
        | {"reach": 0.55},
        *(
            row(
                f"seconds of writing, {actors} actors: the simulation / measured",
                each(lambda f, side=side, actors=actors: _said(f, side, actors, cores)),
            )
            for side, actors in (("one", 1), ("two", 2), ("four", 4))
        ),
    ]


def _round(cores: int) -> Found:
    def side(*arguments: object) -> Found:
        return in_process(__file__, "--side", *map(str, arguments))

    return {
        "single": side("single"),
        "here": side("writing", "--threads", cores),
        "all": side("writing", "--actors", 1, "--threads", cores, "--call", _ALL),
        "one": side("writing", "--actors", 1),
        "two": side("writing", "--actors", 2),
        "four": side("writing", "--actors", 4),
        "handing_over": side("handing-over", "--actors", 1),
        "handed_over_here": side("handing-over"),
        "in_turn": side("stepping"),
        "ahead": side("stepping", "--ahead", 1),
        "memory": {ranks: in_process(_MEMORY, "--ranks", ranks)["peaks_gb"] for ranks in ("1", "2")},
    }


def _ratio(one: Found, other: Found, name: str) -> float:
    return float(one[name] / other[name])


def _said(found: Found, side: str, actors: int, cores: int) -> float:
    return simulated(found["single"], found[side]["written"], actors, cores) / float(found[side]["seconds"])


if __name__ == "__main__":
    main()
