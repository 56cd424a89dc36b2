"""What a log says of long work: plain lines from the first seconds on, with answers, tokens and an ETA; no bars."""

import io
import itertools
import json
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from helpers.runs import SMALL, Silent
from helpers.slow_engine import SlowEngine
from outgrow.cli import progress
from outgrow.cli.app import app
from outgrow.cli.eta import seconds_left
from outgrow.config import load_recipe
from outgrow.core.callbacks import Written
from outgrow.core.errors import OutgrowError, install_hint
from outgrow.engines import ChatRequest, GenerationRequest, LocalModel, NativeEngine, OpenAIServer, Tally, sync
from outgrow.policy import Sampling
from outgrow.train.loop import train

LINE = re.compile(r"measuring: ([\d,]+) of ([\d,]+) answers(, [\d,]+ tokens, [\d,]+ tokens/s)?(, (ETA|after) .+)?")


class Clock:
    """A clock that a test sets, or that moves on at each look."""

    def __init__(self, step=0.0):
        self.now, self.step = 100.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    return clock


@pytest.fixture
def log(monkeypatch):
    """What is printed where stderr is a file."""
    file = io.StringIO()
    monkeypatch.setattr(progress, "errors", Console(file=file, width=20))
    return file


def test_the_rest_of_some_answers_by_hand():
    assert seconds_left(100, Written(), 9) is None
    assert seconds_left(100, Written(100, 500), 9) == 0
    # 20 of 100 in 10 s, without tokens: 80 more.
    assert seconds_left(100, Written(20), 10) == 40
    # 10 of the 20 were stored: 10 new ones took 10 s.
    assert seconds_left(100, Written(20, 0, 10), 10) == 80
    # No answer is complete: each may take 50 tokens; 1,000 of 5,000 in 10 s.
    assert seconds_left(100, Written(0, 1000), 10, max_tokens=50) == 40
    assert seconds_left(100, Written(0, 1000), 10) is None
    # 1,000 tokens over 40 complete answers: 25 each, 1,500 more at 100 a second.
    assert seconds_left(100, Written(40, 1000), 10, max_tokens=50) == pytest.approx(15)
    # The same with 50 stored answers: 1,250 tokens in all.
    assert seconds_left(100, Written(90, 1000, 50), 10, max_tokens=50) == pytest.approx(2.5)


def test_tokens_over_complete_answers_is_the_mean_length_of_a_batch_that_is_not_done():
    """Rows of a batch that end with probability 1/40 at each token; 200 of 3,000 rows are looked at after 20 tokens."""
    import numpy as np

    lengths = np.random.default_rng(0).geometric(1 / 40, 3000)
    complete = int((lengths <= 20).sum())
    tokens = int(np.minimum(lengths, 20).sum())
    left = seconds_left(3000, Written(complete, tokens), 1.0, max_tokens=1000)
    assert left == pytest.approx((lengths.sum() - tokens) / tokens, rel=0.1)
    assert lengths[lengths <= 20].mean() < 15, "the mean of the complete ones says much too little"


def test_lines_come_soon_and_then_at_growing_gaps_up_to_a_minute(clock, log):
    times = []
    with progress.answering("measuring", 1000, 64) as tally:
        told = tally.call()
        for second in range(1, 601):
            clock.now += 1
            lines = log.getvalue().count("\n")
            told(Written(second, 50 * second))
            if log.getvalue().count("\n") > lines:
                times.append(second)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == 5
    assert gaps == sorted(gaps)
    assert max(gaps) == 60
    lines = log.getvalue().splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert lines[0] == "measuring: 5 of 1,000 answers, 250 tokens, 50 tokens/s, ETA 17 min"
    assert lines[-1] == "measuring: 600 of 1,000 answers, 30,000 tokens, 50 tokens/s, after 10 min"


def test_work_that_is_done_at_once_has_a_last_line_and_brief_work_none(clock, log):
    with progress.answering("measuring", 3, 8) as tally:
        tally.call()(Written(3, 12))
    assert log.getvalue() == "measuring: 3 of 3 answers, 12 tokens, after 0 s\n"
    with progress.measurements() as display:
        display.answering("one", 4)(Written(4, 9))
        brief = display.answering("two", 4)
        clock.now += 6
        brief(Written(1, 9))
        brief(Written(4, 30))
    assert [line[:16] for line in log.getvalue().splitlines()[1:]] == ["two: 1 of 4 answ", "two: 4 of 4 answ"]


@pytest.mark.parametrize(("seconds", "lines"), [(1, 0), (6, 2)])
def test_an_error_says_how_far_it_was_unless_it_comes_at_once(clock, log, seconds, lines):
    def fail():
        with progress.answering("measuring", 30, 8) as tally:
            tell = tally.call()
            clock.now += seconds
            tell(Written(4, 20))
            raise OutgrowError("out of reach")

    with pytest.raises(OutgrowError, match="out of reach"):
        fail()
    assert [line.split(",")[0] for line in log.getvalue().splitlines()] == ["measuring: 4 of 30 answers"] * lines


def test_what_was_done_before_takes_no_time(clock, log):
    with progress.counting("experiment", 30, "runs") as told:
        told(20)
        clock.now += 10
        told(25)
    assert "experiment: 25 of 30 runs, ETA 10 s" in log.getvalue()


def test_a_terminal_gets_one_bar_with_the_same_figures(clock, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(progress, "errors", Console(file=terminal, force_terminal=True, width=120))
    with progress.answering("measuring", 10, 8) as tally:
        told = tally.call()
        clock.now += 2
        told(Written(4, 20))
        clock.now += 3
        told(Written(10, 50))
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).rstrip().splitlines()[-1]
    assert "10/10" in last
    assert "50 tokens, 10 tokens/s, after 5 s" in last


@pytest.mark.parametrize("engine", [NativeEngine, SlowEngine, lambda: NativeEngine(max_sequences=4)])
def test_engines_tell_what_they_have_written(untrained, engine):
    engine = engine()
    sync(engine, untrained)
    told = []
    request = GenerationRequest([[5, 6, 7], [8, 9], [4]], 4, Sampling(max_tokens=12), [1, 2, 3], told.append)
    groups = engine.generate(request)
    tokens = sum(len(rollout.completion_ids) for group in groups for rollout in group)
    assert len(told) > 5
    for one, two in itertools.pairwise(told):
        assert one.answers <= two.answers
        assert one.tokens < two.tokens or one == two
    assert told[-1].tokens <= tokens
    assert told[0].tokens <= 12
    if isinstance(engine, NativeEngine):
        assert told[-1] == Written(12, tokens)
    # A model tells the same, and the end exactly, whatever its engine told.
    totals = []
    model = Tally(totals.append).wrap(LocalModel(untrained, engine))
    conversations = [untrained.prompt.messages(question, untrained.tokenizer) for question in ("1+1=?", "2")]
    for _ in range(2):
        answers = model.answer(ChatRequest(conversations, 2, Sampling(max_tokens=6), [7, 8]))
    length = sum(answer.length for group in answers for answer in group)
    assert totals[-1] == Written(8, 2 * length)
    assert Written(4, length) in totals


def test_a_server_is_counted_while_it_answers(serve):
    """The first answer is told before the second one comes."""
    told = []

    def answer(body):
        if body["messages"][-1]["content"] == "two":
            while not any(written.answers for written in told):
                pass
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "1"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8}
        return 200, {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

    server = OpenAIServer(serve(answer).url)
    conversations = [[{"role": "user", "content": text}] for text in ("one", "two")]
    Tally(told.append).wrap(server).answer(ChatRequest(conversations, 1, Sampling(max_tokens=6), [7, 8]))
    assert Written(1, 7) in told
    assert told[-1] == Written(2, 14)


@pytest.fixture
def problems(tmp_path):
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n}+1=?", "answer": str(n + 1)}) + "\n" for n in range(30)))
    return file


def lines_of(errors):
    assert "\r" not in errors
    assert "\x1b" not in errors
    return errors.splitlines()


def test_measuring_commands_say_how_far_they_are(outgrow, monkeypatch, problems, tmp_path):
    """Each look at the clock takes a second, so every command takes long."""
    monkeypatch.setattr(progress, "clock", Clock(step=1.0))
    for command in (
        ("eval", "micro-base", "--on", problems, "--samples", "2", "--fresh"),
        ("passrate", "micro-base", problems, "--samples", "2", "--out", tmp_path / "profile"),
        ("data", "micro-base", problems, "--out", tmp_path / "made", "--set", "data.k=2", "--on", "micro-validation"),
    ):
        code, _, err = outgrow(*command)
        lines = lines_of(err)
        assert code == 0, err
        counted = [line for line in lines if re.match(r"\w+: [\d,]+ of [69]0 answers", line)]
        assert len(counted) >= 3, command
        assert sum("tokens/s, ETA" in line for line in counted) >= 1, command
        assert " of " in counted[-1], command


def test_a_log_has_no_bars(problems, tmp_path):
    """stdout and stderr in one file, as in `outgrow eval … > log 2>&1`."""
    log = tmp_path / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "outgrow", "eval", "micro-base", "--on", problems, "--samples", "2"]
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=True, timeout=120)
    lines = lines_of(log.read_text())
    assert LINE.fullmatch(lines[0])
    assert any(line.startswith("measuring: 90 of 90 answers, ") for line in lines)


def test_grading_a_file_says_how_far_it_is(outgrow, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "clock", Clock(step=2.0))
    monkeypatch.chdir(tmp_path)
    rows = [{"output": rf"\boxed{{{n}}}", "answer": str(n)} for n in range(5000)]
    (tmp_path / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = outgrow("verify", "outputs.jsonl", "--output", "output", "--answer", "answer", "--extract", "boxed")
    assert (code, out.split()[:3]) == (0, ["n", "=", "5000"])
    lines = lines_of(err)
    assert re.fullmatch(r"grading outputs\.jsonl: [1-4],000 of 5,000 answers, ETA \d+ s", lines[0])
    assert lines[-1].startswith("grading outputs.jsonl: 5,000 of 5,000 answers, after")


def test_a_run_and_its_drift_say_how_far_their_measurements_are(outgrow, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "clock", Clock(step=1.0))
    options = [part for key in (*SMALL, "learn.steps=2", "evaluate.every=1") for part in ("--set", key)]
    code, out, err = outgrow("train", "micro", "--out", tmp_path / "run", *options)
    assert code == 0, err
    lines = lines_of(out)
    for what in ("measuring before training on held-out", "step 1, validation", "step 2, rollout"):
        counted = [line for line in lines if line.startswith(f"{what}: ")]
        assert re.search(r": \d+ of \d+ answers, .*tokens/s, ETA ", counted[0]), lines
        assert " tokens/s, after " in counted[-1]
    assert any(re.match(r"step 2/2  pass rate .* ETA 0 s", line) for line in lines)
    code, _, err = outgrow("drift", tmp_path / "run", "--on", "micro-lab", "--samples", "1")
    lines = lines_of(err)
    assert code == 0
    assert any(re.match(r"step 0, micro-lab \(measurement 1 of 2\): \d+ of \d+ answers, .* ETA ", line) for line in lines)
    assert any(line.startswith("step 2, micro-lab (measurement 2 of 2): ") for line in lines)


HARNESS = """
import sys
from functools import partial
from outgrow.cli import main
sys.argv = ["outgrow", "harness", "micro-base", "sums", "--folder", sys.argv[1]]

def quick():  # without the harness's own 14,000 tasks
    from outgrow.evaluate import lm_eval
    lm_eval._LoadedOnce = partial(lm_eval._LoadedOnce, include_defaults=False)

import outgrow.cli.harness as command
real = command.recipe_for
command.recipe_for = lambda *names: (quick(), real(*names))[1]
main()
"""
SUMS = r"""
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["2", "3"]
doc_to_target: 0
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


def test_the_bars_of_libraries_are_kept_out_of_a_log(problems, tmp_path):
    """datasets, the harness and transformers all show bars where nobody stops them."""
    pytest.importorskip("lm_eval")
    (tmp_path / "sums.yaml").write_text(SUMS.replace("DATA", str(problems)))
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", HARNESS, str(tmp_path)]
    with (tmp_path / "log").open("w") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True, timeout=200, env=environment)
    lines = lines_of((tmp_path / "log").read_text())
    assert "loading sums" in lines
    assert not [line for line in lines if "it/s" in line or "examples/s" in line or "100%" in line]


@pytest.mark.parametrize("kept", [None, "0"])
def test_a_terminal_keeps_the_bars_and_so_does_who_asked_for_them(monkeypatch, kept):
    name = "HF_HUB_DISABLE_PROGRESS_BARS"
    monkeypatch.delenv(name, raising=False)
    if kept is not None:
        monkeypatch.setenv(name, kept)
    seen = []
    monkeypatch.setattr("outgrow.cli.recipes.console.print", lambda *args, **more: seen.append(os.environ.get(name)))
    for terminal in (False, True):
        monkeypatch.setattr(sys.modules["outgrow.cli.app"], "errors", Console(file=io.StringIO(), force_terminal=terminal))
        CliRunner().invoke(app, ["recipes"])
    assert seen[0] == ("1" if kept is None else kept)
    assert seen[-1] == kept
    assert os.environ.get(name) == kept, "put back"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([40], []),
        ([5], ["learn.problems_per_step=6", "the data", "a step takes 5"]),
        ([40, 2], ["learn.problems_per_step=6", "number 2", "a step takes 5"]),
    ],
)
def test_a_step_larger_than_the_data_is_told_in_a_line(tmp_path, sources, words):
    tables = []
    for number, count in enumerate(sources):
        rows = [{"question": f"{number}{n}+1=?", "answer": str(number * 10 + n + 1)} for n in range(count)]
        file = tmp_path / f"{number}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tables.append(f'{{type="table",path="{file}"}}')
    watcher = Silent()
    (tmp_path / "other.jsonl").write_text(json.dumps({"question": "1+1=?", "answer": "2"}))
    measured = [f"evaluate.{what}={tmp_path / 'other.jsonl'}" for what in ("suite", "validation")]  # so that none is held out
    one_step = ["learn.steps=1", "evaluate.every=0", f"problems=[{','.join(tables)}]"]
    recipe = load_recipe("micro", [*SMALL, *measured, *one_step])
    train(recipe, tmp_path / "run", watcher)
    told = [note for note in watcher.notes if "problems_per_step" in note]
    assert len(told) == bool(words)
    for word in words:
        assert word in told[0]


def test_an_extra_is_named_for_a_clone_too():
    assert 'pip install "outgrow[lab]"' in install_hint("lab")
    assert 'pip install ".[lab]"' in install_hint("lab")


@pytest.mark.parametrize("how", ["stage", "phase", "warn"])
def test_what_a_file_of_others_says_is_printed_as_text(how):
    """A suite's path may hold brackets, and a checkpoint, a problem or a reply what a terminal obeys."""
    file = io.StringIO()
    shown = progress.Terminal(Console(file=file, width=20, force_terminal=True, color_system=None))
    getattr(shown, how)("measuring on data[/b].jsonl \x1b[2J and the rest of the line")
    shown.bar.stop()
    assert "measuring on data[/b].jsonl [2J and the rest of the line\n" in file.getvalue()
