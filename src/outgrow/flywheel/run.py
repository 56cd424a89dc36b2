"""A whole flywheel in a folder: one process holds it, continues it from where it stopped, and updates its page.

FOLDER/flywheel.toml     the recipe with every default; stages by the names of their recipes
FOLDER/gen-1/STAGE-…/    a stage (stage_cache.py)
FOLDER/lineage.sqlite    which stage made which (lineage.py)
FOLDER/flywheel.json     the figures
FOLDER/flywheel.html     the page
"""

from pathlib import Path

from ..core.callbacks import quiet
from ..core.errors import OutgrowError
from ..core.files import write_atomic, write_json
from ..core.fresh_folder import FreshFolder, undone_on_failure
from ..core.new_path import require_folders_above
from ..core.plugins import plugins_imported
from ..runs.cost import Budget, BudgetReached
from ..runs.folder import held
from ..runs.practice_problems import practice_problems
from ..runs.sessions import STOPS
from ..runs.signals import Interrupt, StopRequested
from ..synthetic.pipeline import matching_problems
from ..train.watcher import Watcher
from .lineage import Lineage
from .page import write_page
from .recipe import FlywheelRecipe, dump_flywheel
from .result import FlywheelResult, as_json
from .stage_cache import ProcessFull, StageCache
from .stage_recipes import stage_recipes
from .stages import run_generations


@plugins_imported()
def run_flywheel(recipe: FlywheelRecipe, folder: Path, watcher: Watcher, budget: Budget) -> FlywheelResult:
    """Run the flywheel in this folder, or continue it.

    Raises OutgrowError, StopRequested after a signal, BudgetReached, or ProcessFull. Finished stages are saved; the same call
    continues, after ProcessFull in another process. A new folder is removed where no stage has left anything to continue from.
    """
    _require_data(recipe)
    require_folders_above(folder / "flywheel.toml")
    fresh = FreshFolder.of(folder)
    with undone_on_failure(fresh, lambda: any(folder.glob("gen-*/*")), (*STOPS, ProcessFull)):
        return _run(recipe, folder, watcher, budget)


def _run(recipe: FlywheelRecipe, folder: Path, watcher: Watcher, budget: Budget) -> FlywheelResult:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder), Lineage(folder / "lineage.sqlite") as lineage, Interrupt() as interrupt:
            write_atomic(folder / "flywheel.toml", dump_flywheel(recipe).encode())
            cache = StageCache(folder, lineage, watcher, budget, interrupt.check_stop)
            result = FlywheelResult(recipe, [], cache.results)
            try:
                for generation in run_generations(recipe, cache):
                    result = FlywheelResult(recipe, [*result.generations, generation], cache.results)
                    _write(result, lineage, folder)
            except (BudgetReached, StopRequested):
                _write(result, lineage, folder)
                raise
            return result
    except OSError as error:
        raise OutgrowError(f"{folder}: {error.strerror or error}; fix this, then run the same command again") from error


def _require_data(recipe: FlywheelRecipe) -> None:
    """Raise UsageError where no problem is left to make data of: before hours are spent, not after."""
    if recipe.generations > 1:
        matching_problems(practice_problems(stage_recipes(recipe)["student"], quiet), recipe.data)


def _write(result: FlywheelResult, lineage: Lineage, folder: Path) -> None:
    write_json(folder / "flywheel.json", as_json(result))
    write_page(result, lineage.graph(stage.name for stage in result.stages), folder)
