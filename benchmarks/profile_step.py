"""Where the time of our own step goes, by operation: of one call of the engine and of one update.

    outgrow pull smollm2-135m
    python benchmarks/profile_step.py smollm2-135m
    python benchmarks/profile_step.py smollm2-135m --numbers int8

The work is that of vs_trl.py. The second step is profiled (torch.profiler, processor time of the calling thread).
"""

import argparse
from collections.abc import Callable
from typing import Any

from steps import WORKS, ours
from torch.profiler import ProfilerActivity, profile

from outgrow.engines import NativeEngine
from outgrow.train.update import Learner

ROWS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--numbers", choices=("exact", "int8"), default="exact", help="what rollouts are written with")
    chosen = parser.parse_args()
    for owner, method in ((NativeEngine, "generate"), (Learner, "update")):
        setattr(owner, method, profiled_once(getattr(owner, method), f"{owner.__name__}.{method}"))
    ours(WORKS[chosen.work], chosen.numbers)


def profiled_once(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method, whose second call is profiled and told."""
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != 2:
            return method(*arguments, **named)
        with profile(activities=[ProfilerActivity.CPU]) as told:
            result = method(*arguments, **named)
        operations = sorted(told.key_averages(), key=lambda each: -each.self_cpu_time_total)
        whole = sum(each.self_cpu_time_total for each in operations)
        print(f"\n{name}: {whole / 1e6:.3f} s")
        for each in operations[:ROWS]:
            print(f"{each.self_cpu_time_total / whole:6.1%} {each.count:8d} calls  {each.key}")
        return result

    return call


if __name__ == "__main__":
    main()
