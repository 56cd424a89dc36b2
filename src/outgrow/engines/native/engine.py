"""Batched decoding in PyTorch, with a copy of the learner's weights: Llama, Qwen2 and Qwen3, and the first two with a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ...core.callbacks import CheckStop, Warn, never_stop, quiet
from ...core.errors import UsageError
from ...core.memory import give_back_much
from ...core.oom_backoff import AutoBatchSize
from ...policy import ModelSpec
from ...types import Rollout
from ..engine import Engine, EngineConfig, GenerationRequest, check_room

# Importing torch takes a second, and reading a recipe needs only the settings.
if TYPE_CHECKING:
    from torch import Tensor

    from .decoder import LlamaDecoder
    from .layouts import Layouts

Numbers = Literal["exact", "int8"]


class NativeEngineConfig(EngineConfig):
    """Settings of the native engine."""

    type: str = "native"
    weights: Numbers = Field(
        default="exact",
        description="Numbers that rollouts are written with: the policy's own weights, or int8, whose products are faster on a CPU "
        "and 1 to 2% off (needs learn.old_logprobs=learner). Measurements always use the exact weights.",
    )
    head: Numbers = Field(
        default="exact",
        description="The same for the head, which makes the log-probabilities; int8 only with weights=int8.",
    )

    @model_validator(mode="after")
    def _head_follows(self) -> NativeEngineConfig:
        if self.head == "int8" and self.weights == "exact":
            raise ValueError("engine.head=int8 needs engine.weights=int8")
        return self

    def exact(self) -> NativeEngineConfig:
        return self.model_copy(update={"weights": "exact", "head": "exact"})

    def require_model(self, spec: ModelSpec) -> None:
        from .decoder import refuse_others

        refuse_others(spec.config)
        _require_numbers(self.weights, spec)

    def build(self, warn: Warn = quiet) -> Engine:
        return NativeEngine(self.max_sequences, warn, self.weights, self.head)


class NativeEngine(Engine):
    """An engine in the learner's process, which decodes with a copy of the weights."""

    def __init__(self, max_sequences: int = 512, warn: Warn = quiet, weights: Numbers = "exact", head: Numbers = "exact") -> None:
        """max_sequences: most rollouts decoded at the same time, in whole groups (one group at least). It bounds the cache. When
        memory runs out, it is halved, and `warn` gets a line that says so. weights, head: what their products are computed with.
        """
        self._max_sequences = AutoBatchSize("engine.max_sequences", max_sequences, warn)
        self._warn, self._weights, self._head = warn, weights, head
        self._layouts: Layouts | None = None
        self._found_layouts: dict[str, Any] = {}
        self._decoder: LlamaDecoder | None = None
        self._version = 0

    def start(self, spec: ModelSpec) -> None:
        """Raises UsageError where this machine does not multiply the model's weights in int8, and the recipe asks for it."""
        from .layouts import Layouts

        _require_numbers(self._weights, spec)
        super().start(spec)
        self._layouts = Layouts(self._warn)
        self._layouts.load_state_dict(self._found_layouts)

    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        from .memory_decoder import decoder_of

        spec, layouts = self.spec, self._layouts
        assert spec is not None and layouts is not None, "start() comes first"
        self.sleep()  # frees the old copy before the new one is made
        store = {"exact": layouts.exact, "int8": layouts.int8}
        self._decoder = decoder_of(spec.config, weights, store[self._weights], store[self._head])
        self._version = version

    def sleep(self) -> None:
        self._decoder = None
        give_back_much()

    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        import torch

        from ..cache_room import rows_in_memory
        from .batch import Batch

        spec, decoder = self.spec, self._decoder
        assert spec is not None and decoder is not None, "load_weights() comes first"
        check_room(request.sampling, spec.context, request.prompts)
        slots = max(map(len, request.prompts)) + request.sampling.max_tokens

        def decode(max_sequences: int) -> list[list[Rollout]]:
            groups = max(1, min(max_sequences, rows_in_memory(spec.device, decoder.bytes_a_row(slots))) // request.n)
            batch = Batch(spec, decoder, request, min(groups, len(request.prompts)) * request.n, slots)
            while batch.unfinished():
                check_stop()
                batch.advance()
                request.on_written(batch.written())
            return batch.rollouts(self._version)

        with torch.no_grad():
            return self._max_sequences.run(decode, request.n, request.rollouts)

    def state_dict(self) -> dict[str, Any]:
        layouts = self._layouts.state_dict() if self._layouts else self._found_layouts
        return {"max_sequences": self._max_sequences.state_dict(), **({"layouts": layouts} if layouts else {})}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        from .layouts import require_state

        layouts = state.get("layouts", {})
        require_state(layouts)
        self._max_sequences.load_state_dict(state.get("max_sequences", {}))
        self._found_layouts = layouts
        if self._layouts:  # started already
            self._layouts.load_state_dict(self._found_layouts)


def _require_numbers(weights: Numbers, spec: ModelSpec) -> None:
    """Raise UsageError where this machine does not multiply the model's weights in int8, and they shall be."""
    import torch

    from .layouts import has_int8

    if weights == "int8" and not has_int8(torch.empty(1, dtype=spec.dtype, device=spec.device)):
        raise UsageError(
            f"engine.weights=int8 needs float32 weights on a CPU with oneDNN or fbgemm; these are {spec.dtype} on "
            f"{spec.device}; set engine.weights=exact and engine.head=exact"
        )
