"""The tokens of one call's R rollouts, as they are drawn: the engines of this process draw from the same numbers."""

import torch
from torch import Tensor

from ..core.callbacks import OnText
from ..core.rng import torch_rng
from ..policy import ModelSpec, Sampling
from ..policy.distribution import distribution, draw
from ..types import Rollout
from .engine import GenerationRequest


class Draws:
    """The R rollouts of a request, in the order of its prompts: those of prompt p are p · n to p · n + n - 1."""

    def __init__(self, spec: ModelSpec, request: GenerationRequest) -> None:
        self.spec, self.request = spec, request
        limit, total, device = request.sampling.max_tokens, request.rollouts, spec.device
        # Drawn on the CPU, so that every machine draws the same.
        uniforms = [torch.rand(request.n, limit, generator=torch_rng(seed, "draw"), device="cpu") for seed in request.seeds]
        self.uniform_RT = torch.cat(uniforms).to(device)
        self.completions_RT = torch.full((total, limit), spec.end_ids[0], device=device)
        self.logprobs_RT = torch.zeros(total, limit, device=device)
        self.lengths_R = torch.full((total,), limit, device=device)
        """Tokens of each rollout; the longest completion's until `end` says that it ended."""
        self.ends_E = torch.tensor(spec.end_ids, device=device)

    def draw(self, logits_BV: Tensor, rollout_B: Tensor, written_B: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the next token of B rollouts, and return the token ids (B,), and whether each is an end token (B,).

        rollout_B: which rollouts. written_B: tokens that each of them has.
        """
        token_B, logprob_B = _choose(logits_BV, self.request.sampling, self.uniform_RT[rollout_B, written_B])
        self.completions_RT[rollout_B, written_B] = token_B
        self.logprobs_RT[rollout_B, written_B] = logprob_B
        if self.request.on_text is not None:
            self._read_out(self.request.on_text, rollout_B, written_B)
        return token_B, torch.isin(token_B, self.ends_E)

    def _read_out(self, on_text: OnText, rollout_B: Tensor, written_B: Tensor) -> None:
        """Tell the first rollout's text where it is among these and has not ended. On a GPU this waits for the token."""
        for written in written_B[rollout_B == 0].tolist():
            if written < int(self.lengths_R[0]):
                on_text(self.spec.text(self.completions_RT[0, : written + 1].tolist()))

    def end(self, ends_B: Tensor, rollout_B: Tensor, written_B: Tensor) -> None:
        """Note the length written_B of those of B rollouts whose ends_B is true."""
        self.lengths_R[rollout_B] = torch.where(ends_B, written_B, self.lengths_R[rollout_B])

    def rollouts(self, weights_version: int) -> list[list[Rollout]]:
        """Return the groups in the order of their prompts. weights_version: of the weights that wrote them."""
        rollouts, n = [], self.request.n
        rows = zip(self.completions_RT.tolist(), self.logprobs_RT.tolist(), self.lengths_R.tolist(), strict=True)
        for index, (ids, logprobs, length) in enumerate(rows):
            ids, prompt = ids[:length], list(self.request.prompts[index // n])
            finished = ids[-1] in self.spec.end_ids
            rollouts.append(Rollout(prompt, ids, logprobs[:length], finished, self.spec.text(ids), weights_version))
        return [rollouts[first : first + n] for first in range(0, len(rollouts), n)]


def _choose(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token of each row: token ids (B,), and their log-probabilities (B,) in nats."""
    probs_BV = distribution(logits_BV, sampling)
    token_B = logits_BV.argmax(-1) if sampling.temperature == 0 else draw(probs_BV, uniform_B)
    return token_B, probs_BV.gather(-1, token_B.unsqueeze(-1)).squeeze(-1).log()
