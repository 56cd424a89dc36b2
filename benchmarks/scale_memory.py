"""The peak memory of each process that learns: one process, or ranks under torchrun (a row of benchmarks/scale.py).

    python benchmarks/scale_memory.py --ranks 2

What is measured: two steps of supervised fine-tuning of SmolLM2-135M, all weights, float32, in microbatches of one short row,
from loading the model to the checkpoint. Left out: what a run measures before and after with an engine, which is a copy of the
weights that rank 0 holds beside its part. Each process reads its own peak at its end: VmHWM of /proc/self/status, which is the
most memory that it has had at once, pages of files that it has read included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SETTINGS = [
    "policy={model='smollm2-135m'}", "learn.steps=2", "learn.batch_size=2", "learn.tokens_per_microbatch=1", "run.threads=1",
]  # fmt: skip


def peaks(ranks: int) -> list[float]:
    """Return the peak of each process, in GB."""
    with TemporaryDirectory() as folder:
        command = [sys.executable]
        if ranks > 1:
            command += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        subprocess.run([*command, __file__, "--ranks", str(ranks), "--folder", folder], stdout=sys.stderr, check=True)
        return [float((Path(folder) / f"peak-{rank}").read_text()) for rank in range(ranks)]


def learning(ranks: int, folder: Path) -> None:
    """Learn in this process, or as one of the ranks, and write down what it took."""
    if ranks == 1:
        _learn(ranks, folder)
        _keep_peak(folder, 0)
        return
    from outgrow.train.ranks.group import joined
    from outgrow.train.ranks.serve import serve

    with joined() as group:
        if group.rank:
            serve(group)
        else:
            _learn(ranks, folder)
        _keep_peak(folder, group.rank)


def _learn(ranks: int, folder: Path) -> None:
    from outgrow.config import SFTRecipe, load_recipe
    from outgrow.core.callbacks import never_stop
    from outgrow.core.determinism import deterministic
    from outgrow.runs.checkpoint import save_checkpoint
    from outgrow.runs.models import base_policy, learner_and_reference
    from outgrow.train.ranks.front import shared_out
    from outgrow.train.sft import SFTJob

    recipe = load_recipe("micro-base", [*SETTINGS, f"learn.ranks={ranks}"])
    assert isinstance(recipe, SFTRecipe)
    with deterministic(recipe.run.threads, keep_buffers=ranks == 1):
        policy, reference = learner_and_reference(recipe, base_policy(recipe), None)
        policy.model.eval()
        with shared_out(recipe, policy, reference, folder) as (policy, reference, team):
            job = SFTJob(recipe, policy, folder, print, team)
            if team:
                team.drop_reference()  # as a run does once it is measured
            for step in range(1, recipe.learn.steps + 1):
                job.advance(step, never_stop)
            save_checkpoint(folder, recipe.learn.steps, policy, job.optimizer.tensors(), {}, 1)


def _keep_peak(folder: Path, rank: int) -> None:
    kb = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    (folder / f"peak-{rank}").write_text(str(int(kb) * 1024 / 1e9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.folder:
        learning(chosen.ranks, chosen.folder)
    else:
        print(json.dumps({"peaks_gb": peaks(chosen.ranks)}))


if __name__ == "__main__":
    main()
