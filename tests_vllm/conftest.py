"""The tests of the vLLM engine, run by `make test-vllm` in an environment of their own: nothing is fetched, two policies."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
# As the engine sets them; a test may be the first to import vLLM.
os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
os.environ["VLLM_NO_USAGE_STATS"] = "1"

import pytest

from outgrow.core.errors import UsageError
from outgrow.policy import Policy, load_policy
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer
from outgrow.policy.pull import pulled_folder


@pytest.fixture(scope="session")
def shipped():
    """The policy that comes with the package. Do not change it."""
    return load_policy("micro-base")


@pytest.fixture
def untrained():
    """A tiny policy with random weights, a new one for every test; vLLM knows no heads smaller than its."""
    tokenizer = make_tokenizer()
    init = MicroInit(layers=2, hidden=64, heads=2, kv_heads=1, feed_forward=96, context=96)
    return Policy(make_model(init, tokenizer, seed=0).eval(), tokenizer)


@pytest.fixture(params=["float32", "bfloat16"])
def smollm(request):
    """SmolLM2-135M, where `outgrow pull smollm2-135m` has been run."""
    try:
        pulled_folder("smollm2-135m")
    except UsageError as error:
        pytest.skip(str(error))
    return load_policy("smollm2-135m", dtype=request.param)
