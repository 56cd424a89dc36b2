"""Asking a model as a recipe says: its engine, its sampling, its verifier."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import Recipe
from ..core.addresses import is_served
from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..engines import ChatModel, Engine, EngineConfig, LocalModel, OpenAIServer, engine_for, sync
from ..policy import ModelSpec, Policy, Sampling, load_policy
from ..verify import Verifier
from .folder import RunFolder
from .models import evaluation_sampling, run_policy
from .resolve_model import resolve_model


@dataclass(frozen=True)
class Session:
    """A policy ready to answer, and what grades its answers."""

    model: LocalModel
    verifier: Verifier
    sampling: Sampling
    """As in training."""
    evaluation_sampling: Sampling
    """The same at the temperature that the recipe measures at."""


@contextmanager
def open_session(recipe: Recipe, policy: Policy, warn: Warn = quiet, engine: Engine | None = None) -> Iterator[Session]:
    """Give a session for this policy; its engine sleeps and its verifier is closed at the end of the block.

    engine: one that is there already. Default: a new one, as the recipe says. warn: takes what a person should know of it.
    """
    model = local_model(policy, engine or recipe.engine.exact().build(warn))
    with verifier_for(recipe) as verifier:
        try:
            yield Session(model, verifier, recipe.sampling, evaluation_sampling(recipe))
        finally:
            model.engine.sleep()


def local_model(policy: Policy, engine: Engine) -> LocalModel:
    """Return the policy with this engine, which gets its present weights."""
    sync(engine, policy)
    return LocalModel(policy, engine)


def verifier_for(recipe: Recipe | None, warn: Warn = quiet) -> Verifier:
    """Return the verifier that a recipe asks for; without one, a verifier with its defaults. warn: see `Verifier`."""
    return Verifier(recipe.verify.extract, recipe.verify.exact, warn) if recipe else Verifier(warn=warn)


def open_chat_model(name: str, recipe: Recipe | None, warn: Warn, omit_settings: Sequence[str] | None = None) -> ChatModel:
    """Return the model that a person named (see `resolve_model`), ready to be asked as the recipe says.

    omit_settings: what is not sent to a server. Default: as the recipe says. Raises UsageError or OutgrowError where the model
    cannot be had.
    """
    if is_served(name):
        omit = recipe.server.omit_settings if recipe and omit_settings is None else omit_settings or ()
        return OpenAIServer(name, recipe.prompt if recipe else None, omit_settings=omit, warn=warn)
    if omit_settings is not None:
        raise UsageError(f"--omit-settings is for the address of a server, and {name} runs in this process; remove the option")
    policy = open_policy(name, recipe)
    return local_model(policy, _engine(recipe, policy.spec()).build(warn))


def _engine(recipe: Recipe | None, spec: ModelSpec) -> EngineConfig:
    """Return the settings of the engine that answers for this model: the recipe's, or another where the recipe names no engine.

    Raises UsageError where the recipe names one that cannot decode the model: these commands have no --set.
    """
    if recipe is None:
        return engine_for(spec)
    config = recipe.engine.exact()
    if "type" not in recipe.engine.model_fields_set:
        return engine_for(spec, config)
    try:
        config.require_model(spec)
    except UsageError as error:
        raise UsageError(f"{error}; the recipe {recipe.name!r} names this engine, so change engine.type in it") from error
    return config


def open_policy(name: str, recipe: Recipe | None = None) -> Policy:
    """Return the policy that a person named; a run's keeps its own prompt, any other takes the recipe's."""
    if RunFolder(Path(name)).is_run():
        return run_policy(Path(name))
    return load_policy(resolve_model(name).name, recipe.prompt if recipe else None)


def default_max_tokens(recipe: Recipe | None, respondent: ChatModel) -> int:
    """Return the default length limit of an answer, in tokens."""
    return recipe.sampling.max_tokens if recipe else min(512, respondent.context // 2)


def sampling_for(
    recipe: Recipe | None, respondent: ChatModel, temperature: float | None = None, max_tokens: int | None = None
) -> Sampling:
    """Return the recipe's sampling, or the default one, with what the options change. temperature: None leaves it as it is.

    Raises UsageError for a temperature that is not a finite number from 0 on.
    """
    if temperature is not None and not 0 <= temperature < math.inf:
        raise UsageError(
            f"a temperature of {temperature} cannot be sampled at; give a number from 0, which is greedy, for example 1"
        )
    sampling = recipe.sampling if recipe else Sampling()
    return sampling.model_copy(
        update={
            "temperature": sampling.temperature if temperature is None else temperature,
            "max_tokens": max_tokens or default_max_tokens(recipe, respondent),
        }
    )
