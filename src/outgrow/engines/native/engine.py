"""Batched decoding in PyTorch, in the learner's process, with a copy of its weights: Llama, Qwen2 and Qwen3 models, CPU or GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...core.callbacks import CheckStop, Warn, never_stop, quiet
from ...core.memory import total_memory
from ...core.oom_backoff import AutoBatchSize
from ...types import Rollout
from ..engine import Engine, EngineConfig, GenerationRequest, check_room

# Importing torch takes a second, and reading a recipe needs only the settings.
if TYPE_CHECKING:
    from torch import Tensor

    from .decoder import LlamaDecoder


class NativeEngineConfig(EngineConfig):
    """Settings of the native engine."""

    type: str = "native"

    def build(self, warn: Warn = quiet) -> Engine:
        return NativeEngine(self.max_sequences, warn)


class NativeEngine(Engine):
    """An engine in the learner's process, which decodes with a copy of the weights."""

    def __init__(self, max_sequences: int = 512, warn: Warn = quiet) -> None:
        """max_sequences: most rollouts decoded at the same time, in whole groups (one group at least). It bounds the cache. When
        memory runs out, it is halved, and `warn` gets a line that says so.
        """
        self._max_sequences = AutoBatchSize("engine.max_sequences", max_sequences, warn)
        self._decoder: LlamaDecoder | None = None
        self._version = 0

    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        from .decoder import LlamaDecoder

        assert self.spec is not None, "start() comes first"
        self.sleep()  # frees the old copy before the new one is made
        self._decoder = LlamaDecoder(self.spec.config, weights)
        self._version = version

    def sleep(self) -> None:
        self._decoder = None

    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        import torch

        from .batch import Batch

        spec, decoder = self.spec, self._decoder
        assert spec is not None and decoder is not None, "load_weights() comes first"
        check_room(request.sampling, spec.context, request.prompts)
        slots = max(map(len, request.prompts)) + request.sampling.max_tokens

        def decode(max_sequences: int) -> list[list[Rollout]]:
            groups = max(1, min(max_sequences, _rows_in_memory(decoder, slots)) // request.n)
            batch = Batch(spec, decoder, request, min(groups, len(request.prompts)) * request.n, slots)
            while batch.unfinished():
                check_stop()
                batch.advance()
                request.on_written(batch.written())
            return batch.rollouts(self._version)

        with torch.no_grad():
            return self._max_sequences.run(decode, request.n, request.rollouts)

    def state_dict(self) -> dict[str, Any]:
        return {"max_sequences": self._max_sequences.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._max_sequences.load_state_dict(state.get("max_sequences", {}))


def _rows_in_memory(decoder: LlamaDecoder, slots: int) -> int:
    """Return how many rows of `slots` tokens the cache may have: 0.8 of what a GPU has free, or half of the machine's memory."""
    import torch

    device = decoder.embedding.device
    if device.type != "cuda":  # a CPU promises memory that it does not have, and then ends the process without an error
        return total_memory(device) // 2 // (slots * decoder.bytes_a_slot)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(0.8 * free / (slots * decoder.bytes_a_slot))
