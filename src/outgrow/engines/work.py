"""What the processes of an engine have done, for people: nothing is computed from it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What one process of an engine has written in one step.

    >>> Work("actor 1", tokens=300, seconds=1.5, version=7).tokens_per_second
    200.0
    """

    name: str
    tokens: int
    """Of completions."""
    seconds: float
    """That its calls took."""
    version: int | None = None
    """`Rollout.weights_version` of what it wrote last; None where it has written nothing yet."""
    lost: bool = False
    """Whether it has ended, or did not answer, so that nothing is asked of it any more."""

    @property
    def tokens_per_second(self) -> float | None:
        """None where it has written nothing."""
        return self.tokens / self.seconds if self.seconds > 0 else None
