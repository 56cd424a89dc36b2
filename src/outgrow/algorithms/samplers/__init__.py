"""Samplers: which problems to practise next, by what the ledger knows; one sampler a file."""

from .adarft import AdaRFT
from .base import PickRequest, Sampler
from .climb import Climb
from .dropping import Dropping
from .frontier import Frontier
from .greso import Greso
from .informative import LikelyInformative
from .mopps import Mopps
from .speed import Speed
from .stages import Stages
from .uniform import Uniform
from .variance import Variance

SAMPLERS: dict[str, type[Sampler]] = {
    "uniform": Uniform,
    "dropping": Dropping,
    "stages": Stages,
    "variance": Variance,
    "informative": LikelyInformative,
    "speed": Speed,
    "greso": Greso,
    "mopps": Mopps,
    "adarft": AdaRFT,
    "frontier": Frontier,
    "climb": Climb,
}

__all__ = ["SAMPLERS", "PickRequest", "Sampler"]
