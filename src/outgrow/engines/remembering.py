"""A model with a memory that keeps what it has read from turn to turn, instead of reading the conversation again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.callbacks import CheckStop, Written, never_stop
from ..core.errors import UsageError
from ..policy.memory.settings import MODEL_TYPE
from .chat_model import Answer, ChatModel, ChatRequest, Conversation, LocalModel, WrappedModel
from .engine import GenerationRequest

if TYPE_CHECKING:
    from ..policy.memory.kept import Kept

_WITHOUT_MEMORY = ("none", "tokenwise")  # the controls of policy.memory.rule


@dataclass
class Remembered:
    """What is kept, and its file."""

    path: Path
    fingerprint: str
    """Of the model."""
    kept: Kept
    newest: Kept | None = None
    """The same behind the newest answer, which is not kept yet."""

    def keep(self) -> None:
        """Keep the newest answer, and write the file. Raises OutgrowError where it cannot be written."""
        assert self.newest is not None, "an answer comes first"
        self.kept, self.newest = self.newest, None
        self.kept.save(self.path, self.fingerprint)


@dataclass(frozen=True)
class RememberingModel(WrappedModel):
    """A model that takes one turn at a time: what was read before is kept, and not given again."""

    model: LocalModel
    memory: Remembered

    def room(self, conversation: Conversation) -> int:
        """Return a number beyond every limit: what is kept does not grow."""
        return sys.maxsize

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        """Answer one question, behind what is kept. The turn is forgotten where `memory.keep` is not called after it."""
        import torch

        from .draws import Draws

        assert request.n == 1
        [[question]], policy, kept = request.conversations, self.model.policy, self.memory.kept.copy()
        prompt = policy.turn_ids(question["content"]) if kept.tokens else policy.chat_ids([question])
        draws = Draws(policy.spec(), GenerationRequest([prompt], 1, request.sampling, request.seeds, on_text=request.on_text))
        first_B = torch.zeros(1, dtype=torch.long, device=policy.model.device)
        logits_V = kept.read(policy.model, prompt)
        for written in range(request.sampling.max_tokens):
            check_stop()
            token_B, ends_B = draws.draw(logits_V.unsqueeze(0), first_B, first_B + written)
            request.on_written(Written(0, written + 1))
            if ends_B:
                draws.end(ends_B, first_B, first_B + written + 1)
                break  # the next turn begins with the end as the chat template writes it
            logits_V = kept.read(policy.model, token_B.tolist())
        [[rollout]] = draws.rollouts(0)
        self.memory.newest = kept
        return [[Answer(rollout.text, rollout.finished, len(rollout.completion_ids))]]


def remembering(model: ChatModel, name: str, path: Path) -> RememberingModel:
    """Return a model that goes on from what the file keeps, or begins it. name: the model's, for messages.

    Raises UsageError where the model has no memory, or the file is not one that it has written.
    """
    config = model.policy.model.config if isinstance(model, LocalModel) else None
    if config is None or config.model_type != MODEL_TYPE or (config.memory or {}).get("rule", "titans") in _WITHOUT_MEMORY:
        raise UsageError(
            f"--memory: {name} has no memory; name a model that was trained with the recipe table policy.memory "
            "(docs/guides/memory.md)"
        )
    from ..policy.memory.kept import Kept

    assert isinstance(model, LocalModel)
    model.policy.turn_ids("?")  # says now where no turn can follow another
    model.engine.sleep()  # its copy of the weights is not needed
    network = model.policy.model
    kept = Kept.load(path, network, model.identity) if path.exists() else Kept.nothing(network)
    return RememberingModel(model, Remembered(path, model.identity, kept))
