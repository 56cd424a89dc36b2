"""The settings of a drafted recipe, each with its reason."""

from dataclasses import dataclass

from .batch import Batch
from .model import SMALL, ModelFindings
from .recipe_draft import Choice
from .weights import Weights


@dataclass(frozen=True)
class Settings:
    """What is chosen by more than the form of the answers."""

    weights: Weights
    max_tokens: Choice[int]
    temperature: Choice[float] | None
    """None for the default."""
    batch: Batch
    samples: Choice[int] | None
    """Answers to each held-out problem; None for the default."""


def temperature_for(model: ModelFindings) -> Choice[float] | None:
    """Return `sampling.temperature`; None where the default, 1, is right."""
    if model.made_by is not None:
        before = model.made_by.sampling.temperature
        return None if before in (0.0, 1.0) else Choice(before, f"as in the training of {model.name}")
    if model.thinks:
        return Choice(0.6, "DeepSeek advises 0.5 to 0.7 for models that think aloud: at 1 they repeat themselves")
    if model.follows and model.parameters < SMALL:
        return Choice(0.6, "so small a model wanders at 1; smollm2-135m-arithmetic learned at 0.6")
    return None
