"""How long the pages of `outgrow serve` take over a run of a million rollouts: python benchmarks/serve.py

4,000 steps of 32 problems × 8 rollouts are made up in a temporary folder. The limit each page stands beside is one second.
"""

import random
import statistics
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import uvicorn

from outgrow.config import dump_recipe, parse_recipe
from outgrow.core.files import write_lines
from outgrow.core.rollout_log import write_part
from outgrow.report.live import application

STEPS, PROBLEMS, SAMPLES, ROUNDS, PORT = 4000, 32, 8, 5, 8377
VERDICTS = ("right", "wrong", "truncated", "no answer")
PAGES = {
    "list of runs": "/",
    "curves": "/runs/million",
    "rollouts of a step": "/runs/million/rollouts?step=2000",
    "rollouts of a step, searched": "/runs/million/rollouts?step=2000&q=0.12",
    "rollouts of a problem, wrong": "/runs/million/rollouts?problem=sum:77&verdict=wrong",
    "practised problems": "/runs/million/problems?of=practised",
    "practised problems, searched": "/runs/million/problems?of=practised&q=9999&turn=never",
}


def make(run: Path) -> None:
    rng = random.Random(0)
    run.mkdir(parents=True)
    recipe = parse_recipe({"name": "million", "policy": {"model": "micro-base"}, "learn": {"steps": STEPS}})
    (run / "recipe.toml").write_text(dump_recipe(recipe, {"made_with": {}}))
    write_lines(
        run / "metrics.jsonl",
        [{"step": s, "rollouts/pass_rate": rng.random(), "reward/total": rng.random()} for s in range(1, STEPS + 1)],
    )
    for step in range(1, STEPS + 1):
        write_part(
            run, step, [row(rng, step, problem, s) for problem in rng.sample(range(100_000), PROBLEMS) for s in range(SAMPLES)]
        )


def row(rng: random.Random, step: int, problem: int, sample: int) -> dict[str, object]:
    return {
        "step": step,
        "problem_id": f"sum:{problem}", "field": ("sum", "clock")[problem % 2], "level": problem % 5, "sample": sample,
        "question": f"What is {problem} plus {problem // 7}?",
        "completion": f"Let me think about {problem}. " * 12 + str(rng.random()),
        "verdict": rng.choice(VERDICTS), "extracted": None, "answer": str(problem), "length": rng.randint(5, 300),
        "reward": rng.random(), "reward_accuracy": 0.0, "advantage": 0.1,
    }  # fmt: skip


def seconds(path: str) -> tuple[float, str]:
    started = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}") as answer:
        body = answer.read().decode()
    return time.perf_counter() - started, body


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "million")
        server = uvicorn.Server(uvicorn.Config(application(Path(folder)), port=PORT, log_level="error"))
        threading.Thread(target=server.run, daemon=True).start()
        time.sleep(2)
        reading = []
        while True:
            spent, body = seconds("/runs/million/rollouts")
            reading.append(spent)
            if "data-reading" not in body:
                break
        print(f"while the run is being read: {len(reading)} pages, the longest {max(reading):.2f} s, {sum(reading):.1f} s in all")
        for name, path in PAGES.items():
            times = [seconds(path)[0] for _ in range(ROUNDS)]
            print(f"{name:32} first {times[0]:.2f} s, median {statistics.median(times):.3f} s, longest {max(times):.2f} s")
        server.should_exit = True
        time.sleep(1)


if __name__ == "__main__":
    main()
