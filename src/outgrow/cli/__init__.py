"""The command line. Every command is a few lines over the package; imports are inside, so that --help is quick."""

import sys

from ..core.errors import OutgrowError

# Importing them registers their commands, in the order in which --help lists them.
from . import training, planning, curricula, measuring, comparing, controlling, analyzing, drifting  # noqa: F401  # isort: skip
from . import harness, asking, runs, serving, models, making, flywheel, judging  # noqa: F401  # isort: skip
from .app import app
from .shared import errors


def main() -> None:
    """Run the command line; errors are one line, exit code 2 for usage and 1 for failure."""
    try:
        app()
    except OutgrowError as error:
        errors.print(f"outgrow: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
