"""The policy: a transformers causal model with its tokenizer, its prompt, and its adapter where it has one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .lora import merged_weights
from .prompt import Prompt

# Here and in the modules beside this one: importing the model classes takes seconds, which `outgrow recipes` need not wait.
if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def hide_progress_bars() -> None:
    """Keep transformers from showing a bar for every file that it reads or writes, a 2 MB one too."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@dataclass
class Policy:
    """A model and the tokenizer that belongs to it.

    adapter: where only low-rank adapters learn, peft's handle on them; they sit inside `model`.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt = field(default_factory=Prompt)
    adapter: PeftModel | None = None

    @property
    def pad_id(self) -> int:
        """The id that fills a batch (never attended to, never scored)."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.end_id)

    @property
    def end_id(self) -> int:
        """The id that ends a completion."""
        return int(self.tokenizer.eos_token_id)

    @property
    def context(self) -> int:
        """Longest prompt + completion, in tokens."""
        return int(self.model.config.max_position_embeddings)

    @property
    def opens_think(self) -> bool:
        """Whether the prompt itself opens <think>, as R1's template does, so that a completion starts inside it."""
        return self.prompt_text("?").rstrip().endswith("<think>")

    def prompt_text(self, question: str) -> str:
        """The exact text that the model is given."""
        return self._text(self.prompt.messages(question, self.tokenizer))

    def prompt_ids(self, question: str) -> list[int]:
        """Token ids of the question as the model is given it, ready for the completion to follow."""
        return self.chat_ids(self.prompt.messages(question, self.tokenizer))

    def chat_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a conversation whose next turn is the model's."""
        return [int(token) for token in self.tokenizer(self._text(messages), add_special_tokens=False)["input_ids"]]

    def _text(self, messages: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def text(self, ids: list[int]) -> str:
        """Completion text, without the end token and its like, with markers such as </think>."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def weights(self) -> dict[str, Tensor]:
        """The weights that the policy decodes with, by name, adapters multiplied out."""
        return merged_weights(self.model)

    def digest(self) -> str:
        """sha256 over names, shapes and bytes of those weights."""
        sha = hashlib.sha256()
        for name, tensor in sorted(self.weights().items()):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    def save(self, folder: Path) -> None:
        """Write an ordinary folder: Hugging Face's for a whole model, peft's for an adapter; the tokenizer in both."""
        hide_progress_bars()
        if self.adapter is None:
            self.model.save_pretrained(folder)
        else:
            # Embeddings never learn here; left to itself peft asks the hub whether they did.
            self.adapter.save_pretrained(str(folder), save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)  # peft's blank card; ours is written when the run is done
        self.tokenizer.save_pretrained(folder)
