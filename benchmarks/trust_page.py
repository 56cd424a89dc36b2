"""Write the tables of docs/results/trust.md from the files in benchmarks/results.

    python benchmarks/trust_page.py

Each part of the page between two comments is a function of these files; the rest of the page stays as it is. Where a file is
missing, the part says that the figure has not been measured.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import RESULTS, Found

PAGE = Path(__file__).parent.parent / "docs" / "results" / "trust.md"
_PART = re.compile(r"(<!-- benchmarks/trust_page\.py writes (\w+) from here -->\n).*?(<!-- to here -->)", re.DOTALL)
_KILLS_AIM, _SAVED_AIM_S, _RUNS = 0.003, 10.0, 300
_SIGNALS = {"KILL": "kill −9", "TERM": "SIGTERM", "HUP": "SIGHUP"}
_PHASES = ("pick", "rollouts", "ledger", "alarm", "metrics")
_LONGEST_TEXT = 160
_HEAD = ("figure", "to reach", "found", "verdict")


@dataclass(frozen=True)
class Figure:
    """A line of a table of aims."""

    name: str
    aim: str
    found: str
    verdict: str


def page(text: str, results: Path) -> str:
    """Return the page with every marked part as the files in `results` say."""
    files = {file.stem: json.loads(file.read_text()) for file in results.glob("*.json")}

    def written(part: re.Match[str]) -> str:
        return f"{part[1]}{_PARTS[part[2]](files).rstrip()}\n{part[3]}"

    return _PART.sub(written, text)


def _all(files: Found) -> str:
    """Return the table on top: every figure with an aim."""
    figures = [
        *((figure, "`serve`") for figure in _measured(files, "serve_load")),
        *((figure, "long run") for figure in _measured(files, "long_run")),
        *((figure, "kills") for figure in _kill_figures(files)),
        *((figure, "disks") for figure in _disk_figures(files)),
        *((figure, "alarms") for figure in _alarm_figures(files)[:2]),
    ]
    rows = [(part, each.name, each.aim, each.found, each.verdict) for each, part in figures if each.aim]
    count = {verdict: sum(row[4].startswith(verdict) for row in rows) for verdict in ("met", "falls short", "not measured")}
    told = f"{count['met']} met, {count['falls short']} short, {count['not measured']} not measured"
    return f"Of {len(rows)} figures to reach: {told}.\n\n{_table(('part', *_HEAD), rows)}"


def _measured(files: Found, name: str) -> list[Figure]:
    """Return the lines of a table that `bench.write` wrote."""
    if name not in files:
        return [_missing(f"`{name}.json`")]
    return [_line(row) for row in files[name]["table"]]


def _line(row: Found) -> Figure:
    spread = _number(row["median"])
    if row["lowest"] < row["highest"]:
        spread += f" ({_number(row['lowest'])} to {_number(row['highest'])})"
    if row["must"] is None:
        return Figure(row["figure"], "", spread, "")
    worst = row["lowest"] if row["least"] else row["highest"]
    within = worst >= row["must"] if row["least"] else worst <= row["must"]
    some = f"falls short: the {'lowest' if row['least'] else 'highest'}"
    verdict = "met" if within else some if row["met"] else "falls short"
    return Figure(row["figure"], f"{'≥' if row['least'] else '≤'} {row['must']:g}", spread, verdict)


def _number(value: float) -> str:
    return "under 0.001" if 0 < value < 0.001 else f"{value:.3g}"


def _table_of(name: str) -> Callable[[Found], str]:
    def part(files: Found) -> str:
        rows = [(each.name, each.aim, each.found, each.verdict) for each in _measured(files, name)]
        return f"{_made_on(files, name)}{_table(_HEAD, rows)}"

    return part


def _made_on(files: Found, name: str) -> str:
    if name not in files:
        return ""
    machine, load = files[name]["machine"], files[name]["load"]
    return (
        f"`benchmarks/results/{name}.json`, on {machine['cores']} cores ({machine['processor']}), load average {load[0]:.1f}; "
        "median, lowest and highest where several were measured.\n\n"
    )


def _long(files: Found) -> str:
    if "long_run" not in files:
        return _table_of("long_run")(files)
    found = files["long_run"]
    rows = [
        (f"at step {step}", *(f"{found[when]['ms'][phase]:.2f}" for phase in _PHASES))
        for when, step in (("early", "1,000"), ("late", f"{found['size']['steps']:,}"))
    ]
    return f"{_table_of('long_run')(files)}\n{_table(('milliseconds of a step, processor', *_PHASES), rows)}"


def _kill_figures(files: Found) -> Iterator[Figure]:
    """Yield the rate of faults of kills, and the slowest save of the other signals."""
    found = files.get("kills", {})
    for kind, name in _SIGNALS.items():
        of = found.get(kind)
        rate = f"{name}: rate of faults, upper end of the one-sided 95% interval"
        slowest = f"{name}: seconds until the slowest was saved"
        measured = bool(of and of["ended"])
        if kind == "KILL" or not measured:
            aim = f"≤ {_KILLS_AIM:.1%}" if kind == "KILL" else f"≤ {_SAVED_AIM_S:g}"
            text = f"{of['upper_95']:.2%} ({of['faults']:,} in {of['ended']:,})" if measured else ""
            met = measured and of["upper_95"] <= _KILLS_AIM
            yield Figure(rate if kind == "KILL" else slowest, aim, text, _verdict(met) if measured else "not measured")
        else:
            seconds = max(row["slowest_s"] for row in of["works"].values())
            verdict = _verdict(seconds <= _SAVED_AIM_S)
            yield Figure(slowest, f"≤ {_SAVED_AIM_S:g}", f"{seconds:.3g} ({of['ended']:,} signals)", verdict)
            yield Figure(f"{name}: chains with a fault", "0", f"{of['faults']:,}", _verdict(of["faults"] == 0))


def _kills(files: Found) -> str:
    if "kills" not in files:
        return _not_measured("kills", "kills.py")
    rows = [
        (_SIGNALS[kind], work, f"{row['chains']:,}", f"{row['ended']:,}", f"{row['faults']:,}", f"{row['slowest_s']:.3g}")
        for kind in _SIGNALS
        for work, row in files["kills"].get(kind, {"works": {}})["works"].items()
    ]
    head = ("signal", "command", "chains", "signals", "chains with a fault", "seconds until the slowest ended")
    figures = [(each.name, each.aim, each.found, each.verdict) for each in _kill_figures(files)]
    return f"{_table(_HEAD, figures)}\n{_table(head, rows)}"


def _disk_figures(files: Found) -> Iterator[Figure]:
    found = files.get("disk_faults")
    if not found:
        yield Figure("operations that failed and were no clean end, or no exact resume", "0", "", "not measured")
        return
    failed, faults = (sum(row[key] for row in found.values()) for key in ("failed", "faults"))
    yield Figure(
        "operations that failed and were no clean end, or no exact resume", "0", f"{faults:,} of {failed:,}", _verdict(faults == 0)
    )


def _disks(files: Found) -> str:
    if "disk_faults" not in files:
        return _not_measured("disk_faults", "disk_faults.py")
    keys = ("operations", "failed", "ended", "faults")
    rows = [(name, *(f"{row[key]:,}" for key in keys)) for name, row in files["disk_faults"].items()]
    head = ("error", "operations of a run", "made to fail", "the command ended with an error", "faults")
    return _table(head, rows)


def _alarm_figures(files: Found) -> list[Figure]:
    """Return the share of faults that are noticed, then that of healthy runs with any alarm, then with each."""
    faults, healthy = "faults whose alarm rings", "share of healthy runs with an alarm"
    found = files.get("alarms")
    if not found:
        return [Figure(faults, "all", "", "not measured"), Figure(healthy, "≤ 2%", "", "not measured")]
    steps, runs, aim = [fault["steps"] for fault in found["faults"].values()], found["healthy"]["runs"], found["aim"]
    rang = sum(each is not None for each in steps)
    shares = {healthy: found["healthy"]["any"], **found["healthy"]["alarms"]}
    return [
        Figure(faults, "all", f"{rang} of {len(steps)}", _verdict(rang == len(steps) > 0)),
        *(Figure(name, f"≤ {aim:.0%}", _share(row), _share_verdict(row, runs, aim)) for name, row in shares.items()),
    ]


def _share(row: Found) -> str:
    return f"{row['share']:.1%} ({row['rang']} of {row['runs']}; at most {row['upper_95']:.1%})" if row["runs"] else ""


def _share_verdict(row: Found, runs: int, aim: float) -> str:
    """Return the verdict on an alarm. runs: all healthy runs; a judge's alarm can ring only in those with a judge."""
    if row["runs"] == 0:
        return "not measured"
    if row["share"] > aim:
        return "falls short"
    return "met" if runs >= _RUNS else f"not measured: {runs} of {_RUNS} runs"


def _alarms(files: Found) -> str:
    if "alarms" not in files:
        return _not_measured("alarms", "alarms.py")
    found = files["alarms"]
    healthy = found["healthy"]
    faults = [
        (fault["what"], fault["alarm"], "does not ring" if fault["steps"] is None else _steps(fault["steps"]), _text(fault["text"]))
        for fault in found["faults"].values()
    ]
    _, together, *single = _alarm_figures(files)
    rows = [(each.name, each.found, each.verdict) for each in (*single, together)]
    shapes = [(shape, str(row["runs"]), str(row["rang"]), str(row["hinted"])) for shape, row in healthy["shapes"].items()]
    seconds = f", {healthy['cpu_s']:.1f} s of the processor each" if healthy["cpu_s"] is not None else ""
    parts = (
        f"`benchmarks/results/alarms.json`, on {found['processor']}. Where a fault does not begin with the run, it begins in step "
        f"{found['first_step']}. Steps count from the first with the fault through the one in which the alarm rings.",
        _table(("fault", "alarm", "rings after", "it says"), faults),
        f"{healthy['runs']} healthy runs{seconds}, by shape:",
        _table(("shape", "runs", "with an alarm", "with a hint about a step"), shapes),
        f"To reach: {found['aim']:.0%} of the runs or fewer. *At most* is the upper end of the one-sided 95% interval of "
        "Clopper and Pearson.",
        _table(("alarm", "rang in healthy runs", "verdict"), rows),
    )
    return "\n\n".join(map(str.rstrip, parts))


def _steps(count: int) -> str:
    return "the start" if count == 0 else f"{count} step{'s' if count > 1 else ''}"


def _text(text: str) -> str:
    """Return the beginning of an alarm's text as code: it may hold what Markdown would read."""
    cut = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT].rpartition(" ")[0] + " …"
    return f"`{cut.replace('`', chr(39))}`" if cut else ""


def _verdict(met: bool) -> str:
    return "met" if met else "falls short"


def _missing(name: str) -> Figure:
    return Figure(f"the figures of {name}", "all", "", "not measured")


def _not_measured(name: str, script: str) -> str:
    return f"Not measured: `benchmarks/results/{name}.json` does not exist. `python benchmarks/{script}` writes it.\n"


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


_PARTS: dict[str, Callable[[Found], str]] = {
    "all": _all, "serve": _table_of("serve_load"), "long": _long, "kills": _kills, "disks": _disks, "alarms": _alarms,
}  # fmt: skip


def main() -> None:
    """Write the page."""
    before = PAGE.read_text()
    after = page(before, RESULTS)
    PAGE.write_text(after)
    sys.stdout.write(f"{PAGE}: {'written again' if after != before else 'as it was'}\n")


if __name__ == "__main__":
    main()
