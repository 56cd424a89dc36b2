"""TensorBoard: `tensorboard --logdir runs` shows every run side by side."""

import json
from pathlib import Path
from typing import Any, ClassVar


class TensorBoard:
    """Event files in RUN/tensorboard, flushed every step. Figures are kept as float32, which is all the format holds."""

    package: ClassVar[str] = "tensorboard"

    def start(self, run: Path, recipe: dict[str, Any], resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # A reader drops what earlier sessions wrote from purge_step on, so that steps which are done again are shown once.
        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=resumed_at + 1 if resumed_at else 0)
        if not resumed_at:
            self._writer.add_text("recipe", f"```\n{json.dumps(recipe, indent=2)}\n```")

    def log(self, step: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
