"""First the easy problems, then the medium ones, then the hard ones."""

from collections.abc import Sequence

from pydantic import Field

from ...core.choose import top_k
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from ...ledger.bands import EASY, HARD
from .base import PickRequest, Sampler


class Stages(Sampler):
    """One band of expected pass rates after another (ledger/bands.py), `steps_per_stage` steps each; the last one stays.

    Where a band has too few problems, those nearest to it are taken too.
    """

    type: str = "stages"
    steps_per_stage: int = Field(
        default=50, ge=1, description="Steps in each of the stages easy and medium; the stage hard has no end."
    )

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        stage = min((ask.step - 1) // self.steps_per_stage, 2)
        low, high = ((EASY, 1.0), (HARD, EASY), (0.0, HARD))[stage]
        mean_N = known.mean(ask.step)
        outside_N = (low - mean_N).clip(min=0) + (mean_N - high).clip(min=0)
        jitter_N = numpy_rng(ask.seed, self.type, ask.step).random_sample(len(known))
        return top_k(1e-9 * jitter_N - outside_N, ask.count)
