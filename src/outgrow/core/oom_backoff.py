"""A batch size that halves itself where memory runs out."""

from collections.abc import Callable
from typing import TypeVar

from .errors import OutgrowError

T = TypeVar("T")


class AutoBatchSize:
    """A size that halves itself where work of that size runs out of memory, says so, and stays there."""

    def __init__(self, name: str, size: int, warn: Callable[[str], None]) -> None:
        """name: the recipe's word for it."""
        self.name, self.size = name, size
        self._start = size
        self._warn = warn

    def state_dict(self) -> dict[str, int]:
        """Return the size, and the one that it started from, for a checkpoint."""
        return {"start": self._start, "size": self.size}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take over the size from a checkpoint, so that a resumed run computes with the same one.

        An empty state, as another engine or an older version left it, and a start that a person or a machine has changed since,
        leave the size as it is. Raises ValueError where the state holds no size that halving can lead to.
        """
        if state.get("start") != self._start:
            return
        size = state["size"]
        if type(size) is not int or not 1 <= size <= self._start:
            raise ValueError(f"{self.name}: its size is {size!r}, not a whole number from 1 to {self._start}")
        self.size = size

    def run(self, work: Callable[[int], T], smallest: int, most: int, undo: Callable[[], None] = lambda: None) -> T:
        """Return work(size); while it runs out of memory, do it again from its beginning with half the size.

        smallest, most: sizes below which nothing gets smaller, and above which nothing gets larger. undo: clears what a broken-off
        attempt left behind. Raises OutgrowError where the smallest does not fit either.
        """
        while True:
            try:
                return work(self.size)
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
            # Out of the except block, so that the error no longer holds on to the tensors of the attempt.
            undo()
            import torch

            torch.cuda.empty_cache()  # does nothing without a GPU
            if self.size <= smallest or most <= smallest:
                raise OutgrowError(
                    f"out of memory at the smallest batch ({self.name}={self.size}); lower sampling.max_tokens, or use policy.lora "
                    "or policy.dtype='bfloat16' (`outgrow plan` estimates the savings)"
                )
            self.size = min(self.size, most) // 2
            self._warn(f"out of memory; continuing with {self.name}={self.size} (results differ only by rounding)")


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether the error is a failed allocation; on a CPU torch raises a plain RuntimeError for it."""
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
