"""How often do graders pass what is wrong and fail what is right? Ours, math-verify, TRL's accuracy reward, MathRuler, in one run.

python benchmarks/verify_peers.py --data DATA --json benchmarks/results/verify_peers.json --page docs/results/verifier.md

DATA has math/{train,test}.jsonl, gsm8k/{train,test}.jsonl, minerva/test.jsonl, olympiadbench/test.jsonl and asdiv/all.jsonl.
Four parts: known answers against their own solutions, mutants (wrong by construction), rewritings (right by construction), and
outputs of models (--outputs FILE.jsonl with `output`, `answer`, `right`). Too long an answer time counts as not right.
A peer that is not installed is passed over and named. MathRuler: pip install mathruler==0.1.0 pylatexenc==2.11.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kept_verdicts import KeptVerdicts
from peer_cases import PARTS, Case, known_answers, made, outputs, own_solutions
from peer_graders import GRADERS, GraderProcess, Said
from peer_tables import SPEEDS, Results, figures, speed_group, tables

BEGINS, ENDS = "<!-- benchmarks/verify_peers.py writes from here -->\n", "<!-- to here -->\n"


def main() -> None:
    """Build the cases, grade them by each grader, print the tables, write the files asked for."""
    options = _options()
    started = time.monotonic()
    cases = _cases(options)
    if options.cases:
        _write_lines(options.cases, [asdict(case) for case in cases])
    versions = {name: _version(grader.package) for name, grader in GRADERS.items() if name in options.graders}
    for name in [name for name, installed in versions.items() if installed is None]:
        print(f"{name} is not installed: pip install {GRADERS[name].package}", file=sys.stderr)
        del versions[name]
    results = {}
    for name, installed in versions.items():
        kept = KeptVerdicts(options.keep, f"{name} {installed}") if options.keep and name != "outgrow" else None
        results[name] = _graded(name, cases, options.limit_s, kept)
    measured = figures(cases, results)
    text = tables(measured, versions)
    print(f"{text}\n{(time.monotonic() - started) / 60:.0f} minutes, seed {options.seed}.")
    if options.json:
        options.json.write_text(json.dumps({"versions": versions, "seed": options.seed, **measured}, indent=1) + "\n")
    if options.page:
        head, rest = options.page.read_text(encoding="utf-8").split(BEGINS)
        options.page.write_text(head + BEGINS + text + ENDS + rest.split(ENDS)[1], encoding="utf-8")
    if options.disagreements:
        _write_lines(options.disagreements, _disagreements(cases, results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("OUTGROW_DATA"), help="Folder of the sets. Default: $OUTGROW_DATA."
    )
    parser.add_argument("--graders", type=lambda names: names.split(","), default=list(GRADERS), help=f"Of {','.join(GRADERS)}.")
    parser.add_argument(
        "--outputs", type=Path, action="append", default=[], help="JSONL with output, answer and right; repeatable."
    )
    parser.add_argument("--sample", type=int, help="Grade only this number of cases of each part, drawn by the seed.")
    parser.add_argument("--mutants", type=int, default=1000, help="Limit of mutants of each kind.")
    parser.add_argument("--rewritings", type=int, default=80, help="Limit of rewritings of each kind.")
    parser.add_argument("--limit-s", type=float, default=5.0, help="Seconds that a grader has for an output.")
    parser.add_argument("--keep", type=Path, help="Keep the peers' verdicts in this file and ask only what it lacks; ours are new.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="Write the figures here.")
    parser.add_argument("--page", type=Path, help="Write the tables into this page, between its two marks.")
    parser.add_argument("--cases", type=Path, help="Write the cases here, JSONL.")
    parser.add_argument("--disagreements", type=Path, help="Write every output that a grader got wrong here, JSONL.")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the sets by --data or OUTGROW_DATA")
    if unknown := set(options.graders) - set(GRADERS):
        parser.error(f"unknown graders {', '.join(sorted(unknown))}; there are {', '.join(GRADERS)}")
    options.data = Path(options.data)
    return options


def _cases(options: argparse.Namespace) -> list[Case]:
    known = known_answers(options.data)
    cases = [*own_solutions(known), *made(known, options.seed, options.mutants, options.rewritings)]
    cases += [case for file in options.outputs for case in outputs(file)]
    if options.sample is None:
        return cases
    parts = [[case for case in cases if case.part == part] for part in PARTS]
    return [case for part in parts for case in random.Random(options.seed).sample(part, min(options.sample, len(part)))]


def _graded(name: str, cases: Sequence[Case], limit_s: float, kept: KeptVerdicts | None) -> list[Said]:
    """Return what a grader says of each case; batches hold cases of one speed group, since only a batch's time is known."""
    pairs = [(case.answer, case.output) for case in cases]
    said = {at: one for at, pair in enumerate(pairs) if kept and (one := kept.get(pair))}
    batch, started, reported = GRADERS[name].batch, time.monotonic(), time.monotonic()
    with GraderProcess(name, limit_s) as process:
        for group in (*SPEEDS, ""):
            members = [at for at, case in enumerate(cases) if at not in said and speed_group(case) == group]
            for start in range(0, len(members), batch):
                places = members[start : start + batch]
                new = process.grade([pairs[at] for at in places])
                said |= zip(places, new, strict=True)
                if kept:
                    kept.add([pairs[at] for at in places], new)
                if time.monotonic() - reported > 20:
                    reported = time.monotonic()
                    print(f"{name}: {len(said)} of {len(cases)}, {reported - started:.0f} s", file=sys.stderr, flush=True)
    return [said[at] for at in range(len(cases))]


def _disagreements(cases: Sequence[Case], results: Results) -> list[dict[str, object]]:
    return [
        {"grader": name, "said": one.right, "how": one.how, **asdict(case)}
        for name, said in results.items()
        for case, one in zip(cases, said, strict=True)
        if one.right is not case.right
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write_lines(file: Path, rows: Sequence[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
