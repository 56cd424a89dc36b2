"""SPEED (arXiv 2506.09016): a few rollouts first, the rest only where these have different verdicts."""

from pydantic import Field

from .uniform import Uniform


class Speed(Uniform):
    """Uniform, with screening by half a group of the default size, and new problems in place of those screened out."""

    type: str = "speed"
    screen: int = Field(
        default=4,
        description="Rollouts sampled of a problem first; if they are all right or all wrong, its group ends there.",
    )
    refill: int = Field(
        default=4, description="How many times a step may replace problems whose groups came out all right or all wrong."
    )
