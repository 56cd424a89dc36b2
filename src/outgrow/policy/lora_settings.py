"""The recipe table `policy.lora`; `lora.py` makes and loads the adapters."""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class LoRA(BaseModel):
    """Recipe table `policy.lora`: adapters on the linear layers whose names end in one of `targets`. Other weights are frozen, but
    for those of a memory (`policy.memory`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(
        default=16, ge=0, description="Rank of the two matrices; 0 for no adapters, so that only a memory learns (`policy.memory`)."
    )
    alpha: FiniteFloat = Field(default=32.0, gt=0, description="The product of the two matrices is scaled by alpha / rank.")
    targets: tuple[str, ...] = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="Ends of the names of the layers that get an adapter.",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in supervised fine-tuning; RL uses none.")
