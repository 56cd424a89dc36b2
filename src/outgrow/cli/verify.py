"""The command `outgrow verify`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError, nearest
from .app import MEASURE, command
from .console import say
from .progress import measurements


@command(MEASURE, "outgrow verify outputs.jsonl --output completion --answer answer --extract boxed --extract last_number")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSONL or Parquet file with one output in each row.")],
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="Column that holds the model's output.")],
    answer: Annotated[str, typer.Option("--answer", metavar="COLUMN", help="Column that holds the correct answer.")],
    extract: Annotated[
        list[str] | None,
        typer.Option(
            "--extract",
            metavar="NAME",
            help="How to find the answer in an output: boxed, first_boxed, hash, phrase or last_number. Repeat the option to try "
            "several in order. Default: boxed.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the rows here, with columns verdict and extracted.")
    ] = None,
) -> None:
    """Grade outputs that were made elsewhere, exactly as training and evaluation grade them."""
    from ..evaluate.grade_file import grade_file
    from ..types import Verdict
    from ..verify import EXTRACTORS

    for name in extract or []:
        if name not in EXTRACTORS:
            raise UsageError(f"--extract: no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    with measurements() as display:
        counts = grade_file(file, output, answer, extract or ["boxed"], out, display.answering)
    n = counts.total()
    shares = "   ".join(f"{verdict} {counts[verdict]} ({counts[verdict] / n:.1%})" for verdict in Verdict)
    say(f"n = {n}   {shares}")
