"""How completions are drawn: the settings. `distribution.py` computes what they mean."""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class Sampling(BaseModel):
    """How completions are drawn (recipe table `sampling`). Temperature 0 is greedy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: FiniteFloat = Field(default=1.0, ge=0.0, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="Sample from the likeliest tokens that reach this probability together; 1 keeps all.",
    )
    top_k: int = Field(default=0, ge=0, description="Sample from this many likeliest tokens; 0 keeps all.")
    max_tokens: int = Field(default=96, ge=1, description="Length limit of a completion, in tokens.")

    @property
    def truncates(self) -> bool:
        """Whether some tokens have probability 0."""
        return self.top_k > 0 or self.top_p < 1.0
