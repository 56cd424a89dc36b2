"""Answers that are read while they are written."""

import pytest

from outgrow.cli.chat import _Shown
from outgrow.engines import ENGINES, ChatRequest, GenerationRequest, LocalModel, sync
from outgrow.policy import Sampling, load_policy


@pytest.fixture(scope="module")
def policy():
    return load_policy("micro-base")


@pytest.mark.parametrize("engine", ["native", "transformers"])
def test_the_first_answer_is_told_token_by_token(policy, engine):
    engine = ENGINES[engine]().build()
    sync(engine, policy)
    told = []
    prompts = [policy.prompt_ids("27+58=?"), policy.prompt_ids("1+1=?")]
    request = GenerationRequest(prompts, 2, Sampling(temperature=1.0, max_tokens=40), [1, 2], on_text=told.append)
    first = engine.generate(request)[0][0]
    ids = first.completion_ids
    assert told[: len(ids)] == [policy.spec().text(ids[: count + 1]) for count in range(len(ids))]
    assert told[-1] == first.text and len(told) == len(ids)
    assert engine.generate(GenerationRequest(prompts, 2, request.sampling, [1, 2]))[0][0] == first


def test_a_conversation_is_told_as_well(policy):
    engine = ENGINES["native"]().build()
    sync(engine, policy)
    told = []
    model = LocalModel(policy, engine)
    [[answer]] = model.answer(
        ChatRequest([model.conversation("2+3=?")], 1, Sampling(temperature=0.0, max_tokens=40), [1], on_text=told.append)
    )
    assert told[-1] == answer.text and len(told) > 1


@pytest.mark.parametrize(
    ("parts", "printed"),
    [
        (["Fo", "Four", "Four."], "<Four.\n"),
        (["caf\N{REPLACEMENT CHARACTER}", "café"], "<café\n"),
        (["\x1b[31mred", "\x1b[31mred [bold]x"], "<[31mred [bold]x\n"),
        (["Four and", "Fi", "Five"], "<Four and\n<Five\n"),
        (["done"], "<done\n"),
        ([""], "<\n"),
        (["what\N{REPLACEMENT CHARACTER}"], "<what\N{REPLACEMENT CHARACTER}\n"),
    ],
)  # fmt: skip
def test_only_what_is_new_is_printed(capsys, parts, printed):
    shown = _Shown("<")
    for part in parts:
        shown.show(part)
    shown.show(parts[-1], "\n")
    assert capsys.readouterr().out == printed
