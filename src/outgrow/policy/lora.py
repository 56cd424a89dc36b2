"""Low-rank adapters, by peft (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ..core.errors import UsageError, first_line
from ..core.rng import seed_from
from ..core.type_words import toml
from .lora_settings import LoRA
from .memory.frozen import memory_weights

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


def add_adapter(model: PreTrainedModel, lora: LoRA, seed: int, base: str, revision: str | None = None) -> PeftModel:
    """Put a new adapter into the model, in place. Its product is 0 at first.

    base, revision: the model's public name and its revision on the hub, which the adapter's file will hold.

    Raises UsageError as `require_targets` does, and where peft would adapt other layers than linear ones.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    require_targets(model, lora, base)

    config = LoraConfig(
        r=lora.rank,
        # peft annotates it as int, but computes with any number.
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        target_modules=list(lora.targets),
        lora_dropout=lora.dropout,
        base_model_name_or_path=base,
        revision=revision,
        task_type="CAUSAL_LM",
    )
    model.name_or_path = base  # peft writes this as the adapter's base; by default, the folder that the model came from
    # peft draws from the global generator, so that one is seeded here and then restored.
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed_from(seed, "lora"))
        with _without_warnings_of_peft():
            adapter = get_peft_model(model, config)
    finally:
        torch.random.set_rng_state(state)
    assert isinstance(adapter, PeftModel)
    if other := _not_linear(model):
        raise UsageError(
            f"policy.lora.targets: with these names, peft adapts {other} of {base}, whose weights are not linear layers; "
            "remove the names of feed-forward layers, as gate_proj, up_proj and down_proj"
        )
    return adapter


def require_targets(model: PreTrainedModel, lora: LoRA, base: str) -> None:
    """Raise UsageError where a target is not the name of a linear layer, is tied to the embedding, or shares its matrix, and where
    no adapter is asked for (rank 0) and the model has no memory that could learn.

    base: the model's name. The layers of a memory learn themselves and are no targets.
    """
    if not lora.rank:
        if not memory_weights(model):
            raise UsageError(f"policy.lora.rank=0: {base} has no memory, so nothing learns; raise it, or set policy.memory")
        return
    output, own = model.get_output_embeddings(), memory_weights(model)
    linear = [
        (name.rpartition(".")[2], module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and f"{name}.weight" not in own
    ]
    names = {name for name, _ in linear}
    for target in lora.targets:
        if target not in names:
            inner = sorted({name for name, module in linear if module is not output})
            advice = (
                f"its linear layers: {', '.join(sorted(names))}; for all but the output: --set 'policy.lora.targets={toml(inner)}'"
                if inner
                else "no layer of it but the output is a linear one; leave out policy.lora, so that all weights learn"
            )
            raise UsageError(f"policy.lora.targets: {base} has no linear layer named {target!r}; {advice}")
    if (head := _tied_output(model)) in lora.targets:
        raise UsageError(
            f"policy.lora.targets: the {head} of {base} is tied to its embedding and cannot have an adapter; remove {head!r}"
        )
    if shared := _shared(module for name, module in linear if name in lora.targets):
        names_of = {name for name, module in linear if module in shared}
        raise UsageError(
            f"policy.lora.targets: layers of {base} share the matrix of {' and of '.join(sorted(names_of))}, and each would get an "
            "adapter of its own, so that no one matrix holds what was learned; choose others, or leave out policy.lora, so that "
            "all weights learn"
        )


def _shared(layers: Iterable[torch.nn.Linear]) -> set[torch.nn.Linear]:
    """Return those of the layers whose matrix is that of another one of them, as in the attention block of Zamba."""
    by_matrix: dict[Tensor, set[torch.nn.Linear]] = {}
    for layer in layers:
        by_matrix.setdefault(layer.weight, set()).add(layer)
    return {layer for same in by_matrix.values() if len(same) > 1 for layer in same}


def _tied_output(model: PreTrainedModel) -> str | None:
    """Return the last part of the name of the output layer where it shares the embedding's matrix; families differ in it."""
    output, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if output is None or getattr(output, "weight", None) is not embedding.weight:
        return None
    return next((name.rpartition(".")[2] for name, module in model.named_modules() if module is output), None)


def _not_linear(model: PreTrainedModel) -> str | None:
    """Return the name of an adapted layer that is not a linear one: experts have all their matrices in one parameter."""
    from peft.tuners.lora import Linear, LoraLayer

    found = (name for name, module in model.named_modules() if isinstance(module, LoraLayer) and not isinstance(module, Linear))
    return next(found, None)


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Put a saved adapter into the model, in place; it can learn on.

    Where it adapts an output layer that is tied to the embedding, the two are untied: the adapter belongs to the output only.
    Raises UsageError where it does not fit, is unreadable or is not plain LoRA.
    """
    from peft import PeftModel
    from peft.tuners.lora import Linear

    try:
        with _without_warnings_of_peft():
            adapter = PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except Exception as error:  # a bad folder raises errors of a dozen types
        raise UsageError(f"{folder}: cannot load this adapter: {first_line(error)}") from error
    if reason := _not_plain(model, adapter.peft_config["default"]):
        raise UsageError(f"{folder}: only plain LoRA on linear layers can be loaded, and this adapter has {reason}")
    if _shared(cast(torch.nn.Linear, module.base_layer) for module in model.modules() if isinstance(module, Linear)):
        raise UsageError(f"{folder}: this adapter is on layers that share one matrix, which cannot hold what each of them learned")
    _untie_adapted_output(model)
    return adapter


def _not_plain(model: PreTrainedModel, config: PeftConfig) -> str:
    """Return what in the adapter is more than W + (alpha / rank)·BA of linear layers; empty where there is nothing."""
    from peft import LoraConfig
    from peft.tuners.lora import Linear, LoraLayer

    if not isinstance(config, LoraConfig):
        return f"type {config.peft_type}"
    more = (
        "use_dora", "modules_to_save", "trainable_token_indices", "lora_bias", "layer_replication", "alora_invocation_tokens",
        "target_parameters", "use_qalora",
    )  # fmt: skip
    for key in more:
        if getattr(config, key, None):
            return key
    if config.bias != "none":
        return f"bias = {config.bias!r}"
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    return next((f"a layer of type {type(layer).__name__}" for layer in layers if not isinstance(layer, Linear)), "")


def _untie_adapted_output(model: PreTrainedModel) -> None:
    """Give an adapted output layer weights of its own where it shares the embedding's.

    Merging would otherwise add its product to the embedding too, and vLLM would never read the merged output layer.
    """
    from peft.tuners.lora import Linear

    output: Any = model.get_output_embeddings()
    embedding: Any = model.get_input_embeddings()
    if not isinstance(output, Linear):
        return
    layer: Any = output.base_layer
    if layer.weight is embedding.weight:
        layer.weight = torch.nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False


def has_adapter(model: PreTrainedModel) -> bool:
    """Return whether an adapter was put into the model."""
    from peft.tuners.lora import LoraLayer

    return any(isinstance(module, LoraLayer) for module in model.modules())


@contextmanager
def _without_warnings_of_peft() -> Iterator[None]:
    """Hide warnings that the user cannot act on: of deprecated attributes of transformers that peft still reads, and of adapters on
    tied layers, which are untied here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message=r"Model (has|with) `tie_word_embeddings")
        yield


@dataclass(frozen=True)
class Factors:
    """An adapter of one weight W (outputs, inputs), which computes with W + scale·BA."""

    a: Tensor
    """A (rank, inputs)."""
    b: Tensor
    """B (outputs, rank)."""
    scale: float
    """alpha / rank."""

    def on(self, device: torch.device) -> Factors:
        """Return the same on this device."""
        return Factors(self.a.to(device), self.b.to(device), self.scale)


@torch.no_grad()
def merged_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the model's weights by name, adapters merged: W + (alpha / rank)·BA (equation 3). The model does not change."""
    return merged_tensors(model, model.state_dict())


@torch.no_grad()
def merged_tensors(model: PreTrainedModel, tensors: Mapping[str, Tensor], adapted: bool = True) -> dict[str, Tensor]:
    """Return what `merged_weights` does, for a model of which `tensors` is the state dict: it may itself hold only parts.

    adapted: whether the adapters are merged, or left out.
    """
    weights = unmerged_tensors(tensors)
    for name, factors in adapter_factors(model, tensors).items() if adapted else ():
        weights[name] = merge(weights[name], factors)
    return weights


def unmerged_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a state dict by name, as if there were no adapter. They share its memory."""
    return {name.replace(".base_layer.", "."): tensor.detach() for name, tensor in tensors.items() if ".lora_" not in name}


def adapter_factors(model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> dict[str, Factors]:
    """Return the adapters of a state dict of this model, by the names of their weights. They share its memory."""
    from peft.tuners.lora import Linear

    def factor(name: str, which: str) -> Tensor:
        return tensors[f"{name}.lora_{which}.default.weight"].detach()

    return {
        f"{name}.weight": Factors(factor(name, "A"), factor(name, "B"), module.scaling["default"])
        for name, module in model.named_modules()
        if isinstance(module, Linear)
    }


def merge(weight: Tensor, factors: Factors) -> Tensor:
    """Return W + (alpha / rank)·BA: added in the adapter's float32 and rounded once, as peft does."""
    merged: Tensor = (weight + (factors.b @ factors.a) * factors.scale).to(weight.dtype)
    return merged


def _factors(module: Any) -> Factors:
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    return Factors(a.detach(), b.detach(), module.scaling["default"])


@contextmanager
def merged_lora(model: PreTrainedModel) -> Iterator[None]:
    """Let adapted layers compute with W + (alpha / rank)·BA as one matrix, as the engine does, while A and B still learn.

    A forward pass then costs one product a layer, instead of three products and two passes over their results. The backward pass
    computes the gradients of A and B from the layer's input only. The weights must not change in the context. Without dropout only.
    """
    from peft.tuners.lora import Linear

    adapted = [module for module in model.modules() if isinstance(module, Linear)]
    for module in adapted:
        with torch.no_grad():
            merged = merge(cast(Tensor, module.base_layer.weight), _factors(module))
        module.forward = partial(_forward, module, merged)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in adapted:
            del module.forward  # removes the instance's attribute, so that the class's method is used again


def _forward(module: Any, merged: Tensor, x: Tensor) -> Tensor:
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    product: Tensor = _Adapted.apply(x, merged, module.base_layer.bias, a, b, module.scaling["default"])  # type: ignore[no-untyped-call]
    return product


class _Adapted(torch.autograd.Function):
    """y = x(W + s·BA)ᵀ, with the gradients of LoRA's y = xWᵀ + s·xAᵀBᵀ for x, A and B."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, merged: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x, merged, a, b)
        ctx.scale = scale
        return torch.nn.functional.linear(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, merged, a, b = ctx.saved_tensors
        grad_LO = grads[0].flatten(0, -2)
        x_LI = x.flatten(0, -2).to(a.dtype)
        grad_x = grads[0] @ merged if ctx.needs_input_grad[0] else None
        grad = grad_LO.to(b.dtype)
        down_Lr = ctx.scale * (grad @ b)
        return grad_x, None, None, down_Lr.T @ x_LI, ctx.scale * (grad.T @ (x_LI @ a.T)), None
