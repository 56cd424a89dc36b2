"""From rewards to one weight per rollout."""

from .advantage import Advantage
from .dr_grpo import DrGRPO
from .grpo import GRPO
from .rloo import RLOO

ADVANTAGES: dict[str, type[Advantage]] = {"grpo": GRPO, "dr_grpo": DrGRPO, "rloo": RLOO}

__all__ = ["ADVANTAGES", "Advantage"]
