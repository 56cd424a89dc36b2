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

from itertools import compress

import torch
from torch import Tensor

from ...core.callbacks import Written
from ...policy import ModelSpec
from ...types import Rollout
from ..draws import Draws
from ..engine import GenerationRequest
from .decoder import LlamaDecoder

# Prompt tokens of one prefill; a few thousand keep matrix products at full speed.
_PREFILL_TOKENS = 8192
# Groups come in once they fill this share of the rows: a prefill of a few prompts costs about as much as one of many.
_REFILL_AT = 0.125
# Tokens between two looks at which rollouts have ended, on a GPU. On a CPU a look costs nothing, and an ended row does.
_LOOK_EVERY = 16


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
        device = spec.device
        self.draws = Draws(spec, request)
        self.tokens = 0  # written so far, over all rollouts
        # For each row in use: its rollout, the tokens in its cache, the completion tokens among them, its next token's logits.
        self.rollout_B, self.filled_B, self.written_B = (torch.empty(0, dtype=torch.long, device=device) for _ in range(3))
        self.logits_BV = torch.empty(0, decoder.vocabulary, device=device)
        self.ended_B = torch.empty(0, dtype=torch.bool, device=device)
        self.look_every = 1 if device.type == "cpu" else _LOOK_EVERY
        self.unseen = 0  # tokens of every row since the last look
        self.longest, self.left = 0, self.limit  # at the last look: most tokens in a row's cache, fewest that a row may still write

    def unfinished(self) -> bool:
        """Whether a rollout is being decoded or waits."""
        return bool(self.waiting) or len(self.rollout_B) > 0

    def written(self) -> Written:
        """How many rollouts are complete, and how many tokens are written."""
        return Written(self.request.rollouts - len(self.waiting) * self.n - len(self.rollout_B), self.tokens)

    def advance(self) -> None:
        """Write one more token of every row. Now and then, ended rollouts leave and waiting groups come in (`_look`)."""
        if self.unseen == 0:
            self._refill()
        token_B, ends_B = self.draws.draw(self.logits_BV, self.rollout_B, self.written_B)
        self.written_B = self.written_B + 1
        ends_B = ends_B & ~self.ended_B
        self.draws.end(ends_B, self.rollout_B, self.written_B)
        self.ended_B = self.ended_B | ends_B
        self.tokens += len(token_B)
        self.unseen += 1
        if self.unseen == min(self.look_every, self.left):
            token_B = token_B[self._look()]
        if len(token_B):
            self.logits_BV = self.decoder.step(token_B, self.filled_B, self.cache, self.longest + self.unseen)
            self.filled_B = self.filled_B + 1

    def _look(self) -> Tensor:
        """Take out the rollouts that have ended. Returns, for each row in use afterwards, the row that it came from.

        A GPU must finish before its numbers can be read, so this is the only place that reads them: once in `look_every` tokens.
        Rollouts that ended since the last look have written on; what came after their end is dropped.
        """
        numbers = torch.stack([self.ended_B.long(), self.draws.lengths_R[self.rollout_B], self.written_B, self.filled_B]).tolist()
        ended, lengths, written, filled = numbers
        self.tokens -= sum(count - length for is_over, length, count in zip(ended, lengths, written, strict=True) if is_over)
        stays = [not is_over and count < self.limit for is_over, count in zip(ended, written, strict=True)]
        self.longest = max(compress(filled, stays), default=0)
        self.left = self.limit - max(compress(written, stays), default=0)
        self.unseen = 0
        return torch.tensor(self._compact(stays, filled), dtype=torch.long, device=self.spec.device)

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
        self.ended_B = torch.cat([self.ended_B, torch.zeros_like(new_rollout_B, dtype=torch.bool)])
        self.longest = max(self.longest, width - 1)  # the other rows have grown by a token since the last look
        self.logits_BV = torch.cat([self.logits_BV, logits_UV.repeat_interleave(self.n, 0)])

    def _compact(self, stays: list[bool], filled: list[int]) -> list[int]:
        """Close the gaps that ended rollouts leave: the last rows that stay move into them (picture: top of this file).

        stays: whether each row's rollout goes on. filled: tokens in each row's cache. Returns, for each row that is in use
        afterwards, the row that it came from.
        """
        count, device = sum(stays), self.spec.device
        gaps = [row for row in range(count) if not stays[row]]
        movers = [row for row in range(count, len(stays)) if stays[row]]
        if gaps:
            slots = max(filled[row] for row in movers)
            self.cache.move(torch.tensor(movers, device=device), torch.tensor(gaps, device=device), slots)
        source = list(range(count))
        for gap, mover in zip(gaps, movers, strict=True):
            source[gap] = mover
        if count < len(stays):
            source_B = torch.tensor(source, dtype=torch.long, device=device)
            self.rollout_B, self.filled_B, self.written_B, self.ended_B = (
                part[source_B] for part in (self.rollout_B, self.filled_B, self.written_B, self.ended_B)
            )
            self.logits_BV = self.logits_BV[:0]  # used up; the next step computes new ones
        return source

    def rollouts(self, weights_version: int) -> list[list[Rollout]]:
        """Return the groups in the order of their prompts. weights_version: of the weights that wrote them."""
        return self.draws.rollouts(weights_version)
