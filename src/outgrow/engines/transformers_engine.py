"""Decoding with a model's own class in transformers and its own cache: slower than the native engine, for any causal model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.callbacks import CheckStop, Warn, Written, never_stop, quiet
from ..core.errors import UsageError
from ..core.oom_backoff import AutoBatchSize
from ..policy import ModelSpec
from ..types import Rollout
from .engine import Engine, EngineConfig, GenerationRequest, check_room

# Importing torch takes a second, and reading a recipe needs only the settings.
if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class TransformersEngineConfig(EngineConfig):
    """Settings of the engine that decodes with transformers."""

    type: str = "transformers"

    def require_model(self, spec: ModelSpec) -> None:
        _require_cache(spec)

    def build(self, warn: Warn = quiet) -> Engine:
        return TransformersEngine(self.max_sequences, warn)


class TransformersEngine(Engine):
    """An engine in the learner's process, which decodes with a copy of the weights in the model's own class."""

    def __init__(self, max_sequences: int = 512, warn: Warn = quiet) -> None:
        """max_sequences: most rollouts decoded at the same time, in whole groups (one group at least). It bounds the cache. When
        memory runs out, it is halved, and `warn` gets a line that says so.
        """
        self._max_sequences = AutoBatchSize("engine.max_sequences", max_sequences, warn)
        self._model: PreTrainedModel | None = None
        self._version = 0
        self._checked = False

    def start(self, spec: ModelSpec) -> None:
        _require_cache(spec)
        super().start(spec)

    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        assert self.spec is not None, "start() comes first"
        from .model_class_check import require_decoded

        self.sleep()  # frees the old copy before the new one is made
        self._model = _copy(self.spec, weights)
        self._version = version
        if not self._checked:  # the class stays the same, also with other weights
            require_decoded(self._model, self.spec)
            self._checked = True

    def sleep(self) -> None:
        self._model = None

    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        import torch

        from .cache_room import rows_in_memory
        from .draws import Draws
        from .model_class import ModelRows, bytes_a_token

        spec, model = self.spec, self._model
        assert spec is not None and model is not None, "load_weights() comes first"
        check_room(request.sampling, spec.context, request.prompts)
        slots = max(map(len, request.prompts)) + request.sampling.max_tokens
        # Sorted by length, so that prompts that are read together have little padding.
        order = sorted(range(len(request.prompts)), key=lambda index: (len(request.prompts[index]), index))

        def decode(max_sequences: int) -> list[list[Rollout]]:
            room = rows_in_memory(spec.device, slots * bytes_a_token(model))
            groups = max(1, min(max_sequences, room) // request.n)
            draws, complete, tokens = Draws(spec, request), 0, 0
            for first in range(0, len(order), groups):
                rows = ModelRows(model, draws, order[first : first + groups])
                while rows.unfinished():
                    check_stop()
                    rows.advance()
                    request.on_written(Written(complete + rows.complete, tokens + rows.tokens))
                complete, tokens = complete + rows.complete, tokens + rows.tokens
            return draws.rollouts(self._version)

        with torch.no_grad():
            return self._max_sequences.run(decode, request.n, request.rollouts)

    def state_dict(self) -> dict[str, Any]:
        return {"max_sequences": self._max_sequences.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._max_sequences.load_state_dict(state.get("max_sequences", {}))


def _require_cache(spec: ModelSpec) -> None:
    """Raise UsageError where the model's class does not decode with transformers' cache."""
    import transformers

    kind: Any = getattr(transformers, spec.architecture, None)
    if kind is None:  # a class that this package has registered
        kind = transformers.AutoModelForCausalLM._model_mapping[type(spec.config)]
    taken = inspect.signature(kind.forward).parameters
    missing = [name for name in ("attention_mask", "past_key_values") if name not in taken]
    if missing:
        raise UsageError(
            f"the transformers engine needs a model whose forward takes {' and '.join(missing)}; {spec.architecture} does not"
        )


def _copy(spec: ModelSpec, weights: Mapping[str, Tensor]) -> PreTrainedModel:
    """Return a model of its own with these weights."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    # Making a model writes into its config.
    config, state = copy.deepcopy(spec.config), torch.random.get_rng_state()
    try:
        with torch.device(spec.device), no_init_weights():
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=spec.dtype, trust_remote_code=False)
    finally:
        torch.random.set_rng_state(state)  # classes may draw from the global generator
    model.tie_weights()
    # Some classes keep single tensors in float32 when they are loaded, such as the choice of experts, but not when they are made.
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(weights[name].dtype)
    model.load_state_dict(weights)
    model.eval()
    return model
