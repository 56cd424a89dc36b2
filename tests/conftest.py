"""What every test shares: nothing is fetched, two threads, property tests that repeat, and two policies."""

import os
import signal
import sys
import threading
from functools import lru_cache
from tempfile import TemporaryDirectory

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
# What a test reads is said in the test (`data`), and the same on every machine.
os.environ.pop("OUTGROW_DATA", None)
# Threads that spin while they wait make a run on a busy machine several times slower; read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings

from helpers.browser import CHROMIUM
from helpers.data import FIXTURES
from helpers.r1 import make_r1
from helpers.server import Stub
from outgrow.cli import main
from outgrow.core.plugins import plugins_imported
from outgrow.plan import machine
from outgrow.policy import Policy, load_policy
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer

# A shell starts what runs in the background without SIGINT, and nohup without SIGHUP; the tests send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Answers that an earlier version of the code has kept must not stand in for this one's.
_CACHE = TemporaryDirectory(prefix="outgrow-tests-")
os.environ["OUTGROW_CACHE"] = _CACHE.name
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
settings.register_profile("outgrow", deadline=None, derandomize=True, database=None)
settings.load_profile("outgrow")


@pytest.fixture(scope="session")
def shipped():
    """The policy that comes with the package. Do not change it."""
    return load_policy("micro-base")


@pytest.fixture(scope="module")
def browser():
    """A browser that shows nothing; without Chromium the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def small_r1(tmp_path_factory):
    """The folder of a Qwen2 with random weights, 1.7M of them, and R1's markers in its vocabulary."""
    folder = make_r1(tmp_path_factory.mktemp("small") / "r1")
    assert 1.5e6 < sum(weight.numel() for weight in load_policy(str(folder)).model.parameters()) < 2e6
    return folder


@pytest.fixture(scope="session")
def _rates_of_this_machine():
    return lru_cache(machine._rate)


@pytest.fixture
def measured_once(monkeypatch, _rates_of_this_machine):
    """`outgrow plan` measures how fast this machine multiplies, which takes seconds: here once for all tests of a process."""
    monkeypatch.setattr(machine, "_rate", _rates_of_this_machine)


@pytest.fixture
def own_code():
    """Import the code that recipes name while the test reads them, as the commands that train do."""
    with plugins_imported():
        yield


@pytest.fixture
def data(monkeypatch):
    """OUTGROW_DATA names the folder of a few rows in the shape of each public set (tests/data), which is returned."""
    monkeypatch.setenv("OUTGROW_DATA", str(FIXTURES))
    return FIXTURES


@pytest.fixture
def outgrow(monkeypatch, capsys):
    """Run the command line: exit code, output, errors."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["outgrow", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def untrained():
    """A tiny policy with random weights, a new one for every test, so that a test may change it."""
    tokenizer = make_tokenizer()
    init = MicroInit(layers=2, hidden=32, heads=4, kv_heads=2, feed_forward=48, context=96)
    return Policy(make_model(init, tokenizer, seed=0).eval(), tokenizer)


@pytest.fixture
def serve():
    """Starts stubs of servers, which are stopped after the test."""
    stubs = []

    def start(*args, **kwargs):
        stubs.append(Stub(*args, **kwargs))
        threading.Thread(target=stubs[-1].serve_forever, args=(0.01,), daemon=True).start()
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.shutdown()
        stub.server_close()


@pytest.fixture
def victim(tmp_path):
    """A file that a stranger's folder could lead to, and that must stay as it is."""
    file = tmp_path / "victim"
    file.write_text("precious")
    yield file
    assert file.read_text() == "precious"
