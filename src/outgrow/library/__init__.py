"""What `import outgrow` offers: a few typed functions over the package. None prints, and none reads the command line."""

from ..config import Recipe
from ..core.errors import OutgrowError, UsageError
from ..core.estimate import Estimate
from ..train.watcher import SilentWatcher, Watcher
from ..types import Graded, Problem, Verdict
from .grade import verify
from .measurement import Measurement, evaluate
from .recipe import load
from .run import Run, load_run, resume, train

__all__ = [
    "Estimate", "Graded", "Measurement", "OutgrowError", "Problem", "Recipe", "Run", "SilentWatcher", "UsageError", "Verdict",
    "Watcher", "evaluate", "load", "load_run", "resume", "train", "verify",
]  # fmt: skip
