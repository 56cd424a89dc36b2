"""How a question is put to a model: the user's turn, a system turn before it, and the chat template around both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..core.errors import UsageError, first_line
from ..types import Turns
from .chat_template import TemplateError, rendered_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# As in DeepSeek-R1 and its distilled models: the template opens <think> itself, and thoughts of earlier turns are removed.
R1 = (
    "{{ bos_token }}"
    "{%- for message in messages %}"
    "{%- if message['role'] == 'system' %}{{- message['content'] }}"
    "{%- elif message['role'] == 'user' %}{{- '<｜User｜>' + message['content'] }}"
    "{%- else %}{{- '<｜Assistant｜>' + message['content'].split('</think>')[-1] + eos_token }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<｜Assistant｜><think>\\n' }}{%- endif %}"
)
# No markers: the texts of the turns, with a line break between them, as base models know text from pretraining.
PLAIN = "{%- for message in messages %}{{- message['content'] }}{%- if not loop.last %}{{- '\\n' }}{%- endif %}{%- endfor %}"
_PROBE = "outgrow asks 2931"  # a question that no template contains
# What DeepSeek advises for its R1 models on mathematics.
R1_QUESTION = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."


class Prompt(BaseModel):
    """Recipe table `prompt`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_template: str | None = Field(
        default=None,
        description="Text of the user's turn; {question} stands for the problem's question. Default: R1's instruction for R1 "
        "models, else only the question.",
        examples=["{question} Put your final answer within \\boxed{}."],
    )
    system: str = Field(
        default="",
        description="System turn before the user's; empty for none. It replaces the system turn of a chat in the data.",
    )
    template: str | None = Field(
        default=None, description="A Jinja chat template, or 'r1' or 'plain'. Default: the tokenizer's own."
    )

    @field_validator("user_template")
    @classmethod
    def _asks(cls, question: str | None) -> str | None:
        if question is not None and "{question}" not in question:
            raise ValueError("must contain {question}, where the problem's question goes")
        return question

    def messages(self, question: str, tokenizer: PreTrainedTokenizerBase | None = None, turns: Turns = ()) -> list[dict[str, str]]:
        """Return the conversation that ends with the question. tokenizer: the model's, if it is known. turns: what comes before the
        question, as it is; `system` replaces a system turn in it.
        """
        shape = self.user_template or (R1_QUESTION if tokenizer is not None and is_r1(tokenizer) else "{question}")
        # Not str.format: questions and \boxed{} contain braces.
        asked = ("user", shape.replace("{question}", question))
        own = (("system", self.system), *(turn for turn in turns if turn[0] != "system")) if self.system else turns
        return [{"role": role, "content": text} for role, text in (*own, asked)]

    def chat_template(self, tokenizer: PreTrainedTokenizerBase, model: str) -> str:
        """Return the Jinja template that this prompt and tokenizer give.

        Raises UsageError where neither has one, where it cannot be rendered, or where it drops the question.
        """
        text = self.template or tokenizer.chat_template or ("r1" if is_r1(tokenizer) else None)
        if text is None:
            raise UsageError(
                f"{model}: its tokenizer has no chat template; for a base model set prompt.template='plain' in the recipe (or "
                "--set prompt.template=plain), else set the template itself; eval, generate and chat take a recipe by --recipe"
            )
        if text == "plain":
            # A tokenizer that begins every text with its opening token also begins this one with it.
            begins = tokenizer.bos_token_id is not None and tokenizer("")["input_ids"] == [tokenizer.bos_token_id]
            text = "{{- bos_token }}" + PLAIN if begins else PLAIN
        text = R1 if text == "r1" else text
        try:
            rendered = rendered_chat(tokenizer, self.messages(_PROBE, tokenizer), str(text))
        except TemplateError as error:
            what = "chat template cannot be rendered" + (" with prompt.system" if self.system else "")
            raise UsageError(f"{model}: the {what}: {first_line(error)}") from error
        if _PROBE not in rendered:
            raise UsageError(
                f"{model}: prompt.template does not contain the question; it gets {{{{ messages }}}}, as in transformers"
            )
        return str(text)


def is_r1(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether this is the tokenizer of DeepSeek-R1 or of a model distilled from it."""
    return "<｜User｜>" in tokenizer.added_tokens_encoder  # only the added tokens: listing the whole vocabulary is slow
