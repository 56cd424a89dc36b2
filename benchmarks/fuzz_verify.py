"""Ask extraction and comparison a million texts that a coverage-guided fuzzer makes: nothing crashes, hangs or grows.

    python -m venv fuzz && fuzz/bin/pip install atheris==3.0.0 mpmath==1.3.0
    PYTHONPATH=src fuzz/bin/python benchmarks/fuzz_verify.py            # writes benchmarks/results/fuzz_verify.json

atheris follows which lines of `outgrow.verify` an input reaches, and keeps and mutates those that reach new ones. It starts from
`fuzz_corpus.py`. Of each input, a known answer and a completion, this is asked:

- every extractor returns a text or nothing, and takes less than a second of processor time; so does every comparison;
- a known answer with blanks around it is the known answer;
- what stands in a box is found, and a box that holds the known answer is right.

An exception is a failure, since extraction and comparison document none. Failures are counted by kind, with the shortest input of
each. An input that takes 20 s of processor time ends the run, and is shown. Afterwards all kept inputs are asked three times in a
process of their own, without atheris, whose memory must not grow.
"""

import argparse
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fuzz_corpus import write_corpus, write_dictionary

RESULT = Path(__file__).parent / "results" / "fuzz_verify.json"
SOURCE = Path(__file__).parents[1] / "src"
SLOWEST_S, HANGS_S = 1.0, 20.0
LONGEST_INPUT = 3000
SEEDS = 3000
GROWTH_ROUNDS = 3
MOST_GROWTH_MB = 8.0


class Asked:
    """What is asked of an input, and what came of it."""

    def __init__(self) -> None:
        from outgrow.types import Verdict
        from outgrow.verify import EXTRACTORS, Attempt, Verifier
        from outgrow.verify.comparison.compare import LONGEST, same
        from outgrow.verify.extraction.boxes import is_blank
        from outgrow.verify.extraction.extract import after_thinking, boxed

        self.extractors, self.after_thinking, self.boxed, self.is_blank = EXTRACTORS, after_thinking, boxed, is_blank
        self.same, self.longest, self.attempt, self.verifier, self.right = same, LONGEST, Attempt, Verifier(), Verdict.RIGHT
        self.failures: dict[str, dict[str, Any]] = {}
        self.checks = dict.fromkeys(("extractions", "comparisons", "comparisons that are right", "known answers in a box"), 0)
        self.slowest_s, self.slowest = 0.0, ""

    def all(self, text: str) -> None:
        """Ask everything of an input; a failure is kept and does not end the run."""
        known, _, completion = text.partition("\0")
        found = {completion[:300]}
        for name, extractor in self.extractors.items():
            answer = self._timed(text, name, extractor, completion)
            self.checks["extractions"] += 1
            if answer is not None and not isinstance(answer, str):
                self._fail("an extractor returns no text", text)
            elif answer is not None:
                found.add(answer)
        for inside in (False, True):
            self._timed(text, "after_thinking", self.after_thinking, completion, inside)
        for answer in sorted(found, key=lambda held: held.encode("utf-8", "surrogatepass")):
            equal = self._timed(text, "same", self.same, known, answer)
            self.checks["comparisons"] += 1
            self.checks["comparisons that are right"] += equal is True
        if known.strip() and len(known) <= self.longest - 2 and self._timed(text, "same", self.same, known, f" {known}\n") is False:
            self._fail("a known answer is not itself with blanks around it", text)
        if is_content(known) and not self.is_blank(known) and len(known) <= self.longest:
            self._box(text, known)

    def _box(self, text: str, known: str) -> None:
        self.checks["known answers in a box"] += 1
        boxed = f"So the answer is \\boxed{{{known}}}, as one sees."
        if (content := self._timed(text, "boxed", self.boxed, boxed)) is not _RAISED and content != known:
            self._fail("what stands in a box is not found", text)
        graded = self._timed(text, "grade", self.verifier.grade, [self.attempt(boxed, known)])
        if graded is not _RAISED and graded[0].verdict is not self.right:
            self._fail("a known answer in a box is not right", text)

    def _timed(self, text: str, name: str, asked: Callable[..., Any], *arguments: Any) -> Any:
        """Return what is returned; `_RAISED` where it raises, which is kept as a failure, as is a long time."""
        started = time.process_time()
        try:
            result = asked(*arguments)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._fail(f"{name}: {type(error).__name__} in {Path(last.filename).name}, {last.name}", text)
            result = _RAISED
        took = time.process_time() - started
        if took > self.slowest_s:
            self.slowest_s, self.slowest = took, text[:300]
        if took > SLOWEST_S:
            self._fail(f"{name}: takes more than {SLOWEST_S:g} s", text)
        return result

    def _fail(self, kind: str, text: str) -> None:
        kept = self.failures.setdefault(kind, {"count": 0, "input": text})
        kept["count"] += 1
        if len(text) < len(kept["input"]):
            kept["input"] = text


_RAISED = object()


def is_content(text: str) -> bool:
    """Return whether a text can stand between a box's braces: its own are balanced, and it opens no box.

    Read one character after the other: a backslash takes the next one with it.
    """
    depth, index = 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 1
            if index == len(text):
                return False  # it would take the box's brace with it
        elif text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth < 0:
                return False
        index += 1
    return depth == 0 and "box" not in text and "think>" not in text


def fuzz(arguments: argparse.Namespace) -> None:
    """Be one process of the fuzzer: ask so many inputs, write what came of it, and end."""
    import atheris

    with atheris.instrument_imports(include=["outgrow.verify"]):
        asked = Asked()
    inputs, bytes_read, started = 0, 0, time.monotonic()

    now = Path(arguments.report).with_suffix(".now").open("wb", buffering=0)

    def one(data: bytes) -> None:
        nonlocal inputs, bytes_read
        now.seek(0)
        now.truncate()
        now.write(data)
        # Processor time, so that a busy machine makes no hang; what it sends ends the process, in C code as well.
        signal.setitimer(signal.ITIMER_PROF, HANGS_S)
        asked.all(data.decode("utf-8", "surrogateescape"))
        inputs, bytes_read = inputs + 1, bytes_read + len(data)
        if inputs == arguments.runs:
            report = {
                "inputs": inputs,
                "bytes": bytes_read,
                "seconds": time.monotonic() - started,
                "processor_seconds": time.process_time(),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "checks": asked.checks,
                "slowest_s": asked.slowest_s,
                "slowest": asked.slowest,
                "failures": asked.failures,
            }
            Path(arguments.report).write_text(json.dumps(report))
            os._exit(0)  # libFuzzer would ask on

    options = [
        f"-max_len={LONGEST_INPUT}",
        "-len_control=20",  # lengths grow sooner than by default
        f"-dict={arguments.dictionary}",
        f"-seed={arguments.seed + 1}",
        "-timeout=600",  # of wall time, which a busy machine uses up; `one` limits processor time
        "-rss_limit_mb=2048",
    ]
    atheris.Setup([sys.argv[0], *options, arguments.corpus], one)
    atheris.Fuzz()


def growth(arguments: argparse.Namespace) -> None:
    """Ask the kept inputs again and again; print the process's memory after each round, in MB."""
    texts = [file.read_bytes().decode("utf-8", "surrogateescape") for file in sorted(Path(arguments.corpus).iterdir())]
    asked, held = Asked(), []
    for _ in range(GROWTH_ROUNDS):
        for text in texts:
            asked.all(text)
        held.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
    print(json.dumps({"inputs": len(texts), "mb": held}))


def run(arguments: argparse.Namespace) -> None:
    """Run the processes of the fuzzer, then the growth; write the result. Exit code 1 where anything failed."""
    with tempfile.TemporaryDirectory() as name, _environment() as environment:
        folder = Path(name)
        made = write_corpus(folder / "seeds", arguments.seed, SEEDS)
        write_dictionary(folder / "dictionary")
        workers = []
        for number in range(arguments.jobs):
            corpus = folder / f"corpus{number}"
            corpus.mkdir()
            for file in (folder / "seeds").iterdir():
                (corpus / file.name).write_bytes(file.read_bytes())
            command = [
                sys.executable,
                __file__,
                "--worker",
                "--runs",
                str(arguments.runs // arguments.jobs),
                "--seed",
                str(arguments.seed + number),
            ]
            command += [
                "--corpus",
                str(corpus),
                "--dictionary",
                str(folder / "dictionary"),
                "--report",
                str(folder / f"report{number}"),
            ]
            log = (folder / f"log{number}").open("w")
            workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
        codes = [worker.wait() for worker in workers]
        logs = [(folder / f"log{number}").read_text(errors="replace") for number in range(arguments.jobs)]
        for number in (number for number, code in enumerate(codes) if code):
            print(logs[number][-3000:], f"the last input: {(folder / f'report{number}.now').read_bytes()!r}", sep="\n")
        if any(codes):
            sys.exit(f"a process of the fuzzer ended with {codes}; {-signal.SIGPROF} is a hang")
        reports = [json.loads((folder / f"report{number}").read_text()) for number in range(arguments.jobs)]
        kept = folder / "kept"
        kept.mkdir()
        for number in range(arguments.jobs):
            for file in (folder / f"corpus{number}").iterdir():
                (kept / f"{number}-{file.name}").write_bytes(file.read_bytes())
        command = [sys.executable, __file__, "--growth", "--corpus", str(kept)]
        grown = json.loads(
            subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1]
        )
    result = _result(arguments, made, reports, [_coverage(log) for log in logs], grown)
    Path(arguments.out).write_text(json.dumps(result, indent=1, ensure_ascii=True) + "\n")
    print(json.dumps(result, indent=1))
    if result["failures"] or result["growth"]["mb_from_first_to_last_round"] > MOST_GROWTH_MB:
        sys.exit(1)


def _result(
    arguments: argparse.Namespace, made: int, reports: list[Any], coverage: list[dict[str, int]], grown: Any
) -> dict[str, Any]:
    failures: dict[str, Any] = {}
    for report in reports:
        for kind, failure in report["failures"].items():
            kept = failures.setdefault(kind, {"count": 0, "input": failure["input"]})
            kept["count"] += failure["count"]
            kept["input"] = min(kept["input"], failure["input"], key=len)
    slowest = max(reports, key=lambda report: report["slowest_s"])
    return {
        "inputs": sum(report["inputs"] for report in reports),
        "inputs_at_the_start": made,
        "mean_bytes": sum(report["bytes"] for report in reports) / sum(report["inputs"] for report in reports),
        "checks": {name: sum(report["checks"][name] for report in reports) for name in reports[0]["checks"]},
        "processes": arguments.jobs,
        "seed": arguments.seed,
        "seconds": max(report["seconds"] for report in reports),
        "processor_seconds": sum(report["processor_seconds"] for report in reports),
        "coverage_edges": max(found["cov"] for found in coverage),
        "coverage_edges_at_the_start": max(found["first_cov"] for found in coverage),
        "coverage_features": max(found["ft"] for found in coverage),
        "peak_mb": max(report["peak_mb"] for report in reports),
        "slowest_s": slowest["slowest_s"],
        "slowest": slowest["slowest"],
        "growth": {**grown, "mb_from_first_to_last_round": grown["mb"][-1] - grown["mb"][0]},
        "failures": failures,
        "made_with": {
            "processor": _processor(),
            "python": platform.python_version(),
            "atheris": version("atheris"),
            "mpmath": version("mpmath"),
        },
    }


def _coverage(log: str) -> dict[str, int]:
    """Read edges and features from libFuzzer's lines: those when the corpus was read, and the last."""
    found = [tuple(map(int, pair)) for pair in re.findall(r"cov: (\d+) ft: (\d+)", log)]
    first = re.search(r"INITED\s+cov: (\d+)", log)
    return {"cov": found[-1][0], "ft": found[-1][1], "first_cov": int(first[1]) if first else 0}


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    yield {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": "0"}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10**6, help="inputs, over all processes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=str(RESULT))
    for name in ("--worker", "--growth"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    for name in ("--corpus", "--dictionary", "--report"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    (fuzz if arguments.worker else growth if arguments.growth else run)(arguments)


if __name__ == "__main__":
    main()
