"""What a model is, from its config and tokenizer only: no weights are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Recipe, load_recipe
from ..config.sections import PolicySection
from ..core.errors import UsageError, first_line
from ..core.shell import command_line
from ..plan.models import shape_of
from ..plan.shape import Shape, parameters
from ..policy import Prompt
from ..policy.chat_template import rendered_chat
from ..policy.load import SHIPPED
from ..policy.prompt import is_r1
from ..runs.folder import RunFolder, read_recipe
from ..runs.resolve_model import resolve_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHARACTERS = 1000
"""Vocabulary size below which a tokenizer has little more than characters: a model with it knows no language."""


SMALL = 500_000_000
"""Parameters below which an instruct model rarely writes a box, even when it is asked to: SmolLM2-135M in 1 of 64 answers."""


@dataclass(frozen=True)
class ModelFindings:
    """What is known of a model."""

    name: str
    shape: Shape
    vocabulary: int
    """Tokens that its tokenizer has."""
    has_template: bool
    """Whether its tokenizer has a chat template, or it is an R1 model, whose template is known."""
    is_r1: bool
    """Whether it is DeepSeek-R1 or distilled from it."""
    thinks: bool
    """Whether it writes its thoughts before its answer: an R1 model, or one whose template speaks of <think>."""
    made_by: Recipe | None
    """The recipe that it was trained by: that of its run, or of a model that ships with the package."""

    @property
    def parameters(self) -> int:
        """Number of its parameters."""
        return parameters(self.shape)

    @property
    def follows(self) -> bool:
        """Whether it can be asked in words for a form of answer: it has a chat template, and tokens of a language."""
        return self.has_template and self.has_words

    @property
    def has_words(self) -> bool:
        """Whether its tokens are parts of words, and not characters."""
        return self.vocabulary >= CHARACTERS


def look_at_model(name: str) -> tuple[ModelFindings, PreTrainedTokenizerBase]:
    """Return what a model is, and its tokenizer.

    Raises UsageError where it cannot be found, read or trained.
    """
    model = resolve_model(name)
    if model.served:
        raise UsageError(f"--model {name}: a server's model cannot be trained; give a folder, a run or a hub id")
    if model.adapter_base():
        merge = command_line("merge", name, "--out", "MODEL")
        raise UsageError(f"--model {name}: this is an adapter; write it as one model first: {merge}")
    shape = shape_of(PolicySection(model=name))
    tokenizer = _tokenizer(name, model.location)
    template = str(tokenizer.chat_template or "")
    r1 = is_r1(tokenizer)
    findings = ModelFindings(
        name=name,
        shape=shape,
        vocabulary=len(tokenizer),
        has_template=bool(template) or r1,
        is_r1=r1,
        thinks=r1 or "<think>" in template,
        made_by=_made_by(name),
    )
    return findings, tokenizer


def tokens_in(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each text."""
    return [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, model: str, questions: Iterable[str]) -> list[int]:
    """Return the tokens of the prompt of each of these questions. Raises UsageError where the model has no chat template."""
    template = prompt.chat_template(tokenizer, model)
    texts = [rendered_chat(tokenizer, prompt.messages(question, tokenizer), template) for question in questions]
    return tokens_in(tokenizer, texts)


def unknown_share(tokenizer: PreTrainedTokenizerBase, questions: Sequence[str]) -> float:
    """Return the share of the questions with a character that the tokenizer does not know."""
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return 0.0
    return sum(unknown in tokenizer(question, add_special_tokens=False)["input_ids"] for question in questions) / len(questions)


def _tokenizer(name: str, location: str) -> PreTrainedTokenizerBase:
    from ..policy.policy import quiet_transformers
    from ..policy.tokenizer_files import read_tokenizer

    quiet_transformers()
    try:
        return read_tokenizer(location)
    except Exception as error:  # a bad folder raises errors of a dozen types
        raise UsageError(f"--model {name}: cannot read its tokenizer: {first_line(error)}") from error


def _made_by(name: str) -> Recipe | None:
    """Return the recipe of a run, or of a shipped model, which has the name of its recipe; else None."""
    if name in SHIPPED:
        return load_recipe(name)
    return read_recipe(Path(name))[0] if RunFolder(Path(name)).is_run() else None
