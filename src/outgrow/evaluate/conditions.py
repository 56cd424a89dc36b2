"""How an evaluation was measured: kept with its samples, so that two are compared only where they were measured alike."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ..config import Recipe
from ..config.sections import VerifySection
from ..engines import ChatModel, OpenAIServer
from ..policy import Prompt, Sampling

CHANCE = ("evaluate.samples", "seed")
"""Settings that change the noise of pass@1, and not what it estimates."""


class Conditions(BaseModel):
    """Everything outside the policy and the problems that decides pass@1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampling: Sampling
    """Of the k samples; its temperature is that of the measurement."""
    prompt: Prompt
    verify: VerifySection
    samples: int
    """k: samples of each problem."""
    seed: int = 0
    omitted: tuple[str, ...] = ()
    """Settings that a server was not sent."""

    def settings(self) -> dict[str, Any]:
        """Return the settings by their keys in a recipe."""
        sampling = {f"sampling.{key}": value for key, value in self.sampling.model_dump().items() if key != "temperature"}
        return {
            "evaluate.temperature": self.sampling.temperature,
            **sampling,
            **{f"prompt.{key}": value for key, value in self.prompt.model_dump().items()},
            **{f"verify.{key}": value for key, value in self.verify.model_dump(mode="json").items()},
            "server.omit_settings": list(self.omitted),
            "evaluate.samples": self.samples,
            "seed": self.seed,
        }


def conditions(
    recipe: Recipe | None, sampling: Sampling, samples: int, seed: int = 0, model: ChatModel | None = None
) -> Conditions:
    """Return the conditions of a measurement as a recipe says; None: with the defaults.

    sampling: with the temperature in use. model: what was measured, where it may be a server.
    """
    prompt, verify = (recipe.prompt, recipe.verify) if recipe else (Prompt(), VerifySection())
    omitted = model.omit_settings if isinstance(model, OpenAIServer) else ()
    return Conditions(sampling=sampling, prompt=prompt, verify=verify, samples=samples, seed=seed, omitted=omitted)
