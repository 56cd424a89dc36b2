"""What an engine must know of a model in addition to its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

# Keys of a config that say where the model came from, or that saving it writes (`architecture` and `dtype` hold these).
_NOT_COMPUTED_WITH = ("_name_or_path", "transformers_version", "architectures", "dtype")


@dataclass(frozen=True)
class ModelSpec:
    """A model without its weights. Nothing in it changes while the model learns."""

    config: PretrainedConfig
    """Sizes and settings of the model, as transformers describes them."""
    architecture: str
    """Name of the model's class in transformers, such as "LlamaForCausalLM"."""
    tokenizer: PreTrainedTokenizerBase
    """Turns completions into text."""
    pad_id: int
    """Token that fills a batch. It is never attended to and never scored."""
    end_ids: tuple[int, ...]
    """Tokens that end a completion, each of them; the tokenizer's own is the first."""
    context: int
    """Longest prompt and completion together, in tokens."""
    dtype: torch.dtype
    """Type of the weights."""
    device: torch.device
    """Where the weights are."""

    @property
    def settings(self) -> dict[str, Any]:
        """The config's values that decide what the model computes: equal for two models of one shape."""
        return {key: value for key, value in self.config.to_dict().items() if key not in _NOT_COMPUTED_WITH}

    def text(self, ids: list[int]) -> str:
        """Return a completion as text: without the end token and other special tokens, with markers such as </think>."""
        if ids and ids[-1] in self.end_ids:  # which need not be a special token of the tokenizer
            ids = ids[:-1]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))
