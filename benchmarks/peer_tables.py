"""What `verify_peers.py` reports: faults with intervals, by part and by kind, and answers a second; as figures and as Markdown."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from peer_cases import PARTS, PLAIN_NUMBER, Case
from peer_graders import GRADERS, Said

Results = dict[str, list[Said]]
Figures = dict[str, Any]

SPEEDS = ("GSM8K", "LaTeX")
_FAULTS = {
    ("known", True): "own solutions failed",
    ("mutant", False): "mutants passed",
    ("rewriting", True): "rewritings failed",
    ("output", True): "right outputs failed",
    ("output", False): "wrong outputs passed",
}
_TITLES = {
    "known": "Own solutions failed, by set",
    "mutant": "Mutants passed, by kind",
    "rewriting": "Rewritings failed, by kind",
    "output": "Outputs graded wrong, by kind",
}


def speed_group(case: Case) -> str:
    """Return which speed this case counts for: GSM8K's solutions; what is made of known answers that are not plain numbers."""
    if case.part == "known" and case.set == "GSM8K":
        return "GSM8K"
    latex = case.part in ("mutant", "rewriting") and not PLAIN_NUMBER.fullmatch(case.answer)
    return "LaTeX" if latex else ""


def figures(cases: Sequence[Case], results: Results) -> Figures:
    """Return {"parts": {fault: {grader: counts}}, "kinds": {part: {kind: {grader: counts}}}, "answers a second": {grader: ...}}."""
    parts: Figures = {}
    kinds: Figures = {}
    for name, said in results.items():
        pairs = list(zip(cases, said, strict=True))
        for (part, right), fault in _FAULTS.items():
            if mine := [(case, one) for case, one in pairs if case.part == part and case.right is right]:
                parts.setdefault(fault, {})[name] = _counts(mine)
        for case, one in pairs:
            row = kinds.setdefault(case.part, {}).setdefault(case.kind, {}).setdefault(name, {"n": 0, "faults": 0})
            row["n"] += 1
            row["faults"] += one.right is not case.right
    return {"parts": parts, "kinds": kinds, "answers a second": {name: _speeds(cases, said) for name, said in results.items()}}


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share.

    >>> [round(bound, 4) for bound in wilson(0, 1000)]
    [0.0, 0.0038]
    """
    z = 1.959964
    middle, half = hits / n + z**2 / (2 * n), z * (hits / n * (1 - hits / n) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))


def tables(measured: Figures, versions: dict[str, str | None]) -> str:
    """Return the figures as Markdown tables."""
    names = list(versions)
    packages = ", ".join(f"{GRADERS[name].package} {installed}" for name, installed in versions.items())
    head = f"{platform.machine()} CPU, one core each, Python {platform.python_version()}, sympy {version('sympy')}, {packages}.\n"
    rows = [[fault, _n(by_name), *(_rate(by_name[name]) for name in names)] for fault, by_name in measured["parts"].items()]
    for what in ("timeouts", "nothing said"):
        rows.append([what, "", *(str(sum(by_name[name][what] for by_name in measured["parts"].values())) for name in names)])
    speeds = measured["answers a second"]
    for group in SPEEDS:
        if all(group in speeds[name] for name in names):
            rows.append([f"answers a second, {group}", "", *(f"{speeds[name][group]:,.0f}" for name in names)])
    text = [head, _table(["", "n", *names], rows)]
    for part in PARTS:
        if by_kind := measured["kinds"].get(part):
            rows = [[_cell(kind), _n(row), *(str(row[name]["faults"]) for name in names)] for kind, row in sorted(by_kind.items())]
            text += [f"\n## {_TITLES[part]}\n", _table(["kind", "n", *names], rows)]
    return "\n".join(text) + "\n"


def _counts(pairs: Sequence[tuple[Case, Said]]) -> Figures:
    n, faults = len(pairs), sum(one.right is not case.right for case, one in pairs)
    hows = Counter(one.how for _, one in pairs)
    rates = {"n": n, "faults": faults, "rate": faults / n, "interval": wilson(faults, n)}
    return rates | {"timeouts": hows["timeout"], "nothing said": hows["nothing"]}


def _speeds(cases: Sequence[Case], said: Sequence[Said]) -> dict[str, float]:
    seconds = {
        group: [one.seconds for case, one in zip(cases, said, strict=True) if speed_group(case) == group] for group in SPEEDS
    }
    return {group: len(each) / sum(each) for group, each in seconds.items() if each}


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _n(by_name: Figures) -> str:
    return f"{next(iter(by_name.values()))['n']:,}"


def _rate(row: Figures) -> str:
    low, high = row["interval"]
    return f"{row['faults']:,}: {row['rate']:.2%} ({low:.2%} to {high:.2%})"


def _cell(kind: str) -> str:
    return f"`{kind}`" if "\\" in kind or "$" in kind else kind
