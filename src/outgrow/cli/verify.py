"""The command `outgrow verify`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError, nearest
from .app import MEASURE, command
from .console import say, warn
from .options import separated
from .progress import measurements

_LINES = (".jsonl", ".ndjson")


@command(
    MEASURE,
    "outgrow verify outputs.jsonl --output completion --answer answer",
    "outgrow verify outputs.jsonl --output completion --answer answer --extract boxed,last_number",
)
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file (.jsonl, .json, .csv, .parquet) with one output in each row.")
    ],
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="Column that holds the model's output.")],
    answer: Annotated[str, typer.Option("--answer", metavar="COLUMN", help="Column that holds the correct answer.")],
    extract: Annotated[
        list[str] | None,
        typer.Option(
            "--extract",
            metavar="NAMES",
            help="How to find the answer in an output, comma-separated, tried in this order: boxed, first_boxed, hash, phrase, "
            "last_number, whole (the reply is the answer) or auto, which tries boxed, hash, phrase and last_number. The option may "
            "also be repeated. Default: auto.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Also write all rows here, as JSON lines (.jsonl), with columns verdict and extracted. A skipped row has the "
            "verdict skipped. Default: no file.",
        ),
    ] = None,
) -> None:
    """Grade outputs that were made elsewhere, with the verifier of training and evaluation.

    Prints how often each extractor found the answer. If outputs have no answer, shows two and names the extractor that finds more.
    An output of null has no answer. Rows without a known answer are skipped and counted by reason.
    """
    from ..evaluate.grade_file import grade_file
    from ..evaluate.unread import unread
    from ..types import Verdict
    from ..verify import EXTRACTORS

    names = separated(extract or [])
    for name in names:
        if name not in EXTRACTORS:
            raise UsageError(f"--extract: no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    if out is not None and out.suffix.lower() not in _LINES:
        raise UsageError(f"--out {out}: the rows are written as JSON lines; choose a name that ends in {' or '.join(_LINES)}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    extractors = names or ["auto"]
    with measurements() as display:
        graded = grade_file(file, output, answer, extractors, out, display.answering, warn)
    verdicts, n = graded.verdicts(), len(graded.outputs)
    shares = "   ".join(f"{verdict} {verdicts[verdict]} ({verdicts[verdict] / n:.1%})" for verdict in Verdict)
    say(f"n = {n}   {shares}")
    found_by = graded.found_by()
    if len(found_by) > 1:
        say("found by   " + "   ".join(f"{extractor} {count}" for extractor, count in found_by.items()))
    for line in unread(graded.outputs, extractors, "--extract {}"):
        warn(line)
