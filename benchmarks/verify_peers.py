"""How often do graders pass what is wrong and fail what is right? Ours, math-verify, TRL's accuracy reward, MathRuler, in one run.

python benchmarks/verify_peers.py --data DATA --json benchmarks/results/verify_peers.json > benchmarks/results/verify_peers.md

DATA has math/{train,test}.jsonl, gsm8k/{train,test}.jsonl, minerva/test.jsonl, olympiadbench/test.jsonl and asdiv/all.jsonl.
Four parts: known answers against their own solutions, mutants (wrong by construction), rewritings (right by construction), and
outputs of models (--outputs FILE.jsonl with `output`, `answer`, `right`). Too long an answer time counts as not right.
A peer that is not installed is passed over and named. MathRuler: pip install mathruler==0.1.0 pylatexenc.
"""

import argparse
import json
import os
import platform
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from peer_cases import PLAIN_NUMBER, Case, known_answers, made, outputs, own_solutions
from peer_graders import GRADERS, GraderProcess, Said

PARTS = ("known", "mutant", "rewriting", "output")
SPEEDS = ("GSM8K", "LaTeX")
Results = dict[str, list[Said]]


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
    results = {name: _graded(name, cases, options.limit_s) for name in versions}
    summary = _summary(cases, results)
    _print_tables(cases, results, summary, versions)
    print(f"\n{(time.monotonic() - started) / 60:.0f} minutes, seed {options.seed}.")
    if options.json:
        options.json.write_text(json.dumps({"versions": versions, "seed": options.seed, **summary}, indent=1) + "\n")
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="Write the figures here.")
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


def _graded(name: str, cases: Sequence[Case], limit_s: float) -> list[Said]:
    """Return what a grader says of each case; batches hold cases of one speed group, since only a batch's time is known."""
    said: dict[int, Said] = {}
    batch, started, reported = GRADERS[name].batch, time.monotonic(), time.monotonic()
    with GraderProcess(name, limit_s) as process:
        for group in (*SPEEDS, ""):
            members = [at for at, case in enumerate(cases) if _speed_group(case) == group]
            for start in range(0, len(members), batch):
                places = members[start : start + batch]
                said |= zip(places, process.grade([(cases[at].answer, cases[at].output) for at in places]), strict=True)
                if time.monotonic() - reported > 20:
                    reported = time.monotonic()
                    print(f"{name}: {len(said)} of {len(cases)}, {reported - started:.0f} s", file=sys.stderr, flush=True)
    return [said[at] for at in range(len(cases))]


def _speed_group(case: Case) -> str:
    if case.part == "known" and case.set == "GSM8K":
        return "GSM8K"
    latex = case.part in ("mutant", "rewriting") and not PLAIN_NUMBER.fullmatch(case.answer)
    return "LaTeX" if latex else ""


def _summary(cases: Sequence[Case], results: Results) -> dict[str, object]:
    """Return counts and rates: of each part and grader, of each kind and grader, and answers a second."""
    parts: dict[str, dict[str, object]] = {}
    kinds: dict[str, dict[str, dict[str, dict[str, int]]]] = defaultdict(lambda: defaultdict(dict))
    for name, said in results.items():
        pairs = list(zip(cases, said, strict=True))
        for part in PARTS:
            for right in (False, True):
                mine = [(case, one) for case, one in pairs if case.part == part and case.right is right]
                if mine:
                    faults = sum(one.right is not right for _, one in mine)
                    hows = Counter(one.how for _, one in mine)
                    parts.setdefault(_error(part, right), {})[name] = {
                        "n": len(mine), "faults": faults, "rate": faults / len(mine), "interval": _wilson(faults, len(mine)),
                        "timeouts": hows["timeout"], "nothing said": hows["nothing"],
                    }  # fmt: skip
        for case, one in pairs:
            row = kinds[case.part][case.kind].setdefault(name, {"n": 0, "faults": 0})
            row["n"] += 1
            row["faults"] += one.right is not case.right
    speeds = {name: _speeds(cases, said) for name, said in results.items()}
    return {"parts": parts, "kinds": kinds, "answers a second": speeds}


def _speeds(cases: Sequence[Case], said: Sequence[Said]) -> dict[str, float]:
    """Return answers a second: of GSM8K's solutions, and of mutants and rewritings whose known answer is not a plain number."""
    seconds = {
        group: [one.seconds for case, one in zip(cases, said, strict=True) if _speed_group(case) == group] for group in SPEEDS
    }
    return {group: len(each) / sum(each) for group, each in seconds.items() if each}


def _print_tables(cases: Sequence[Case], results: Results, summary: dict[str, object], versions: dict[str, str | None]) -> None:
    names = list(results)
    python = f"Python {platform.python_version()}, sympy {_version('sympy')}"
    print("# Graders compared\n")
    print(
        f"{platform.machine()} CPU, one core each, {python}, "
        + ", ".join(f"{GRADERS[n].package} {v}" for n, v in versions.items())
        + ".\n"
    )
    print("## Rates\n\nFaults, and the 95% interval (Wilson). A timeout, an exception or nothing said counts as not right.\n")
    print("| | n | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    parts: dict = summary["parts"]  # type: ignore[assignment]
    for error, by_name in parts.items():
        n = next(iter(by_name.values()))["n"]
        print(f"| {error} | {n} | " + " | ".join(_rate(by_name[name]) for name in names) + " |")
    for what in ("timeouts", "nothing said"):
        totals = [sum(by_name[name][what] for by_name in parts.values()) for name in names]
        print(f"| {what} | {len(cases)} | " + " | ".join(map(str, totals)) + " |")
    speeds: dict = summary["answers a second"]  # type: ignore[assignment]
    for group in SPEEDS:
        if all(group in speeds[name] for name in names):
            print(f"| answers a second, {group} | | " + " | ".join(f"{speeds[name][group]:.0f}" for name in names) + " |")
    kinds: dict = summary["kinds"]  # type: ignore[assignment]
    titles = {
        "known": "Own solutions failed, by set",
        "mutant": "Mutants passed, by kind",
        "rewriting": "Rewritings failed, by kind",
    }
    for part in PARTS:
        if kinds.get(part):
            print(f"\n## {titles.get(part, 'Outputs graded wrong, by kind')}\n")
            print("| kind | n | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
            for kind, by_name in sorted(kinds[part].items()):
                n = by_name[names[0]]["n"]
                print(f"| {_cell(kind)} | {n} | " + " | ".join(str(by_name[name]["faults"]) for name in names) + " |")


def _disagreements(cases: Sequence[Case], results: Results) -> list[dict[str, object]]:
    return [
        {"grader": name, "said": one.right, "how": one.how, **asdict(case)}
        for name, said in results.items()
        for case, one in zip(cases, said, strict=True)
        if one.right is not case.right
    ]


def _error(part: str, right: bool) -> str:
    names = {
        ("known", True): "own solutions failed",
        ("mutant", False): "mutants passed",
        ("rewriting", True): "rewritings failed",
        ("output", True): "right outputs failed",
        ("output", False): "wrong outputs passed",
    }
    return names[part, right]


def _rate(row: dict) -> str:
    low, high = row["interval"]
    return f"{row['faults']}: {row['rate']:.2%} ({low:.2%} to {high:.2%})"


def _cell(kind: str) -> str:
    return f"`{kind}`" if "\\" in kind or "$" in kind else kind


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share."""
    z = 1.96
    middle, half = hits / n + z**2 / (2 * n), z * (hits / n * (1 - hits / n) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write_lines(file: Path, rows: Sequence[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
