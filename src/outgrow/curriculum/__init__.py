"""What to practise next: the pass-rate ledger and the samplers."""

from .adarft import AdaRFT
from .dropping import Dropping
from .evidence import Evidence, Expected, Visit
from .frontier import Frontier
from .greso import Greso
from .informative import LikelyInformative
from .known import Known
from .ledger import Ledger
from .mopps import Mopps
from .sampler import Ask, Sampler
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
}

__all__ = ["SAMPLERS", "Ask", "Evidence", "Expected", "Known", "Ledger", "Sampler", "Visit"]
