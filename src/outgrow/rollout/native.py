"""Batched decoding in PyTorch: one prefill a problem, shared by its group; finished rows leave the batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import UsageError
from ..keyed import torch_generator
from ..policy import Policy, Sampling
from ..policy.distribution import draw, log_distribution
from .engine import Rollout
from .llama import LlamaDecoder

# Dropping finished rows copies the cache, so it waits until this share of the rows is done.
_COMPACT_AT = 0.2


class NativeEngine:
    """An `Engine` that decodes beside the learner, in its own process, from a copy of its weights."""

    def __init__(self, max_rows: int = 512) -> None:
        """max_rows: rollouts decoded at the same time, a group always whole; bounds the cache."""
        self.max_rows = max_rows
        self._decoder: LlamaDecoder | None = None
        self._policy: Policy | None = None

    def update(self, policy: Policy) -> None:
        """Take over the policy's present weights."""
        self._policy = policy
        self._decoder = LlamaDecoder(policy.model.config, policy.weights())

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        poll: Callable[[], None] = lambda: None,
    ) -> list[list[Rollout]]:
        """See `Engine.generate`. Raises UsageError where a prompt leaves no room for a completion."""
        assert self._policy is not None, "update() comes first"
        longest = max(map(len, prompts))
        if longest + sampling.max_tokens > self._policy.context:
            raise UsageError(
                f"prompt of {longest} tokens + sampling.max_tokens={sampling.max_tokens} exceeds the model's context of "
                f"{self._policy.context}; lower sampling.max_tokens"
            )
        # Prompts of like length go together, so little is padded.
        order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
        slots = len(prompts[order[-1]]) + sampling.max_tokens
        batch = max(1, min(self.max_rows, self._rows_in_memory(slots)) // n)
        groups: dict[int, list[Rollout]] = {}
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            written = self._generate_batch([prompts[i] for i in chosen], n, sampling, [seeds[i] for i in chosen], poll)
            groups.update(zip(chosen, written, strict=True))
        return [groups[index] for index in range(len(prompts))]

    def _rows_in_memory(self, slots: int) -> int:
        """Rollouts of so many tokens whose cache a GPU can hold twice, as it must for a moment whenever finished rows leave it."""
        assert self._decoder is not None
        device = self._decoder.embedding.device
        if device.type != "cuda":
            return self.max_rows
        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(0.9 * free / (2 * slots * self._decoder.bytes_a_slot))

    def _generate_batch(
        self, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, seeds: Sequence[int], poll: Callable[[], None]
    ) -> list[list[Rollout]]:
        policy, decoder = self._policy, self._decoder
        assert policy is not None and decoder is not None
        limit, end_id, device = sampling.max_tokens, policy.end_id, policy.model.device
        width = max(map(len, prompts))
        # Prompts are padded on the left, so that every row writes its next token into the same cache slot.
        tokens_PQ = torch.tensor([[policy.pad_id] * (width - len(p)) + list(p) for p in prompts], device=device)
        padding_P1 = torch.tensor([[width - len(p)] for p in prompts], device=device)
        real_PQ = torch.arange(width, device=device) >= padding_P1
        positions_PQ = (real_PQ.cumsum(-1) - 1).clamp_(min=0)
        causal_QQ = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        # A pad query sees itself: a softmax over nothing would be NaN.
        mask_PQQ = (causal_QQ & real_PQ[:, None, :]) | torch.eye(width, dtype=torch.bool, device=device)
        cache = decoder.new_cache(len(prompts), width + limit)
        logits_BV = decoder.forward(tokens_PQ, positions_PQ, cache, 0, mask_PQQ)

        rows = len(prompts) * n
        spread_B = torch.arange(len(prompts), device=device).repeat_interleave(n)
        cache, logits_BV = cache.select(spread_B, width), logits_BV[spread_B]
        real_BS = torch.cat([real_PQ[spread_B], torch.ones(rows, limit, dtype=torch.bool, device=device)], dim=1)
        next_position_B = positions_PQ[spread_B, -1] + 1
        # Drawn on the CPU, so that the dice are the same on every machine.
        dice = [torch.rand(n, limit, generator=torch_generator(seed, "draw"), device="cpu") for seed in seeds]
        uniform_BT = torch.cat(dice).to(device)

        completions_BT = torch.full((rows, limit), end_id, device=device)
        logprobs_BT = torch.zeros(rows, limit, device=device)
        lengths_B = torch.full((rows,), limit, device=device)
        live = torch.arange(rows, device=device)  # which rollout each row of the batch writes
        done = torch.zeros(rows, dtype=torch.bool, device=device)  # of the rows in the batch
        for step in range(limit):
            poll()
            chosen_B, chosen_logprobs_B = _choose(logits_BV, sampling, uniform_BT[live, step])
            completions_BT[live[~done], step] = chosen_B[~done]
            logprobs_BT[live[~done], step] = chosen_logprobs_B[~done]
            ending = ~done & (chosen_B == end_id)
            lengths_B[live[ending]] = step + 1
            done |= ending
            if step + 1 == limit or bool(done.all()):
                break
            if int(done.sum()) >= _COMPACT_AT * len(done):
                keep = (~done).nonzero().squeeze(-1)
                cache = cache.select(keep, width + step)
                live, chosen_B, real_BS, next_position_B = live[keep], chosen_B[keep], real_BS[keep], next_position_B[keep]
                done = torch.zeros(len(keep), dtype=torch.bool, device=device)
            start = width + step
            logits_BV = decoder.forward(
                chosen_B.unsqueeze(1), next_position_B.unsqueeze(1), cache, start, real_BS[:, None, : start + 1]
            )
            next_position_B = next_position_B + 1
        return _collect(policy, prompts, n, completions_BT, logprobs_BT, lengths_B)


def _choose(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    logprobs_BV = log_distribution(logits_BV, sampling)
    chosen_B = logits_BV.argmax(-1) if sampling.temperature == 0 else draw(logprobs_BV, uniform_B)
    return chosen_B, logprobs_BV.gather(-1, chosen_B.unsqueeze(-1)).squeeze(-1)


def _collect(
    policy: Policy, prompts: Sequence[Sequence[int]], n: int, completions_BT: Tensor, logprobs_BT: Tensor, lengths_B: Tensor
) -> list[list[Rollout]]:
    rollouts = []
    for row, length in enumerate(lengths_B.tolist()):
        ids = completions_BT[row, :length].tolist()
        finished = ids[-1] == policy.end_id
        rollouts.append(Rollout(list(prompts[row // n]), ids, logprobs_BT[row, :length].tolist(), finished, policy.text(ids)))
    return [rollouts[first : first + n] for first in range(0, len(rollouts), n)]
