"""lm-evaluation-harness: our engine in the place of its models gives its own model's numbers, and ours."""

import json
from pathlib import Path

import pytest
import torch
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from typer.testing import CliRunner

import outgrow
from outgrow.cli.app import app
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import LocalModel, NativeEngine, sync
from outgrow.evaluate import evaluate
from outgrow.evaluate.lm_eval import _batches, _cut, _Harnessed, run_tasks
from outgrow.policy import Sampling
from outgrow.policy.likelihood import likelihoods
from outgrow.problems.suites import suite
from outgrow.verify import Verifier

SHIPPED = Path(outgrow.__file__).parent / "policy" / "models" / "micro-base"

WRITTEN = r"""
task: micro_written
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: [], do_sample: false, max_gen_toks: 88}
filter_list:
  - name: boxed
    filter:
      - {function: regex, regex_pattern: '\\boxed\{([^{}]*)\}', group_select: -1}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
CHOSEN = r"""
task: micro_chosen
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A folder of two tasks on the micro problems: one to write answers to, one to choose them."""
    folder = tmp_path_factory.mktemp("tasks")
    problems = suite("micro-validation").load()
    others = [problem.answer for problem in problems]
    with (folder / "micro.jsonl").open("w") as file:
        for place, problem in enumerate(problems):
            choices = [problem.answer, *(others[(place + far) % len(others)] + "1" for far in (1, 5, 9))]
            file.write(json.dumps({"question": problem.question, "answer": problem.answer, "choices": choices}) + "\n")
    for name, text in (("written", WRITTEN), ("chosen", CHOSEN)):
        (folder / f"{name}.yaml").write_text(text.replace("DATA", str(folder / "micro.jsonl")))
    return folder


@pytest.fixture(scope="module")
def local(shipped):
    engine = NativeEngine()
    sync(engine, shipped)
    return LocalModel(shipped, engine)


def _manager(folder):
    """The harness's own tasks, thousands of files, are left out."""
    return TaskManager(include_path=str(folder), include_defaults=False)


def theirs(folder, task):
    model = HFLM(pretrained=str(SHIPPED), device="cpu", batch_size=16)
    return simple_evaluate(model=model, tasks=[task], task_manager=_manager(folder), bootstrap_iters=0)["results"][task]


def test_likelihoods_are_transformers(shipped):
    texts = [("27+58=?", "7+8+0=15"), ("27+58=?", "85"), ("roman XIX=?", "1"), ("3", "4+4+4+4+4+4")]
    prompts, rest = zip(
        *([shipped.tokenizer.encode(part, add_special_tokens=False) for part in pair] for pair in texts), strict=True
    )
    for (logprob, likeliest), prompt, continuation in zip(likelihoods(shipped, prompts, rest), prompts, rest, strict=True):
        with torch.no_grad():
            logits = shipped.model(torch.tensor([prompt + continuation])).logits[0, len(prompt) - 1 : -1]
        targets = torch.tensor(continuation)
        assert logprob == pytest.approx(float(logits.log_softmax(-1).gather(-1, targets[:, None]).sum()), abs=1e-4)
        assert likeliest == bool((logits.argmax(-1) == targets).all())
    greedy = shipped.model.generate(torch.tensor([prompts[0]]), max_new_tokens=4, do_sample=False)[0, len(prompts[0]) :].tolist()
    assert likelihoods(shipped, [prompts[0]], [greedy])[0][1] is True


def test_choices_are_scored_as_the_harness_scores_them(local, tasks):
    scores = {score.metric: score for score in run_tasks(local, ["micro_chosen"], folder=tasks)}
    found = theirs(tasks, "micro_chosen")
    for metric in ("acc", "acc_norm"):
        assert scores[metric].value == pytest.approx(found[f"{metric},none"], abs=1e-9)
        assert 0.2 < scores[metric].value < 0.99
    assert scores["acc"].n == 190
    assert scores["acc"].error == pytest.approx((scores["acc"].value * (1 - scores["acc"].value) / 189) ** 0.5, rel=1e-6)


def test_answers_are_written_as_we_measure_them(local, tasks):
    """The harness's figure of greedy answers through the chat template is our own, and that of its own model."""
    [score] = run_tasks(local, ["micro_written"], folder=tasks, chat=True)
    with Verifier() as verifier:
        ours = evaluate(local, verifier, suite("micro-validation").load(), 1, Sampling(max_tokens=88), 0).summary()
    assert score.value == ours["greedy"]
    model = HFLM(pretrained=str(SHIPPED), device="cpu", batch_size=16)
    found = simple_evaluate(
        model=model,
        tasks=["micro_written"],
        task_manager=_manager(tasks),
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    assert score.value == found["results"]["micro_written"]["exact_match,boxed"]


def test_whole_texts_are_scored_as_the_harness_scores_them(local):
    texts = ["27+58=?", "roman XIX=?", "3*4=12," * 60]  # the last is longer than the model's context
    requests = [Instance("loglikelihood_rolling", {}, (text,), place) for place, text in enumerate(texts)]
    found = HFLM(pretrained=str(SHIPPED), device="cpu", max_length=local.policy.context - 1).loglikelihood_rolling(
        requests, disable_tqdm=True
    )
    assert _Harnessed(local, 0).loglikelihood_rolling(requests) == pytest.approx(found, abs=1e-3)


def test_repeats_are_draws_of_their_own_and_sampling_is_read_as_the_harness_does(local):
    model = _Harnessed(local, 0)
    drawn = [Instance("generate_until", {}, ("27+58=?", {"do_sample": True, "temperature": 3.0, "max_gen_toks": 20}), 0)] * 6
    assert len(set(model.generate_until(drawn))) > 1
    assert model.generate_until(drawn) == model.generate_until(drawn)
    for asked, read in (
        ({"do_sample": False, "temperature": 1.0}, (0.0, 256)),
        ({"temperature": 0.7, "do_sample": True, "max_new_tokens": 10}, (0.7, 10)),
        ({}, (0.0, 256)),
    ):
        assert (model._sampling(asked).temperature, model._sampling(asked).max_tokens) == read


def test_stop_strings_and_batches():
    assert _cut("a b\n\nQ: c", ["Q:", "\n\n"]) == "a b"
    assert _cut("a b", "z") == _cut("a b", []) == _cut("a b", [""]) == "a b"
    assert list(_batches([2, 0, 1], [5000, 4000, 9000])) == [[2], [0], [1]]
    assert list(_batches([0, 1, 2], [4000, 4000, 4000])) == [[0, 1], [2]]


def test_what_cannot_be_asked_is_said_in_a_line(tasks, tmp_path):
    with pytest.raises(UsageError, match=r"has no task called 'micro_writen'.*micro_written"):
        run_tasks(None, ["micro_writen"], folder=tasks)
    (tmp_path / "gone.yaml").write_text(WRITTEN.replace("DATA", str(tmp_path / "nowhere.jsonl")).replace("micro_written", "gone"))
    for args, said in (
        (["micro-base", "gone", "--folder", tmp_path], "cannot run these tasks"),
        (["micro-base", "gone", "--folder", tmp_path / "nowhere"], "--folder"),
        (["http://localhost:1/v1", "gone"], "is a server's address"),
        (["micro-base", ","], "name a task"),
        (["micro-base", "gone", "--out", tmp_path], "this is a folder"),
    ):
        result = CliRunner().invoke(app, ["harness", *map(str, args)])
        # What is not refused as a wrong option is an error that `python -m outgrow` prints as one line.
        assert isinstance(result.exception, OutgrowError | SystemExit)
        assert said in f"{result.stderr}{result.exception}"
