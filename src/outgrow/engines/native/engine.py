"""Batched decoding in PyTorch: one prefill a problem, shared by its group; a finished row's place goes to the next problem."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...core.memory import total_memory
from ...core.oom_backoff import AutoBatchSize
from ...core.rng import torch_rng
from ...policy import Policy, Sampling
from ...policy.sampling import distribution, draw
from ...types import Rollout
from ..engine import check_room
from .decoder import LlamaDecoder

# Tokens of prompts that are run at once; a few thousand keep the products at full speed.
_READ_TOKENS = 8192
# Groups come in once they fill this share of the places, as a pass over a few prompts costs about what one over many does.
_REFILL_AT = 0.125


class NativeEngine:
    """An `Engine` that decodes beside the learner, in its own process, from a copy of its weights."""

    def __init__(self, max_sequences: int = 512, warn: Callable[[str], None] = lambda _: None) -> None:
        """max_sequences: rollouts decoded at the same time, a group always whole; bounds the cache, and is halved where memory runs
        out, which `warn` is told.
        """
        self._rows = AutoBatchSize("engine.max_sequences", max_sequences, warn)
        self._decoder: LlamaDecoder | None = None
        self._policy: Policy | None = None

    def update(self, policy: Policy) -> None:
        """Take over the policy's present weights."""
        self._policy = policy
        self.sleep()  # before the new copy is made, so that no two are held
        self._decoder = LlamaDecoder(policy.model.config, policy.weights())

    def sleep(self) -> None:
        """See `Engine.sleep`."""
        self._decoder = None

    def state_dict(self) -> dict[str, Any]:
        """See `Engine.state_dict`."""
        return {"max_sequences": self._rows.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Engine.load_state_dict`."""
        self._rows.load_state_dict(state["max_sequences"])

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        check_stop: Callable[[], None] = lambda: None,
    ) -> list[list[Rollout]]:
        """See `Engine.generate`. Raises UsageError where a prompt leaves no room for a completion."""
        assert self._policy is not None and self._decoder is not None, "update() comes first"
        check_room(prompts, sampling, self._policy.context)
        policy, decoder = self._policy, self._decoder
        slots = max(map(len, prompts)) + sampling.max_tokens

        def at_once(rows: int) -> list[list[Rollout]]:
            groups = min(max(1, min(rows, self._rows_in_memory(slots)) // n), len(prompts))
            batch = _Batch(policy, decoder, prompts, n, sampling, seeds, groups * n, slots)
            while batch.unfinished():
                check_stop()
                batch.advance()
            return batch.rollouts()

        return self._rows.run(at_once, smallest=n, most=len(prompts) * n)

    def _rows_in_memory(self, slots: int) -> int:
        """Rollouts of so many tokens whose cache memory can hold: what a GPU has free, half of what a machine has."""
        assert self._decoder is not None
        device = self._decoder.embedding.device
        if device.type != "cuda":  # memory that is promised there and not to be had ends the process, without an error
            return total_memory(device) // 2 // (slots * self._decoder.bytes_a_slot)
        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(0.8 * free / (slots * self._decoder.bytes_a_slot))


class _Batch:
    """The rollouts of one call. The rows that are being written are the first ones of the cache, with no gap between them."""

    def __init__(
        self,
        policy: Policy,
        decoder: LlamaDecoder,
        prompts: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        rows: int,
        slots: int,
    ) -> None:
        self.policy, self.decoder, self.prompts, self.n, self.sampling = policy, decoder, prompts, n, sampling
        self.device = policy.model.device
        self.rows = rows
        self.cache = decoder.new_cache(rows, slots)
        # Prompts of like length are read together, so little is padded.
        self.waiting = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index), reverse=True)
        total, limit = len(prompts) * n, sampling.max_tokens
        # Drawn on the CPU, so that the dice are the same on every machine.
        dice = [torch.rand(n, limit, generator=torch_rng(seed, "draw"), device="cpu") for seed in seeds]
        self.uniform_RT = torch.cat(dice).to(self.device)
        self.completions_RT = torch.full((total, limit), policy.end_id, device=self.device)
        self.logprobs_RT = torch.zeros(total, limit, device=self.device)
        self.lengths_R = torch.full((total,), limit, device=self.device)
        # Of each row that is being written: its rollout, the tokens in its cache, those of them completed, its next logits.
        self.rollout_B = self._empty()
        self.filled_B = self._empty()
        self.written_B = self._empty()
        self.logits_BV = torch.empty(0, decoder.head.outputs, device=self.device)

    def _empty(self) -> Tensor:
        return torch.empty(0, dtype=torch.long, device=self.device)

    def unfinished(self) -> bool:
        return bool(self.waiting) or len(self.rollout_B) > 0

    def advance(self) -> None:
        """One token more of every row; rows that are done leave, and groups that wait come in."""
        self._refill()
        chosen_B, chosen_logprobs_B = _choose(self.logits_BV, self.sampling, self.uniform_RT[self.rollout_B, self.written_B])
        self.completions_RT[self.rollout_B, self.written_B] = chosen_B
        self.logprobs_RT[self.rollout_B, self.written_B] = chosen_logprobs_B
        self.written_B = self.written_B + 1
        ended_B = chosen_B == self.policy.end_id
        self.lengths_R[self.rollout_B[ended_B]] = self.written_B[ended_B]
        stays_B = ~ended_B & (self.written_B < self.sampling.max_tokens)
        if not bool(stays_B.all()):
            chosen_B = chosen_B[self._close_up(stays_B)]
        if len(chosen_B):
            self.logits_BV = self.decoder.step(chosen_B, self.filled_B, self.cache, int(self.filled_B.max()))
            self.filled_B = self.filled_B + 1

    def _refill(self) -> None:
        """Read prompts for as many groups as there are places for."""
        places = (self.rows - len(self.rollout_B)) // self.n
        if not self.waiting or not places or (len(self.rollout_B) and places * self.n < _REFILL_AT * self.rows):
            return
        coming = [self.waiting.pop() for _ in range(min(places, len(self.waiting)))]
        while coming:
            width = len(self.prompts[coming[-1]])  # the longest comes last
            count = max(1, _READ_TOKENS // width)
            self._read(coming[-count:])
            coming = coming[:-count]

    def _read(self, chosen: list[int]) -> None:
        lengths = [len(self.prompts[index]) for index in chosen]
        width, pad = max(lengths), self.policy.pad_id
        tokens_PQ = torch.tensor([[*self.prompts[i]] + [pad] * (width - len(self.prompts[i])) for i in chosen], device=self.device)
        lengths_P = torch.tensor(lengths, device=self.device)
        prompts, logits_PV = self.decoder.read(tokens_PQ, lengths_P)
        self.cache.put(len(self.rollout_B), prompts, self.n)
        first_P1 = torch.tensor([[index * self.n] for index in chosen], device=self.device)
        rollouts_B = (first_P1 + torch.arange(self.n, device=self.device)).flatten()
        self.rollout_B = torch.cat([self.rollout_B, rollouts_B])
        self.filled_B = torch.cat([self.filled_B, lengths_P.repeat_interleave(self.n)])
        self.written_B = torch.cat([self.written_B, torch.zeros_like(rollouts_B)])
        self.logits_BV = torch.cat([self.logits_BV, logits_PV.repeat_interleave(self.n, 0)])

    def _close_up(self, stays_B: Tensor) -> Tensor:
        """Let rows leave: the last that stay move into the gaps. Returns which row each place now holds."""
        count = int(stays_B.sum())
        place_B = torch.arange(len(stays_B), device=self.device)
        gaps, movers = place_B[:count][~stays_B[:count]], place_B[count:][stays_B[count:]]
        if len(gaps):
            self.cache.move(movers, gaps, int(self.filled_B[movers].max()))
        holds_B = place_B[:count].index_copy(0, gaps, movers)
        self.rollout_B, self.filled_B, self.written_B = (part[holds_B] for part in (self.rollout_B, self.filled_B, self.written_B))
        self.logits_BV = self.logits_BV[:0]  # the next step's take their place
        return holds_B

    def rollouts(self) -> list[list[Rollout]]:
        """Groups, in the order of the prompts."""
        policy, n = self.policy, self.n
        found = []
        rows = zip(self.completions_RT.tolist(), self.logprobs_RT.tolist(), self.lengths_R.tolist(), strict=True)
        for row, (ids, logprobs, length) in enumerate(rows):
            ids = ids[:length]
            finished = ids[-1] == policy.end_id
            found.append(Rollout(list(self.prompts[row // n]), ids, logprobs[:length], finished, policy.text(ids)))
        return [found[first : first + n] for first in range(0, len(found), n)]


def _choose(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    probs_BV = distribution(logits_BV, sampling)
    chosen_B = logits_BV.argmax(-1) if sampling.temperature == 0 else draw(probs_BV, uniform_B)
    return chosen_B, probs_BV.gather(-1, chosen_B.unsqueeze(-1)).squeeze(-1).log()
