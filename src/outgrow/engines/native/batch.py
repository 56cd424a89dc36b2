"""The rollouts of one call of the native engine, and which of them are decoded now.

One prefill a prompt, whose keys and values are copied for each rollout of its group. A rollout that is being decoded has a row of
the cache. Rows in use are the first B of the cache, with no gap, so that a step computes on `cache[:B]` and on nothing else. A
rollout that ends leaves a gap, and the last rows move into the gaps (`_compact`). Here rows 1 and 3 end:

    row          0    1    2    3    4    5  |  6    7            0    1    2    3  |  4    5    6    7
    rollout      a   (b)   c   (d)   e    f  |  -    -     ->     a    e    c    f  |  -    -    -    -
    written      9    9    4    4    4    4  |                    9    4    4    4  |
                      B = 6                                            B = 4

Once enough rows are free, waiting prompts fill them from row B on (`_refill`).
"""

import torch
from torch import Tensor

from ...core.callbacks import Written
from ...core.rng import torch_rng
from ...policy import ModelSpec, Sampling
from ...policy.distribution import distribution, draw
from ...types import Rollout
from ..engine import GenerationRequest
from .decoder import LlamaDecoder

# Prompt tokens of one prefill; a few thousand keep matrix products at full speed.
_PREFILL_TOKENS = 8192
# Groups come in once they fill this share of the rows: a prefill of a few prompts costs about as much as one of many.
_REFILL_AT = 0.125


class Batch:
    """The R rollouts of one call. B of them are being decoded, the others wait or are done."""

    def __init__(self, spec: ModelSpec, decoder: LlamaDecoder, request: GenerationRequest, rows: int, slots: int) -> None:
        """rows: most rollouts decoded at the same time, a multiple of request.n. slots: tokens of the longest prompt and of the
        longest completion together.
        """
        self.spec, self.decoder, self.request, self.rows = spec, decoder, request, rows
        self.prompts, self.n, self.limit = request.prompts, request.n, request.sampling.max_tokens
        self.cache = decoder.new_cache(rows, slots)
        # Sorted by length, so that a prefill has little padding; taken from the end.
        self.waiting = sorted(range(len(self.prompts)), key=lambda index: (len(self.prompts[index]), index), reverse=True)
        total, device = request.rollouts, spec.device
        # Drawn on the CPU, so that every machine draws the same.
        uniforms = [torch.rand(self.n, self.limit, generator=torch_rng(seed, "draw"), device="cpu") for seed in request.seeds]
        self.uniform_RT = torch.cat(uniforms).to(device)
        self.completions_RT = torch.full((total, self.limit), spec.end_ids[0], device=device)
        self.logprobs_RT = torch.zeros(total, self.limit, device=device)
        self.lengths_R = torch.full((total,), self.limit, device=device)
        self.ends_E = torch.tensor(spec.end_ids, device=device)
        self.tokens = 0  # written so far, over all rollouts
        # For each row in use: its rollout, the tokens in its cache, the completion tokens among them, its next token's logits.
        self.rollout_B, self.filled_B, self.written_B = (torch.empty(0, dtype=torch.long, device=device) for _ in range(3))
        self.logits_BV = torch.empty(0, decoder.vocabulary, device=device)

    def unfinished(self) -> bool:
        """Whether a rollout is being decoded or waits."""
        return bool(self.waiting) or len(self.rollout_B) > 0

    def written(self) -> Written:
        """How many rollouts are complete, and how many tokens are written."""
        return Written(self.request.rollouts - len(self.waiting) * self.n - len(self.rollout_B), self.tokens)

    def advance(self) -> None:
        """Write one more token of every row. Ended rollouts leave, and waiting groups come in."""
        self._refill()
        token_B, logprob_B = _choose(self.logits_BV, self.request.sampling, self.uniform_RT[self.rollout_B, self.written_B])
        self.completions_RT[self.rollout_B, self.written_B] = token_B
        self.logprobs_RT[self.rollout_B, self.written_B] = logprob_B
        self.written_B = self.written_B + 1
        self.tokens += len(token_B)
        ended_B = torch.isin(token_B, self.ends_E)
        self.lengths_R[self.rollout_B[ended_B]] = self.written_B[ended_B]
        stays_B = ~ended_B & (self.written_B < self.limit)
        if not bool(stays_B.all()):
            token_B = token_B[self._compact(stays_B)]
        if len(token_B):
            self.logits_BV = self.decoder.step(token_B, self.filled_B, self.cache, int(self.filled_B.max()))
            self.filled_B = self.filled_B + 1

    def _refill(self) -> None:
        """Read the prompts of as many waiting groups as there are free rows for, once these are worth a prefill."""
        groups = (self.rows - len(self.rollout_B)) // self.n
        if not self.waiting or not groups or (len(self.rollout_B) and groups * self.n < _REFILL_AT * self.rows):
            return
        coming = [self.waiting.pop() for _ in range(min(groups, len(self.waiting)))]
        while coming:
            width = len(self.prompts[coming[-1]])  # the longest prompt comes last
            count = max(1, _PREFILL_TOKENS // width)
            self._prefill(coming[-count:])
            coming = coming[:-count]

    def _prefill(self, chosen: list[int]) -> None:
        """Read U prompts together, and give each the next n rows of the cache."""
        device, lengths = self.spec.device, [len(self.prompts[index]) for index in chosen]
        width, pad = max(lengths), self.spec.pad_id
        tokens_UQ = torch.tensor([[*self.prompts[i]] + [pad] * (width - len(self.prompts[i])) for i in chosen], device=device)
        lengths_U = torch.tensor(lengths, device=device)
        prompt_cache, logits_UV = self.decoder.read(tokens_UQ, lengths_U)
        self.cache.put(len(self.rollout_B), prompt_cache, self.n)
        first_U1 = torch.tensor([[index * self.n] for index in chosen], device=device)
        new_rollout_B = (first_U1 + torch.arange(self.n, device=device)).flatten()
        self.rollout_B = torch.cat([self.rollout_B, new_rollout_B])
        self.filled_B = torch.cat([self.filled_B, lengths_U.repeat_interleave(self.n)])
        self.written_B = torch.cat([self.written_B, torch.zeros_like(new_rollout_B)])
        self.logits_BV = torch.cat([self.logits_BV, logits_UV.repeat_interleave(self.n, 0)])

    def _compact(self, stays_B: Tensor) -> Tensor:
        """Close the gaps that ended rollouts leave: the last rows that stay move into them (picture: top of this file).

        stays_B: whether each row's rollout goes on. Returns, for each row that is in use afterwards, the row that it came from.
        """
        count = int(stays_B.sum())
        row_B = torch.arange(len(stays_B), device=stays_B.device)
        gaps, movers = row_B[:count][~stays_B[:count]], row_B[count:][stays_B[count:]]
        if len(gaps):
            self.cache.move(movers, gaps, int(self.filled_B[movers].max()))
        source_B = row_B[:count].index_copy(0, gaps, movers)
        self.rollout_B, self.filled_B, self.written_B = (part[source_B] for part in (self.rollout_B, self.filled_B, self.written_B))
        self.logits_BV = self.logits_BV[:0]  # used up; the next step computes new ones
        return source_B

    def rollouts(self, weights_version: int) -> list[list[Rollout]]:
        """Return the groups in the order of their prompts. weights_version: of the weights that wrote them."""
        rollouts = []
        rows = zip(self.completions_RT.tolist(), self.logprobs_RT.tolist(), self.lengths_R.tolist(), strict=True)
        for index, (ids, logprobs, length) in enumerate(rows):
            ids, prompt = ids[:length], list(self.prompts[index // self.n])
            finished = ids[-1] in self.spec.end_ids
            rollouts.append(Rollout(prompt, ids, logprobs[:length], finished, self.spec.text(ids), weights_version))
        return [rollouts[first : first + self.n] for first in range(0, len(rollouts), self.n)]


def _choose(logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token of each row: token ids (B,), and their log-probabilities (B,) in nats."""
    probs_BV = distribution(logits_BV, sampling)
    token_B = logits_BV.argmax(-1) if sampling.temperature == 0 else draw(probs_BV, uniform_B)
    return token_B, probs_BV.gather(-1, token_B.unsqueeze(-1)).squeeze(-1).log()
