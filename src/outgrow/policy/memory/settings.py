"""The recipe table `policy.memory`; `branch.py` makes the layers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MODEL_TYPE = "outgrow_memory"
"""What transformers calls a model with a memory."""

NAME = "memory"
"""Name of a layer's memory in its attention; the names of weights hold it."""

Kind = Literal["titans", "linear_attention", "delta", "gated_delta", "tokenwise", "none"]


class Memory(BaseModel):
    """Recipe table `policy.memory`: attention over a sliding window, with a memory next to it that is written while reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Kind = Field(
        default="titans",
        description="How the memory is written: `titans` or a rival. `tokenwise` has parameters but no memory; `none` is "
        "the window only.",
    )
    window: int = Field(default=64, ge=2, description="Tokens that attention looks back at, the token itself included.")
    heads: int = Field(default=4, ge=1, description="Memories of a layer, each with its own keys and values.")
    width: int = Field(default=16, ge=1, description="Numbers of a key and of a value.")
    hidden: int = Field(default=32, ge=1, description="Numbers between the matrices of a memory (`titans`).")
    depth: int = Field(default=2, ge=1, le=4, description="Matrices of a memory: 1 is a linear one (`titans`).")
    chunk: int = Field(default=16, ge=1, description="Tokens whose gradients are taken together (`titans`); 1 is the exact rule.")
    momentum: bool = Field(default=True, description="Let surprise last over the tokens that follow (`titans`).")
    decay: bool = Field(default=True, description="Let the memory forget (`titans`).")
    convolution: int = Field(default=4, ge=1, description="Tokens that a key, value or query is mixed from; 1 for no convolution.")

    @model_validator(mode="after")
    def _chunk_divides(self) -> "Memory":
        if self.rule == "titans" and self.window % self.chunk:
            raise ValueError(f"chunk={self.chunk} does not divide window={self.window}; choose one that does")
        return self


def saved_settings(values: Any) -> Memory:
    """Return the settings that a file of a model holds. Raises ValueError with one line where they are not settings of a memory.

    >>> saved_settings({"depth": 9})
    Traceback (most recent call last):
    ValueError: memory.depth: Input should be less than or equal to 4
    """
    try:
        return Memory.model_validate({} if values is None else values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, ('memory', *first['loc'])))}: {first['msg']}") from error


def is_of_memory(name: str) -> bool:
    """Return whether this is the name of a weight of a memory.

    >>> is_of_memory("model.layers.0.self_attn.memory.gate"), is_of_memory("model.layers.0.self_attn.q_proj.weight")
    (True, False)
    """
    return NAME in name.split(".")
