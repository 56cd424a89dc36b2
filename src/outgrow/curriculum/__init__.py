"""What to practise next: the pass-rate ledger and the samplers."""

from .known import Known
from .ledger import Ledger, Visit
from .pass_rate import PassRate
from .sampler import Sampler
from .uniform import Uniform

SAMPLERS: dict[str, type[Sampler]] = {"uniform": Uniform, "pass_rate": PassRate}

__all__ = ["SAMPLERS", "Known", "Ledger", "Sampler", "Visit"]
