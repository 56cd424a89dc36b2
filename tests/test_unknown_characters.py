"""Characters that a tokenizer has no token for, by tokenizers of several kinds, and what a run and a question say of them."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.config import load_recipe
from outgrow.engines.native import NativeEngine
from outgrow.policy.micro import make_tokenizer
from outgrow.policy.unknown_characters import shown, unknown_characters, warn_of_unknown
from outgrow.runs.models import frozen_copy
from outgrow.train.rl import RLJob
from outgrow.train.sft import SFTJob
from outgrow.types import Problem

TEXT = "a cab, café Ω\n\t\x1b bad ½"


def bpe(by_bytes, **special):
    tokenizer = Tokenizer(models.BPE(**special))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if by_bytes else pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.ByteLevel() if by_bytes else decoders.Metaspace()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if by_bytes else []
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=["<unk>"])
    tokenizer.train_from_iterator(["a cab bad face, a fad"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.mark.parametrize("special", [{}, {"unk_token": "<unk>"}])
def test_what_is_unknown_is_lost_between_writing_and_reading(special):
    tokenizer = bpe(False, **special)
    read = tokenizer.decode(tokenizer.encode(TEXT, add_special_tokens=False))
    lost = [char for char in dict.fromkeys(TEXT) if char.isprintable() and char not in read and not char.isspace()]
    assert lost == ["é", "Ω", "½"]
    assert unknown_characters(tokenizer, TEXT) == lost


def test_a_tokenizer_of_bytes_knows_all():
    assert unknown_characters(bpe(True), TEXT) == []


def test_the_micro_tokenizer_knows_its_own_characters():
    assert unknown_characters(make_tokenizer(), "27+58=?Ω\n€") == ["Ω", "€"]


def test_problems_are_counted_and_long_lists_cut():
    problems = [Problem(str(i), "f", 1, question, "1", "ϕ") for i, question in enumerate(("1+1", "2Ω", "Ωé", "3"))]
    told = []
    for solutions in (False, True):
        warn_of_unknown(lambda text: unknown_characters(make_tokenizer(), text), problems, told.append, solutions)
    assert [line.split(" problems")[0] for line in told] == ["2 of 4", "4 of 4"]
    assert told[0].endswith(": é Ω") and told[1].endswith(": é Ω ϕ")
    warn_of_unknown(lambda text: unknown_characters(make_tokenizer(), text), problems[::3], pytest.fail)
    assert shown(list("abcdefghijklmnopqrstuvwxyz")) == "a b c d e f g h i j k l m n o p q r s t and 6 more"


def test_runs_and_questions_say_it(untrained, tmp_path):
    rows = "".join(f'{{"question": "{i}+1=?Ω", "answer": "{i + 1}", "solution": "{i + 1}"}}\n' for i in range(20))
    (tmp_path / "own.jsonl").write_text(rows)
    own = f"problems=[{{type='table',path='{tmp_path / 'own.jsonl'}'}}]"
    told = []
    recipe = load_recipe("micro", [own, "evaluate.every=0", "evaluate.suite=held-out", "learn.problems_per_step=2"])
    RLJob(recipe, untrained, frozen_copy(untrained), NativeEngine(), tmp_path, told.append).close()
    SFTJob(load_recipe("micro-base", [own, "evaluate.suite=held-out"]), untrained, tmp_path, told.append)
    lines = [line for line in told if "cannot read" in line]
    assert len(lines) == 2 and all(line.endswith(": Ω") for line in lines)
    measured = ["eval", "micro-base", "--on", str(tmp_path / "own.jsonl"), "--samples", "1"]
    for command in (["generate", "micro-base", "1+1=?Ω"], measured):
        result = CliRunner().invoke(app, [*command, "--max-tokens", "8"])
        assert result.exit_code == 0, result.output
        assert "cannot read" in result.stderr and "Ω" in result.stderr
