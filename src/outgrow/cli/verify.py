"""The command `outgrow verify`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError, nearest
from .app import app
from .console import console
from .options import example


@app.command(
    epilog=example("outgrow verify outputs.jsonl --output completion --answer answer --extract boxed --extract last_number")
)
def verify(
    file: Annotated[Path, typer.Argument(help="A JSONL or Parquet file, a row for each output.")],
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="The column that holds what a model wrote.")],
    answer: Annotated[str, typer.Option("--answer", metavar="COLUMN", help="The column that holds the known answer.")],
    extract: Annotated[
        list[str] | None,
        typer.Option(
            "--extract",
            metavar="NAME",
            help="boxed (the default), first_boxed, hash, phrase or last_number; more than one in order.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows here, with verdict and extracted added.")] = None,
) -> None:
    """Grade outputs made elsewhere, as training and evaluation would."""
    from ..evaluate.grade_file import grade_file
    from ..types import Verdict
    from ..verify import EXTRACTORS

    for name in extract or []:
        if name not in EXTRACTORS:
            raise UsageError(f"--extract: no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    with console.status(f"grading {file}"):
        counts = grade_file(file, output, answer, extract or ["boxed"], out)
    n = counts.total()
    told = "   ".join(f"{verdict} {counts[verdict]} ({counts[verdict] / n:.1%})" for verdict in Verdict)
    console.print(f"n = {n}   {told}", highlight=False, soft_wrap=True)
