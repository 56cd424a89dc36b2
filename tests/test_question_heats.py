"""The section on surprise of a run's page: against a second reading of the model, escaped, and absent without a memory."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from helpers.memory import INIT, memory_policy
from helpers.report import Page, evaluation, save, write_recipe, write_steps
from outgrow.evaluate import Evaluation
from outgrow.evaluate.surprise import surprise_of
from outgrow.evaluate.surprise_row import row_of
from outgrow.policy import Policy
from outgrow.policy.memory.frozen import FrozenBase
from outgrow.policy.memory.settings import Kind
from outgrow.policy.micro import make_model, make_tokenizer
from outgrow.report import question_heats as module
from outgrow.report import write_report
from outgrow.runs.checkpoint import save_checkpoint
from outgrow.runs.folder import RunFolder

HOSTILE = "<script>alert('{}')</script>&amp;"


def _run(folder: Path, policy: Policy) -> Path:
    """A run with a checkpoint of this policy; its questions are hostile."""
    run = folder / "run"
    write_recipe(run)
    write_steps(run, 2)
    for when, chance in (("before", 0.3), ("after", 0.7)):
        samples = [
            replace(sample, question=HOSTILE.format(sample.problem_id)) for sample in evaluation({1: chance, 2: chance}, 1).samples
        ]
        save(run, when, Evaluation(samples))
    save_checkpoint(run, 2, policy, {}, {}, keep=1)
    return run


def test_surprise_and_loss_of_three_questions_are_on_the_page(tmp_path: Path) -> None:
    policy = memory_policy("titans")
    page = Page(write_report(_run(tmp_path, policy)))
    heats = [
        text for text, below in pairwise(page.pres) if text == below and text.startswith("<script>")
    ]  # surprise, and loss below it
    titles = [str(said["title"]) for tag, said in page.elements if tag == "span" and "token" in (said.get("class") or "")]
    expected: list[str] = []
    for question in heats:
        found = surprise_of(policy, row_of(policy, question, chat=True), "titans", question=False)
        numbers = [(found.surprise()[at], found.losses[at]) for at in found.row.shown]
        expected += [f"surprise {value:.3g}, loss {loss:.3g} nats" for value, loss in numbers] * 2
    assert len(heats) == 3 and titles == expected
    strengths = [said["class"] for tag, said in page.elements if said.get("title") in titles]
    assert {"token  v0", "token  v100", "token loss v0", "token loss v100"} <= set(strengths)
    assert "alert('" not in page.source and "What surprises its memory" in page.source
    assert page.text.count("Spearman correlation of surprise and loss") == 3


@pytest.mark.parametrize("frozen", [None, FrozenBase("no such base")], ids=["whole", "next to a frozen base"])
def test_a_memory_is_found_however_it_is_saved(frozen: FrozenBase | None, tmp_path: Path) -> None:
    run = _run(tmp_path, replace(memory_policy("titans"), frozen=frozen))
    assert b"What surprises its memory" in write_report(run).read_bytes()
    policy = replace(memory_policy("linear_attention"), frozen=frozen)
    save_checkpoint(run, 3, policy, {}, {}, keep=1)
    assert b"What surprises its memory" not in write_report(run).read_bytes()


def test_long_questions_are_left_out_and_a_torn_checkpoint_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(tmp_path, memory_policy("gated_delta"))
    monkeypatch.setattr(module, "_TOKENS", 100)
    assert Page(write_report(run)).text.count("Spearman correlation of surprise and loss") == 2
    monkeypatch.setattr(module, "_TOKENS", 9)
    assert "No question is shown: they have more than 9 tokens." in Page(write_report(run)).text
    (RunFolder(run).checkpoint(2) / "policy" / "model.safetensors").write_bytes(b"")
    assert "No question is shown: " in (page := Page(write_report(run))).text and "more than 9 tokens" not in page.text


@pytest.mark.parametrize("rule", [None, "none", "linear_attention"])
def test_without_a_surprise_the_page_is_as_it_was(rule: Kind | None, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    policy = Policy(make_model(INIT, tokenizer, 0), tokenizer) if rule is None else memory_policy(rule)
    run = _run(tmp_path, policy)
    with_checkpoint = write_report(run).read_bytes()
    (run / "checkpoints" / "latest").unlink()
    assert write_report(run).read_bytes() == with_checkpoint
    assert b"What surprises its memory" not in with_checkpoint and b".token" not in with_checkpoint
