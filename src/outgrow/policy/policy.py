"""The policy: a transformers causal model with its tokenizer, loaded from wherever a person has it."""

import hashlib
import logging
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as hf_logging

from ..errors import UsageError

# Progress bars for a 2 MB file, and advice about generation flags that we do not use, only hide our own lines.
hf_logging.disable_progress_bar()
logging.getLogger("transformers").setLevel(logging.ERROR)

SHIPPED = ("micro-base",)


@dataclass
class Policy:
    """A model and the tokenizer that belongs to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

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
        _, opened, rest = str(self.tokenizer.decode(self.prompt_ids("?"))).rpartition("<think>")
        return bool(opened) and "</think>" not in rest

    def prompt_ids(self, question: str) -> list[int]:
        """Token ids of the question in the model's own chat shape, ready for the completion to follow."""
        return self.chat_ids([{"role": "user", "content": question}])

    def chat_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a conversation whose next turn is the model's."""
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def text(self, ids: list[int]) -> str:
        """Completion text, without the end token and its like, with markers such as </think>."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def digest(self) -> str:
        """sha256 over names, shapes and bytes of every weight."""
        sha = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def model_folder(name: str) -> str:
    """Where the model called `name` lies: a shipped one, a folder, else `name` as a hub id.

    Raises UsageError where `name` looks like a path and nothing is there.
    """
    if name in SHIPPED:
        return str(files("outgrow") / "policy" / "models" / name)
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"{name}: this folder holds no model (no config.json) and no checkpoint of a run")
        return str(path)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise UsageError(f"{name}: no such model; give a folder, a run, a hub id, or one of {', '.join(SHIPPED)}")
    return name


def load_policy(name: str) -> Policy:
    """Load a model and tokenizer in float32.

    Raises UsageError with one line where the model is missing, unreadable, or not a causal language model.
    """
    folder = model_folder(name)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        model, found = loaded
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # a bad folder surfaces as any of a dozen types, from four libraries
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"{name}: cannot load this model: {first}") from error
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise UsageError(
            f"{name}: cannot load this model: {len(missing)} weights are missing from its files, {missing[0]} the first"
        )
    if tokenizer.chat_template is None:
        raise UsageError(f"{name}: its tokenizer has no chat template, so there is no prompt shape to train on")
    return Policy(model, tokenizer)
