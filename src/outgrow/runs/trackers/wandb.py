"""Weights & Biases: online with a key (`wandb login`, or WANDB_API_KEY), offline without one."""

import os
from pathlib import Path
from typing import Any, ClassVar

from ...core.files import write_atomic

# Seconds that a dead network may hold up the start and the end of training.
_PATIENCE = 30


class WandB:
    """One W&B run for a run's folder, however often it is resumed; its files lie in RUN/wandb, its id in RUN/wandb/id.

    Online, W&B takes no step at or before the last one it has, so the first writing of a step stays. Offline, every session
    leaves a folder of its own, to be sent with `wandb sync`; W&B puts them together by the id. WANDB_PROJECT and WANDB_MODE
    are W&B's own and hold here.
    """

    package: ClassVar[str] = "wandb"

    def start(self, run: Path, recipe: dict[str, Any], resumed_at: int) -> None:
        import wandb

        known = "WANDB_MODE" in os.environ or wandb.login(prompt=False)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "outgrow"),
            name=run.resolve().name,
            id=_id(run / "wandb" / "id"),
            dir=str(run),
            config=recipe,
            tags=recipe["run"]["tags"],
            mode=None if known else "offline",
            resume="allow",
            settings=wandb.Settings(console="off", init_timeout=_PATIENCE, finish_timeout=_PATIENCE),
        )

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self._run.log(metrics, step=step)

    def close(self) -> None:
        self._run.finish()


def _id(file: Path) -> str:
    """Return the id of this run at W&B, made the first time."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        write_atomic(file, os.urandom(8).hex().encode())
    return file.read_text()
