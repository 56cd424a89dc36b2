"""The command line. Every command is a few lines over the package; imports are inside, so that --help is quick."""

import sys

from ..core.disk import DISK_ERRORS, fault_of
from ..core.errors import OutgrowError

# Importing a file registers its command. The order is that of --help: a line for each panel.
from . import new, train, sft, resume, check, plan, audit, controls, lab  # noqa: F401  # isort: skip
from . import eval, verify, compare, drift, harness, passrate, calibration, judge  # noqa: F401  # isort: skip
from . import recipes, runs, analyze, report, serve, generate, chat, surprise  # noqa: F401  # isort: skip
from . import data, flywheel  # noqa: F401  # isort: skip
from . import pull, merge, export, push  # noqa: F401  # isort: skip
from .app import app
from .console import warn
from .ranks import leave_word


def main() -> None:
    """Run the command line; errors are one line, exit code 2 for usage and 1 for failure."""
    try:
        app()
    except OutgrowError as error:
        warn(f"outgrow: {error}")
        leave_word()
        sys.exit(error.exit_code)
    except DISK_ERRORS as error:
        if (fault := fault_of(error)) is None:
            raise
        warn(f"outgrow: {fault}, then run the same command again")
        leave_word()
        sys.exit(OutgrowError.exit_code)
