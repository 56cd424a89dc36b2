"""A whole wheel in a folder: held by one process, continued from wherever it stands, its page written after every generation.

FOLDER/flywheel.toml     the recipe, its defaults spelled out; stages by the names of theirs
FOLDER/gen-1/STAGE-…/    a stage (workshop.py)
FOLDER/lineage.sqlite    which made which (lineage.py)
FOLDER/flywheel.json     the figures
FOLDER/flywheel.html     the page
"""

from pathlib import Path

from ..core.callbacks import quiet
from ..core.errors import OutgrowError
from ..core.files import write_atomic, write_json
from ..runs.cost import Budget, BudgetReached
from ..runs.folder import held
from ..runs.practice_problems import practice_problems
from ..runs.signals import StopRequested
from ..synthetic.pipeline import wanted
from ..train.watcher import Watcher
from .lineage import Lineage
from .page import write_page
from .recipe import FlywheelRecipe, dump_flywheel
from .result import FlywheelResult, as_json
from .stage_cache import StageCache
from .stage_recipes import stage_recipes
from .stages import run_generations


def run_flywheel(wheel: FlywheelRecipe, folder: Path, watcher: Watcher, budget: Budget) -> FlywheelResult:
    """Turn the wheel in this folder.

    Raises OutgrowError, StopRequested after a signal, BudgetReached, or ProcessFull; what is done is saved then, and the same call
    goes on, after ProcessFull in another process.
    """
    _require_data(wheel)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder), Lineage(folder / "lineage.sqlite") as lineage:
            write_atomic(folder / "flywheel.toml", dump_flywheel(wheel).encode())
            shop = StageCache(folder, lineage, watcher, budget)

            turned = FlywheelResult(wheel, [], shop.done)
            try:
                for generation in run_generations(wheel, shop):
                    turned = FlywheelResult(wheel, [*turned.generations, generation], shop.done)
                    _write(turned, lineage, folder)
            except (BudgetReached, StopRequested):
                _write(turned, lineage, folder)
                raise
            return turned
    except OSError as error:
        raise OutgrowError(f"{folder}: {error.strerror or error}; mend that, then run the same command again") from error


def _require_data(wheel: FlywheelRecipe) -> None:
    """Raise UsageError where the student practises nothing that data are to be made of: before hours are spent, not after."""
    if wheel.generations > 1:
        wanted(practice_problems(stage_recipes(wheel)["student"], quiet), wheel.data)


def _write(turned: FlywheelResult, lineage: Lineage, folder: Path) -> None:
    write_json(folder / "flywheel.json", as_json(turned))
    write_page(turned, lineage.graph(one.name for one in turned.done), folder)
