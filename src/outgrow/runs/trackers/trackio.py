"""trackio: `TRACKIO_DIR=RUN/trackio trackio show` serves the dashboard on this machine, without an account."""

import os
from pathlib import Path
from typing import Any, ClassVar

from ...core.json_lines import read_lines
from ..folder import RunFolder


class Trackio:
    """A database in RUN/trackio, or where TRACKIO_DIR says.

    trackio keeps what it has logged. A step that is done again is therefore not written again: the first writing stays,
    and it is the same to the last bit unless the recipe was changed in between. It writes twice a second, and what kill −9
    takes of that is written at the start of the next session. Where it sends to a Hugging Face Space (TRACKIO_SPACE_ID) or a
    server, what is there cannot be seen from here, and a resumed run shows its steps twice.
    """

    package: ClassVar[str] = "trackio"

    def start(self, run: Path, recipe: dict[str, Any], resumed_at: int) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(run.resolve() / "trackio"))  # read when trackio is imported
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        project, name = os.environ.get("TRACKIO_PROJECT", "outgrow"), run.resolve().name
        self._shown = SQLiteStorage.get_max_step_for_run(project, name) or 0
        self._run = trackio.init(project=project, name=name, config=recipe, resume="allow", embed=False)
        self._finish = trackio.finish
        for row in read_lines(RunFolder(run).metrics):
            self.log(int(row["step"]), {name: value for name, value in row.items() if name != "step"})

    def log(self, step: int, metrics: dict[str, float]) -> None:
        if step > self._shown:
            self._run.log(metrics, step=step)

    def close(self) -> None:
        self._finish()
