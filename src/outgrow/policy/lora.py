"""Low-rank adapters, by peft (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..core.errors import UsageError, first_line
from ..core.rng import seed_from

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class LoRA(BaseModel):
    """Recipe table `policy.lora`: adapters on the linear layers whose names end in `targets`; all other weights stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32.0, gt=0, description="the product of the two matrices counts alpha / rank")
    targets: tuple[str, ...] = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), min_length=1
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="in supervised fine-tuning; RL scores what was sampled, without it")


def add_adapter(model: PreTrainedModel, lora: LoRA, seed: int, base: str, revision: str | None = None) -> PeftModel:
    """Put a new adapter into the model, in place; its product is 0 at first.

    base, revision: the model's public name, and which of its versions on the hub, for the adapter's file.

    Raises UsageError where a target names no linear layer.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        # peft's type says int, its arithmetic takes any number.
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        target_modules=list(lora.targets),
        lora_dropout=lora.dropout,
        base_model_name_or_path=base,
        revision=revision,
        task_type="CAUSAL_LM",
    )
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    for target in lora.targets:
        if target not in names:
            raise UsageError(
                f"policy.lora.targets: {base} has no linear layer called {target!r}; it has {', '.join(sorted(names))}"
            )
    model.name_or_path = base  # what peft writes down as the adapter's base, where it would write the folder it was loaded from
    if "lm_head" in lora.targets and model.config.tie_word_embeddings:
        raise UsageError(f"policy.lora.targets: the lm_head of {base} is its embedding as well, so it takes no adapter")
    # peft draws from the global stream, so that stream is keyed and then put back.
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed_from(seed, "lora"))
        with _without_deprecations():
            adapter = get_peft_model(model, config)
    finally:
        torch.random.set_rng_state(state)
    assert isinstance(adapter, PeftModel)
    return adapter


def load_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """Put a saved adapter into the model, in place, ready to learn on. Raises UsageError where it does not fit or is unreadable."""
    from peft import LoraConfig, PeftModel
    from peft.tuners.lora import Linear, LoraLayer

    try:
        with _without_deprecations():
            adapter = PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except Exception as error:  # a bad folder surfaces as any of a dozen types
        raise UsageError(f"{folder}: cannot load this adapter: {first_line(error)}") from error
    config = adapter.peft_config["default"]
    plain = isinstance(config, LoraConfig) and not (config.use_dora or config.modules_to_save) and config.bias == "none"
    if not plain or any(isinstance(module, LoraLayer) and not isinstance(module, Linear) for module in model.modules()):
        raise UsageError(f"{folder}: only plain LoRA on linear layers is read (no DoRA, embeddings, biases or whole modules)")
    return adapter


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """peft asks transformers for attributes that are going away; a person who trains can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@torch.no_grad()
def merged_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The model's weights by name, adapters multiplied out: W + (alpha / rank)·BA (equation 3). The model stays as it is."""
    from peft.tuners.lora import Linear

    weights = {
        name.replace(".base_layer.", "."): tensor.detach() for name, tensor in model.state_dict().items() if ".lora_" not in name
    }
    for name, module in model.named_modules():
        if isinstance(module, Linear):
            weights[f"{name}.weight"] = _merged(module, weights[f"{name}.weight"])
    return weights


def _merged(module: Any, base: Tensor) -> Tensor:
    """Added in the adapter's float32 and rounded once, as peft merges."""
    merged: Tensor = (base + module.get_delta_weight("default")).to(base.dtype)
    return merged


@contextmanager
def merged_lora(model: PreTrainedModel) -> Iterator[None]:
    """Inside, adapted layers compute with W + (alpha / rank)·BA as one matrix, as the engine does, and A and B still learn.

    A pass then costs one product a layer instead of three and two passes over what comes out; what the adapter's own gradients
    need is computed backwards, from the layer's input alone. The weights must not change inside. Without dropout only.
    """
    from peft.tuners.lora import Linear

    adapted = [module for module in model.modules() if isinstance(module, Linear)]
    for module in adapted:
        with torch.no_grad():
            merged = _merged(module, cast(Tensor, module.base_layer.weight))
        module.forward = partial(_forward, module, merged)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in adapted:
            del module.forward  # the instance's own; the class's is there again


def _forward(module: Any, merged: Tensor, x: Tensor) -> Tensor:
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    found: Tensor = _Adapted.apply(x, merged, module.base_layer.bias, a, b, module.scaling["default"])  # type: ignore[no-untyped-call]
    return found


class _Adapted(torch.autograd.Function):
    """y = x(W + s·BA)ᵀ, with gradients to x, A and B: those of LoRA's y = xWᵀ + s·xAᵀBᵀ."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, merged: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x, merged, a, b)
        ctx.scale = scale
        return torch.nn.functional.linear(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, merged, a, b = ctx.saved_tensors
        grad_NO = grads[0].flatten(0, -2)
        x_NI = x.flatten(0, -2).to(a.dtype)
        grad_x = grads[0] @ merged if ctx.needs_input_grad[0] else None
        grad = grad_NO.to(b.dtype)
        down_NR = ctx.scale * (grad @ b)
        return grad_x, None, None, down_NR.T @ x_NI, ctx.scale * (grad.T @ (x_NI @ a.T)), None
