"""The policy: a transformers causal model, its tokenizer, its prompt and its adapter, if any."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..core.disk import as_os_errors
from ..core.errors import UsageError, first_line
from ..core.files import parse_json, write_atomic
from ..types import Turns
from .chat_template import TemplateError, rendered_chat
from .context import longest_row
from .generation_config import end_ids, generation_config
from .memory.frozen import LORA, FrozenBase, save_memory
from .prompt import Prompt
from .sampling import Sampling
from .spec import ModelSpec

# In all of policy/: importing torch and the model classes takes seconds, and reading a recipe needs neither.
if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_T = TypeVar("_T")
_ANSWER = "⟦an earlier answer⟧"  # a text that no template contains
_ADVICE = "set prompt.template, or put everything into the question"


def quiet_transformers() -> None:
    """Stop transformers from showing a progress bar for every file, and advice about generation flags that are not used here."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


@dataclass
class Policy:
    """A model and the tokenizer that belongs to it."""

    model: PreTrainedModel
    """The model on its device, with the adapter's layers in it."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer, with the chat template that `prompt` chose."""
    prompt: Prompt = field(default_factory=Prompt)
    """How a question is put to the model."""
    adapter: PeftModel | None = None
    """peft's handle on the low-rank adapters; None without."""
    frozen: FrozenBase | None = None
    """The base whose weights stay as they are, next to a memory that learns; None without, and where every weight learns."""

    @property
    def parameters(self) -> int:
        """Number of parameters, with those of adapters; a matrix that two layers share counts once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def whole(self) -> bool:
        """Whether it is saved with all weights, and not as what was added to a base."""
        return self.adapter is None and self.frozen is None

    @property
    def shared_out(self) -> bool:
        """Whether ranks hold a part of its weights each (`ShardedPolicy`)."""
        return False

    @property
    def pad_id(self) -> int:
        """Token that fills a batch. It is never attended to and never scored."""
        pad = self.tokenizer.pad_token_id
        return int(pad if pad is not None else self.end_id)

    @property
    def end_id(self) -> int:
        """Token that ends the completions that are learned from; a model may end its own with others (`end_ids`)."""
        return int(self.tokenizer.eos_token_id)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end a completion: `end_id`, then the others that the model's generation_config.json names."""
        return end_ids(self.tokenizer, self.model.generation_config, int(self.model.config.get_text_config().vocab_size))

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens."""
        return longest_row(self.model.config)

    @property
    def opens_think(self) -> bool:
        """Whether the prompt ends with <think>, as R1's template does, so that a completion starts inside it."""
        return self.prompt_text("?").rstrip().endswith("<think>")

    def prompt_text(self, question: str, turns: Turns = ()) -> str:
        """Return the exact text that the model is given for a question, behind the turns before it."""
        return self._text(self.conversation(question, turns))

    def prompt_ids(self, question: str, turns: Turns = ()) -> list[int]:
        """Return the token ids that the model is given for a question; the completion follows them."""
        return self.chat_ids(self.conversation(question, turns))

    def conversation(self, question: str, turns: Turns = ()) -> list[dict[str, str]]:
        """Return the conversation that puts a question, behind the turns before it.

        Raises UsageError where the chat template cannot put these turns, or drops one of them.
        """
        messages = self.prompt.messages(question, self.tokenizer, turns)
        if turns:
            self._require_all_in_prompt(messages)
        return messages

    def turn_ids(self, question: str) -> list[int]:
        """Return the token ids of a user's turn that follows an answer: from that answer's end to where the next one begins.

        Raises UsageError where the chat template drops earlier answers, so that nothing can follow them.
        """
        turns = (("user", "?"), ("assistant", _ANSWER), ("user", question))
        text = self._text([{"role": role, "content": content} for role, content in turns])
        _, kept, after = text.partition(_ANSWER)
        if not kept:
            raise UsageError("the chat template drops earlier answers, so no turn can follow one; set prompt.template")
        return self._ids(after)

    def chat_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """Return the token ids of a conversation whose next turn is the model's."""
        return self._ids(self._text(messages))

    def _ids(self, text: str) -> list[int]:
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _require_all_in_prompt(self, messages: list[dict[str, str]]) -> None:
        roles = ", ".join(message["role"] for message in messages)
        try:
            text = rendered_chat(self.tokenizer, messages)
        except TemplateError as error:
            raise UsageError(
                f"the chat template cannot put the turns ({roles}) of a problem: {first_line(error)}; {_ADVICE}"
            ) from error
        for message in messages:
            # Templates cut blanks, and the thoughts of earlier turns.
            if message["content"].rpartition("</think>")[2].strip() not in text:
                raise UsageError(
                    f"the chat template drops the {message['role']} turn of a problem whose turns are {roles}; {_ADVICE}"
                )

    def _text(self, messages: list[dict[str, str]]) -> str:
        try:
            return rendered_chat(self.tokenizer, messages)
        except TemplateError as error:
            raise UsageError(f"the chat template cannot put a question: {first_line(error)}; {_ADVICE}") from error

    def spec(self) -> ModelSpec:
        """Return what an engine must know of the model in addition to its weights."""
        return ModelSpec(
            config=copy.deepcopy(self.model.config),
            architecture=type(self.model).__name__,
            tokenizer=self.tokenizer,
            pad_id=self.pad_id,
            end_ids=self.end_ids,
            context=self.context,
            dtype=self.model.dtype,
            device=self.model.device,
        )

    def during(self, compute: Callable[[], _T]) -> _T:
        """Return what `compute` makes of the model's weights. It reads them inside: ranks that hold parts gather them for it."""
        return compute()

    def named_weights(self) -> dict[str, Tensor]:
        """Return the weights by their names in transformers, the adapter merged into them. They share memory with the model."""
        from .lora import merged_weights

        return merged_weights(self.model)

    def digest(self) -> str:
        """Return the sha256 of the names, shapes, types and bytes of the weights, the adapter merged into them."""
        import torch

        sha = hashlib.sha256()
        for name, tensor in sorted(self.named_weights().items()):
            sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    def declare_sampling(self, sampling: Sampling) -> None:
        """Let the folders that are saved from now on say that this policy is measured with `sampling`.

        It replaces the generation config that the model came with. The engines of this package read only the end tokens in it.
        """
        self.model.generation_config = generation_config(sampling, self.end_ids, self.tokenizer, self.pad_id)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, the weights and generation_config.json: a Hugging Face folder for a whole model, a peft folder for
        an adapter, and that of memory/frozen.py for a memory next to a frozen base."""
        quiet_transformers()
        for loaded in ("is_local", "local_files_only"):  # how this process has loaded it: a resumed run would save other bytes
            self.tokenizer.init_kwargs.pop(loaded, None)
        tensors = self._saved_tensors()
        with as_os_errors():
            if self.whole:
                self.model.save_pretrained(folder, state_dict=tensors)
            else:
                if self.frozen is not None:
                    save_memory(self.model, replace(self.frozen, adapter=self.adapter is not None), folder)
                if self.adapter is not None:
                    _save_adapter(self.adapter, folder / LORA if self.frozen else folder, tensors)
                if self.model.generation_config is not None:
                    self.model.generation_config.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def _saved_tensors(self) -> dict[str, Tensor] | None:
        """Return the tensors to write, by their names in the file; None for those that the model holds."""
        return None


def _save_adapter(adapter: PeftModel, folder: Path, tensors: dict[str, Tensor] | None) -> None:
    # Embeddings never learn here. Without this, peft asks the hub whether they did.
    adapter.save_pretrained(str(folder), save_embedding_layers=False, state_dict=tensors)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty card; the run writes its own at its end
    _sort_targets(folder / "adapter_config.json")


def _sort_targets(file: Path) -> None:
    """Put the names of an adapter's layers in order: peft holds a set, and writes it in another order in every process."""
    values = parse_json(file.read_bytes())
    values["target_modules"] = sorted(values["target_modules"])
    write_atomic(file, json.dumps(values, indent=2, sort_keys=True).encode())
