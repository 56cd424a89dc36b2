"""Writing the page of a run."""

from pathlib import Path

from ..core.errors import OutgrowError
from ..core.files import write_atomic
from ..runs.folder import RunFolder
from .data import read_run
from .page import render
from .question_heats import question_heats


def write_report(run: Path) -> Path:
    """Write report.html into a run's folder, finished or not. Return its path.

    Raises UsageError where there is no run, OutgrowError where one of its files is damaged or the page cannot be written.
    """
    data = read_run(run)
    page = render(data, question_heats(run, data))
    path = RunFolder(run).report
    try:
        write_atomic(path, page.encode("utf-8", errors="replace"))
    except OSError as error:
        raise OutgrowError(f"{path}: cannot write the report ({error.strerror or error})") from error
    return path
