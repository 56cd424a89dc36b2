"""SPEED (arXiv 2506.09016): a few rollouts first, the rest only where these have different verdicts."""

from .uniform import Uniform


class Speed(Uniform):
    """Uniform, with screening by half a group of the default size, and new problems in place of those screened out."""

    type: str = "speed"
    screen: int = 4
    refill: int = 4
