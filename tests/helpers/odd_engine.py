"""An engine from outside the package that fails, in the way that the longest completion it is asked for says."""

import time

from outgrow.core.callbacks import never_stop, quiet
from outgrow.engines import Engine, EngineConfig
from outgrow.types import Rollout

HANGS, RAISES, LIES = 1, 2, 3
"""sampling.max_tokens: to put out a line and never return, to raise, to say of the next version's weights that they wrote."""


class OddError(Exception):
    """Cannot be sent between processes as it is: it takes other arguments than it passes on."""

    def __init__(self, one, other):
        super().__init__(f"{one} is not {other}")


class OddEngineConfig(EngineConfig):
    """Its settings in a recipe."""

    type: str = "helpers.odd_engine:OddEngineConfig"

    def build(self, warn=quiet):
        return OddEngine()


class OddEngine(Engine):
    """See HANGS, RAISES and LIES; anything else writes nothing."""

    def load_weights(self, weights, version):
        self.version = version

    def sleep(self):
        pass

    def generate(self, request, check_stop=never_stop):
        if request.sampling.max_tokens == HANGS:
            print("waiting for a sign", flush=True)
            time.sleep(3600)
        if request.sampling.max_tokens == RAISES:
            raise OddError("this", "that")
        version = self.version + (request.sampling.max_tokens == LIES)
        return [[Rollout(list(prompt), [1], [0.0], True, "", version)] * request.n for prompt in request.prompts]
