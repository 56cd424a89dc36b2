"""How many tokens go through the model at once: as many as the recipe says, until memory runs out."""

from collections.abc import Callable
from typing import TypeVar

import torch

from ..errors import OutgrowError
from ..problems import Note

T = TypeVar("T")


class PassSize:
    """Halves itself where a pass runs out of memory, says so, and stays there for the rest of the session."""

    def __init__(self, tokens: int, note: Note) -> None:
        self.tokens = tokens
        self._note = note

    def fitting(self, work: Callable[[int], T], longest: int, undo: Callable[[], None] = lambda: None) -> T:
        """work(tokens), again from its beginning with half as many for as long as it runs out of memory.

        longest: tokens of the longest rollout, which no pass can be smaller than. undo: clears what a broken-off attempt left
        behind. Raises OutgrowError where a single rollout does not fit.
        """
        while True:
            try:
                return work(self.tokens)
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
            # Out of the except block, so that the error no longer holds on to the tensors of the attempt.
            undo()
            torch.cuda.empty_cache()  # does nothing without a GPU
            if self.tokens <= longest:
                raise OutgrowError(
                    "out of memory on a single rollout; lower sampling.max_tokens, or let policy.lora or policy.dtype='bfloat16' "
                    "save some (outgrow plan shows how much)"
                )
            self.tokens //= 2
            self._note(
                f"out of memory; going on with learn.tokens_per_pass={self.tokens} (the results are the same but for rounding)"
            )


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether the error is an allocation that failed; on a CPU torch raises a plain RuntimeError for it."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
