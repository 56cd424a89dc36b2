"""Synthetic data as something to learn from: token for token what was sampled, by our own SFT and by TRL's."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.cli.data import _section
from outgrow.config import parse_recipe
from outgrow.config.sections import DataSection
from outgrow.core.errors import UsageError
from outgrow.core.rollout_log import read_parts
from outgrow.engines import LocalModel, NativeEngine, sync
from outgrow.policy import Sampling, load_policy
from outgrow.problems.micro import Micro
from outgrow.problems.synthetic import Synthetic
from outgrow.synthetic import DataRequest, make_data, read_rows
from outgrow.train.sft import SFTJob
from outgrow.types import Problem
from outgrow.verify import Verifier

PROBLEMS = Micro(fields=("sum", "clock"), levels=(2, 4), per_level=6).load()


@dataclass
class Recorded(NativeEngine):
    """An engine that remembers its rollouts."""

    rollouts: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def generate(self, *args, **more):
        groups = super().generate(*args, **more)
        self.rollouts += [one for group in groups for one in group]
        return groups


@pytest.fixture(scope="module")
def folder(shipped, tmp_path_factory):
    """Synthetic data of the shipped model, and the rollouts that it was made of."""
    engine, out = Recorded(), tmp_path_factory.mktemp("data") / "made"
    sync(engine, shipped)
    with Verifier() as verifier:
        request = DataRequest(PROBLEMS, DataSection(k=4, temperature=1.2), Sampling(max_tokens=88), seed=1)
        make_data(LocalModel(shipped, engine), verifier, request, out)
    return out, engine.rollouts


def job(policy, tmp_path, problems, **learn):
    values = {"name": "warm", "kind": "sft", "policy": {"model": "micro-base"}, "problems": problems, "learn": learn}
    values["evaluate"] = {"suite": "micro"}
    return SFTJob(parse_recipe(values), policy, tmp_path, pytest.fail)


def test_sft_learns_exactly_the_tokens_that_were_sampled(folder, tmp_path):
    path, rollouts = folder
    fresh = load_policy("micro-base")
    learning = job(fresh, tmp_path, [{"type": "synthetic", "path": str(path)}], batch_size=4)
    sampled = {(tuple(one.prompt_ids), tuple(one.completion_ids)) for one in rollouts}
    problems = Synthetic(path=path).load()
    assert len(problems) == len({one.id for one in problems}) == len(read_rows(path)) > 20
    for problem in problems:
        example = learning._encode(problem)
        assert (tuple(example.prompt_ids), tuple(example.completion_ids)) in sampled
    assert learning.advance(1, lambda: None).metrics["train/loss"] < 1, "they are likely under the model that wrote them"


def test_trl_learns_exactly_the_tokens_that_were_sampled(folder, tmp_path):
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    path, rollouts = folder
    policy = load_policy("micro-base")
    # The model's own template cuts the thoughts out of every answer, as R1's does.
    policy.tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
        "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )
    data = load_dataset(str(path), split="train", cache_dir=tmp_path / "cache")
    settings = SFTConfig(str(tmp_path / "trl"), max_steps=1, use_cpu=True, report_to="none", save_strategy="no", bf16=False)
    trainer = SFTTrainer(policy.model, settings, train_dataset=data, processing_class=policy.tokenizer)
    sampled = {(*one.prompt_ids, *one.completion_ids) for one in rollouts}
    assert {tuple(one["input_ids"]) for one in trainer.train_dataset} <= sampled
    assert trainer.train().training_loss < 3


def test_a_solution_is_boxed_only_where_it_has_not_answered_itself(untrained, tmp_path):
    learning = job(untrained, tmp_path, [{"type": "micro", "fields": ["sum"], "per_level": 1}])

    def text(**more):
        problem = Problem(str(more), "sum", 1, "1+1=?", "2", **more)
        return untrained.tokenizer.decode(learning._encode(problem).completion_ids)

    assert text(solution="1+1=2") == "1+1=2</think>\\boxed{2}<|end|>"
    assert text(solution="so</think>It is \\boxed{2}.") == "so</think>It is \\boxed{2}.<|end|>"
    assert text(solution="It is \\boxed{2}.", whole=True) == "It is \\boxed{2}.<|end|>"


def test_the_source_takes_a_folder_a_file_and_some_generations(folder, tmp_path):
    path, _ = folder
    rows = pq.read_table(path / "data" / "train-00000-of-00001.parquet").to_pylist()
    file = tmp_path / "two.parquet"
    pq.write_table(pa.Table.from_pylist([*rows, *({**one, "generation": 2} for one in rows[:3])]), file)
    said = []
    assert len(Synthetic(path=file).load(said.append)) == len(rows), "an answer met again teaches nothing new"
    assert "3 rows" in said[0]
    second = Synthetic(path=file, generations=(2,)).load()
    assert [(one.question, one.solution, one.answer) for one in second] == [
        (one["question"], one["sampled"], one["extracted"]) for one in rows[:3]
    ]
    assert second == Synthetic(path=path).load()[:3], "with the same ids, wherever it stands"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("sampled"), "row 1: column 'sampled' is not of type str"),
        (lambda row: row.update(level="hard"), "row 1: column 'level' is not of type int"),
        (lambda row: row.update(extracted=None), "row 1: column 'extracted' is not of type str"),
    ],
)
def test_what_is_no_made_data_is_said(folder, tmp_path, change, said):
    first = pq.read_table(folder[0] / "data" / "train-00000-of-00001.parquet").to_pylist()[0]
    change(first)
    pq.write_table(pa.Table.from_pylist([first]), tmp_path / "other.parquet")
    with pytest.raises(UsageError, match=said):
        Synthetic(path=tmp_path / "other.parquet").load()


def test_where_it_cannot_be_used_is_said(folder, tmp_path, shipped):
    path, _ = folder
    with pytest.raises(UsageError, match=r"data/\*\.parquet"):
        Synthetic(path=tmp_path).load()
    with pytest.raises(UsageError, match="no problem"):
        Synthetic(path=path, generations=(7,)).load()
    with pytest.raises(UsageError, match="problem source 'synthetic'"):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "synthetic", "path": str(path)}]})
    pq.write_table(pa.table({"question": ["?"]}), tmp_path / "q.parquet")
    with pytest.raises(UsageError, match=r"q\.parquet"):
        read_rows(tmp_path / "q.parquet")
    answers = [replace(PROBLEMS[0], whole=True)]
    engine = NativeEngine()
    sync(engine, shipped)
    request = DataRequest(answers, DataSection(), Sampling())
    with Verifier() as verifier, pytest.raises(UsageError, match=r"(?i)synthetic"):
        make_data(LocalModel(shipped, engine), verifier, request, tmp_path / "x")


def test_the_command(tmp_path, outgrow):
    out = tmp_path / "deep" / "made"
    recipe = tmp_path / "few.toml"
    recipe.write_text('extends = "micro"\nname = "few"\n[[problems]]\ntype = "micro"\nper_level = 6\n')
    few = ["data", "micro-base", recipe, "--out", out, "--on", "micro-validation"]
    few += ["--set", "data.fields=['letters']", "--set", "data.levels=[1]", "--set", "data.k=2"]
    code, printed, complaint = outgrow(*few)
    assert code == 0, complaint
    rows = read_rows(out)
    assert {(one.field, one.level, one.n, one.generation) for one in rows} == {("letters", 1, 2, 1)}
    assert f"{len(rows)} kept" in printed
    assert printed.rstrip().endswith(str(out))
    assert "outgrow data runs/first micro --out data/first" in CliRunner().invoke(app, ["data", "--help"]).stdout
    code, _, complaint = outgrow(*few)
    assert (code, complaint.count("\n")) == (2, 1)
    assert "already exists" in complaint
    with pytest.raises(UsageError, match=r'data\.keep=some: .*"some"'):
        _section(["data.keep=some"])
    for other in ("learn.lr=1", "data=3"):
        with pytest.raises(UsageError, match=rf"{other}.*data\.k=16"):
            _section([other])
    with pytest.raises(UsageError, match=r"levles'.*'levels'"):
        _section(["data.levles=[1]"])


def test_the_command_takes_what_a_run_wrote(tmp_path, outgrow, monkeypatch):
    """Nothing is drawn: the rows are the run's right rollouts, of the fields and levels that were asked for."""
    monkeypatch.chdir(tmp_path)
    lines = ["learn.steps=2", "learn.problems_per_step=8", "learn.group_size=4", "curriculum={type='uniform'}", "run.threads=1"]
    sets = [*lines, "evaluate.suite=micro-validation", "evaluate.samples=1", "evaluate.every=0", "run.checkpoint_every=2"]
    assert outgrow("train", "micro", "--out", "run", *(word for line in sets for word in ("--set", line)))[0] == 0
    wrote = list(read_parts(Path("run"), ["completion", "level", "verdict"]))
    right = {row["completion"] for row in wrote if row["verdict"] == "right" and row["level"] < 3}
    assert 0 < len(right) < len(wrote) == 64
    none, own = ["--set", "data.k=0"], ["--set", "data.rollouts=true"]
    some = ["--set", "data.levels=[1,2]", "--set", "data.per_easy_problem=4"]
    asked = ["--out", "free", *none, *own, *some, "--on", "micro"]
    code, printed, _ = outgrow("data", "run", "micro", *asked)
    assert code == 0 and re.search(r"[\d,]+ problems, (\d+) answers \(\1 of them written in training\)", printed)
    rows = read_rows(Path("free"))
    assert {" ".join(one.sampled.split()) for one in rows} == {" ".join(text.split()) for text in right}
    assert {one.level for one in rows} <= {1, 2}
    code, _, told = outgrow("data", "micro-base", "micro", "--out", "none", *own, *none)
    assert (code, told.count("\n")) == (2, 1) and "micro-base has no rollouts" in told
    code, _, told = outgrow("data", "http://localhost:1/v1", "micro", "--out", "none", *own)
    assert (code, told.count("\n")) == (2, 1) and "http://localhost:1/v1 has no rollouts" in told
    code, _, told = outgrow("data", "run", "micro", "--out", "none", *none)
    assert code == 2 and "k = 0" in told
    assert not Path("none").exists()
