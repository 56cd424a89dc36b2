"""Engines in actors on Ray: the same tokens from any number of them, none lost with one, and no trap of Ray's left open.

The traps: docs/guides/scale.md. Ray is started once for this file, in the process of the tests, and once by a command.
"""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import outgrow.engines.actors.waiting
from helpers.odd_engine import HANGS, LIES, RAISES, OddEngineConfig
from helpers.runs import SMALL, Silent, fingerprint
from outgrow.config import load_recipe
from outgrow.core.callbacks import Note
from outgrow.core.determinism import deterministic
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import (
    GenerationRequest,
    NativeEngine,
    NativeEngineConfig,
    TransformersEngineConfig,
    build_engine,
    build_engines,
    sync,
)
from outgrow.engines.actors.actor import Actor
from outgrow.engines.actors.deal import calls_of, deal
from outgrow.engines.actors.folder import place_for, remove_left, session_folder
from outgrow.engines.actors.packed import packed, unpacked
from outgrow.engines.actors.pool import _options
from outgrow.engines.actors.rays_start import in_other_ways
from outgrow.engines.actors.session import Session, _beside_the_learner, require_cluster
from outgrow.engines.actors.waiting import Waiting
from outgrow.engines.actors.weights import merged, split
from outgrow.engines.actors.worker import Birth, Call, Worker
from outgrow.engines.native.layouts import has_int8
from outgrow.ledger import Ledger
from outgrow.policy import Policy, Sampling
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.runs.folder import RunFolder
from outgrow.runs.models import check_engine
from outgrow.train.loop import resume, train
from outgrow.types import Problem, Visit

CPU = torch.device("cpu")
SAMPLING = Sampling(temperature=1.0, max_tokens=40)
TRAINING = [
    *SMALL, "learn.steps=4", "evaluate.every=0", "evaluate.suite=held-out", "run.checkpoint_every=2", "sampling.max_tokens=24",
    "engine.actors=2", "engine.actor_rows=8", "learn.ahead=1", "learn.old_logprobs=learner",
]  # fmt: skip


# Dealing, without Ray.


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.integers(1, 6), st.integers(0, 5))
def test_every_item_is_dealt_once_and_no_hand_has_more_than_its_room(costs, hands, spare):
    most = -(-len(costs) // hands) + spare
    dealt = deal(costs, hands, most)
    assert sorted(item for items in dealt for item in items) == list(range(len(costs)))
    assert all(0 < len(items) <= most and items == sorted(items) for items in dealt) and len(dealt) <= hands


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7), st.integers(1, 3))
def test_the_fullest_hand_is_within_a_third_of_the_best_dealing(costs, hands):
    """The best of all dealings, by trying each; the bound is Graham's, 4/3 - 1/(3 hands)."""
    best = min(
        max(sum(cost for item, cost in enumerate(costs) if code // hands**item % hands == hand) for hand in range(hands))
        for code in range(hands ** len(costs))
    )
    fullest = max(sum(costs[item] for item in items) for items in deal(costs, hands, len(costs)))
    assert fullest <= best * (4 / 3 - 1 / (3 * hands)) + 1e-9


def test_calls_hold_whole_groups_and_are_about_as_long_as_each_other():
    expected = [100, 1, 1, 1, 100, 1, 1, 1]
    calls = calls_of([5] * 8, expected, n=4, rows=16)
    assert [len(call) for call in calls] == [4, 4] and all(sum(expected[place] > 1 for place in call) == 1 for call in calls)
    assert calls_of([5, 5], [9, 9], n=8, rows=4) == [[0], [1]], "a group is never cut"


def test_a_problem_is_expected_to_take_the_tokens_of_its_last_visit(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.enter([Problem(id=name, field="sum", level=1, question="?", answer="1") for name in "abc"])
        for step, name, length in ((0, "c", 0.0), (1, "a", 30.0), (2, "a", 12.5)):
            ledger.record([Visit(step=step, problem_id=name, n=4, right=1, mean_length=length)])
        with ThreadPoolExecutor() as others:  # as where rollouts are written ahead
            assert others.submit(ledger.mean_lengths, ["b", "a", "c"], 64).result() == [64, 12.5, 64]


# Weights, without Ray.


def test_weights_come_out_of_the_buffer_bit_for_bit():
    matrix = torch.randn(3, 5)
    tensors = {
        "bf16": matrix.bfloat16(), "tied": matrix, "head": matrix, "scalar": torch.tensor(3.5), "part": torch.randn(4, 6)[:, 1:3],
        "bool": torch.tensor([True, False]), "none": torch.empty(0, 2),
    }  # fmt: skip
    box = packed(tensors)
    given = []
    for place, array in enumerate(box.arrays):  # as the object store gives them: not to be written to, and small ones aligned to 8
        space = np.empty(array.nbytes + 128, dtype=np.uint8)
        start = -space.ctypes.data % 64 + 8 * (place % 2)
        given.append(space[start : start + array.nbytes])
        given[-1][:] = array
        given[-1].flags.writeable = False
    out = unpacked(replace(box, arrays=tuple(given)))
    assert all(tensor.data_ptr() % 64 == 0 for tensor in out.values())
    for name, tensor in tensors.items():
        assert out[name].dtype == tensor.dtype and torch.equal(out[name], tensor), name
    assert out["tied"].data_ptr() == out["head"].data_ptr() and len(box.arrays) == len(tensors) - 1


def adapted(policy):
    """The policy with an adapter whose product is not 0."""
    adapter = add_adapter(policy.model, LoRA(rank=4), 0, "it")
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(generator=torch.Generator().manual_seed(0))
    return Policy(policy.model, policy.tokenizer, policy.prompt, adapter)


def test_an_adapter_travels_alone_and_is_merged_to_the_bits_that_the_policy_has(untrained):
    policy = adapted(untrained)
    base, learned = split(policy)
    assert learned.tensors.bytes < 0.2 * packed(base).bytes
    ours, theirs = merged(base, learned, CPU), policy.named_weights()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


# A worker, in this process.


def test_an_error_comes_back_as_what_it_was(own_code, untrained):
    """As plain data: an exception of ours cannot be sent as it is."""
    import pickle

    worker = Worker(sys.path, threads=1)
    assert worker.start(pickle.dumps([OddEngineConfig()]), pickle.dumps(untrained.spec())).kind == ""
    call = Call(1, [[5]], 1, Sampling(max_tokens=RAISES), [0])
    bug = worker.generate(call, {})
    assert (bug.kind, bug.error) == ("bug", "OddError: this is not that") and "odd_engine.py" in bug.trace
    native = Worker(sys.path, threads=1)
    native.start(pickle.dumps([NativeEngineConfig()]), pickle.dumps(untrained.spec()))
    native.load(0, split(untrained)[1], False, 0, {})
    long = native.generate(Call(1, [[5] * 9], 1, Sampling(max_tokens=10**6), [0]), {})
    assert long.kind == "usage" and "sampling.max_tokens=1000000 leaves no room" in long.error
    assert pickle.loads(pickle.dumps(long)) == long
    native.stop(2)  # comes before the call that it ends
    assert [native.generate(Call(number, [[5]], 1, SAMPLING, [0]), {}).kind for number in (2, 3)] == ["stopped", ""]


def test_a_missing_package_is_one_line_before_anything_is_made(monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr("outgrow.engines.actors.session.find_spec", lambda name: None if name == "ray" else found(name))
    with pytest.raises(UsageError, match=r'pip install "outgrow\[ray\]"'):
        train(load_recipe("micro", TRAINING), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
    assert isinstance(build_engine(NativeEngineConfig()), NativeEngine), "nobody else needs it"


def test_more_than_the_machine_has_is_one_line_before_anything_is_made(monkeypatch):
    for settings, said in (
        ({"actors": 100_000}, r"engine\.actors=100000: a process takes about 0\.4 GB .* set engine\.actors to one for each GPU"),
        (
            {"actors": 1, "actor_threads": 10**6},
            r"engine\.actor_threads = 1,000,000: this machine has .*; set engine\.actor_threads=",
        ),
    ):
        with pytest.raises(UsageError, match=said):
            build_engine(NativeEngineConfig(**settings))
        with monkeypatch.context() as cluster:
            cluster.setenv("RAY_ADDRESS", "somewhere:6379")
            build_engine(NativeEngineConfig(**settings))  # the cluster is asked, once it is joined
    worker = Worker([], 10**6)
    assert "engine.actor_threads = 1,000,000" in worker.sleep(0).error


def test_ray_is_imported_only_where_actors_start():
    code = "import sys, outgrow.train.loop, outgrow.engines as e; e.build_engine(e.NativeEngineConfig(actors=2))"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'ray' not in sys.modules"], check=True)


def but_notes(told):
    """Return a `Warn` that keeps what is wrong."""
    return lambda line: isinstance(line, Note) or told.append(line)


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch):
    """Ray itself asks for minutes, and prints what it tries."""

    def required(address):
        monkeypatch.setenv("RAY_ADDRESS", address)
        require_cluster()

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        required(f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match="no Ray answers there"):  # before anything is loaded
        check_engine(load_recipe("micro", ["engine.actors=2"]))
    for address in (f"127.0.0.1:{port}", "127.0.0.1:99999"):
        with pytest.raises(UsageError, match=rf"RAY_ADDRESS={address}: no Ray answers there \(.*\); start it, or unset"):
            required(address)
    for address in ("auto", "local", "ray://there:10001"):
        required(address)


def test_actors_are_kept_off_the_gpus_that_learn_where_others_are_left(monkeypatch):
    for count, named, ranks, left in (
        (0, None, None, None),
        (1, None, None, None),
        (4, None, None, "1,2,3"),
        (4, None, "2", "2,3"),
        (2, "5,7", None, "7"),
        (2, "5,7", "2", None),
    ):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        for name, value in (("CUDA_VISIBLE_DEVICES", named), ("LOCAL_WORLD_SIZE", ranks)):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        assert _beside_the_learner().get("CUDA_VISIBLE_DEVICES") == left, (count, named, ranks)


def test_a_wait_for_a_cluster_is_told_after_20_seconds_when_one_comes_and_ever_more_rarely():
    now, told = [0.0], []
    waiting = Waiting(
        3, {"CPU": 2, "GPU": 0.5}, 900, lambda: {"CPU": 1.0}, lambda line: told.append((now[0], line)), lambda: now[0]
    )
    there = 0
    for second in range(900):
        now[0] = float(second)
        there = {100: 1, 101: 2, 880: 3}.get(second, there)
        waiting.look(there)
    assert [second for second, _ in told] == [20, 40, 80, 100, 101, 160, 320, 640]
    assert told[3][1].startswith("1 of 3 actors have started after 1 min 40 s: the cluster that RAY_ADDRESS names ")
    assert "(free cores: 1, each takes 2; free GPUs: 0, each takes 0.5)" in told[0][1]
    assert "waiting up to 15 min" in told[0][1] and "Ctrl-C ends that" in told[0][1]


def test_the_last_line_is_of_the_output_that_was_written_last_and_not_rays(tmp_path):
    out, err = tmp_path / "out", tmp_path / "err"
    out.write_text(":job_id:01\nreads 3 prompts\n")
    err.write_text(":actor_name:Worker\n\x1b[31mbad\x1b[0m luck\n\n")
    os.utime(out, (1, 1))
    actor = Actor(2, None)
    actor.birth = Birth(77, "there", (str(out), str(err)))
    assert actor.name == "actor 2 (process 77 on there)" and actor.last_words() == 'its last line: "[31mbad[0m luck"'


def test_only_folders_of_processes_that_no_longer_live_are_removed(monkeypatch):
    """One of a killed process is; one of a living process, one whose lock is a link, and one that has no lock are not."""
    place = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))  # short, as the names of sockets must be
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    code = (
        f"import tempfile; tempfile.tempdir = {str(place)!r}; from outgrow.engines.actors.folder import session_folder\n"
        "with session_folder() as folder:\n    print(folder, flush=True); input()"
    )
    try:
        other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        theirs = Path(other.stdout.readline().strip())
        (theirs / "session").mkdir()
        for name in ("outgrow-ray-without", "outgrow-ray-linked"):
            (place / name).mkdir()
        (place / "lock").touch()
        (place / "outgrow-ray-linked" / "lock").symlink_to(place / "lock")
        with session_folder() as ours:
            others = {theirs.name, "outgrow-ray-without", "outgrow-ray-linked"}
            assert theirs.parent == Path(ours).parent == place
            assert {path.name for path in place.glob("outgrow-ray-*")} == {Path(ours).name, *others}, "it lives"
            other.kill()
            other.communicate()
            remove_left(str(place))
            assert {path.name for path in place.glob("outgrow-ray-*")} == {Path(ours).name, *others} - {theirs.name}
        assert not Path(ours).exists()
    finally:
        shutil.rmtree(place)


def test_the_folder_leaves_room_for_the_names_of_rays_sockets():
    """By Ray's own check, with the longest name that it makes."""
    from ray._private.utils import validate_socket_filepath

    for long in range(2, 60):
        place = place_for("/" + "x" * (long - 1))
        assert place == "/tmp" or len(place) == long
        validate_socket_filepath(f"{place}/outgrow-ray-12345678/session_2026-11-30_21-42-06_123456_4194304/sockets/plasma_store")
    assert place_for("/var/tmp") == "/var/tmp"


# Ray itself.


class Stop(Exception):
    """What a check raises here that ends something."""


def test_a_server_that_has_ended_is_not_waited_for(monkeypatch, tmp_path):
    """Ray itself asks for it again and again."""
    from ray._private import services

    def not_yet(*_):
        raise RuntimeError("no node yet")

    monkeypatch.setattr(services, "get_node", not_yet)
    (tmp_path / "raylet").symlink_to(shutil.which("true"))
    ended = subprocess.Popen([str(tmp_path / "raylet"), "--of=Ray"])
    ended.wait()
    with in_other_ways(lambda: None, [ended]), pytest.raises(RuntimeError, match="its raylet has ended"):
        services.get_node("node")


def test_a_stop_is_heard_while_ray_starts_and_leaves_nothing_of_it(monkeypatch):
    """It comes when the last of its servers runs already. The fixture below starts Ray in this process again."""
    place = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    before, seen = signal.getsignal(signal.SIGTERM), []

    def stop():
        seen[:] = [child for child in psutil.Process().children() if child not in others]
        if any(child.name() == "raylet" for child in seen):
            raise Stop

    others = psutil.Process().children()
    with pytest.raises(Stop):
        Session(2, stop)
    assert len(seen) > 1 and not psutil.wait_procs(seen, timeout=60)[1]
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list(place.iterdir())
    place.rmdir()


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    """Ray for this file, started as a run starts it: with a handler of SIGTERM, and a home folder that cannot be written."""
    home, before = os.environ.get("HOME"), signal.getsignal(signal.SIGTERM)
    os.environ["HOME"] = "/nonexistent"
    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
    session = Session(2)
    try:
        os.kill(os.getpid(), signal.SIGTERM)  # Ray's own handlers, in Python and in C++, would end a run before it is saved
        assert heard == ["SIGTERM"]
        yield session
    finally:
        session.close()
        signal.signal(signal.SIGTERM, before)
        os.environ["HOME"] = home or ""


def workers():
    """The processes of the actors that are there, of this process's Ray."""
    children = psutil.Process().children(recursive=True)
    return [each for each in children if each.name().startswith("ray::Worker") and each.status() != psutil.STATUS_ZOMBIE]


def request_of(policy, count=12):
    prompts = [policy.prompt_ids(f"{20 + number}+{50 - number}=?") for number in range(count)]
    return GenerationRequest(prompts, 4, SAMPLING, list(range(count)), expected_tokens=[10.0 + number for number in range(count)])


def in_this_process(policy, request, rows, version=7, weights="exact", state=None):
    """What one engine here writes, call by call. state: of the engine that it is compared with, whose layouts it takes."""
    groups = {}
    with deterministic(1):
        engine = NativeEngine(weights=weights)
        engine.load_state_dict(state or {})
        sync(engine, policy, version)
        for places in calls_of([*map(len, request.prompts)], request.expected_tokens, request.n, rows):
            prompts, seeds = [request.prompts[place] for place in places], [request.seeds[place] for place in places]
            groups |= zip(places, engine.generate(GenerationRequest(prompts, request.n, request.sampling, seeds)), strict=True)
    return [groups[place] for place in range(len(request.prompts))]


def test_three_two_and_one_actor_write_the_same_tokens_and_one_that_ends_loses_none(ray_here, shipped, capfd):
    """Bit for bit what one engine in this process writes; the last one that ends is said, by name and with its last line."""
    request, told = request_of(shipped), []
    undisturbed = in_this_process(shipped, request, rows=8)
    engine = build_engine(NativeEngineConfig(actors=3, actor_rows=8), but_notes(told))
    try:
        sync(engine, shipped, 7)
        assert len(workers()) == 3 and {worker.nice() for worker in workers()} == {psutil.Process().nice()}
        written = []
        assert engine.generate(GenerationRequest(**{**vars(request), "on_written": written.append})) == undisturbed
        assert written[-1].answers == request.rollouts
        tokens = sum(len(rollout.completion_ids) for group in undisturbed for rollout in group)
        assert written[-1].tokens == tokens
        done = engine.work_done()
        assert sum(work.tokens for work in done) == tokens and all(0 < work.seconds < 600 for work in done)
        assert [work.name.partition(" (")[0] for work in done] == ["actor 1", "actor 2", "actor 3"]
        assert {(work.version, work.lost) for work in done} == {(7, False)}

        for left in (2, 1):
            looks = []

            def end_one_at_work(looks=looks):
                looks.append(1)
                if len(looks) == 2:  # each has a call by now
                    workers()[0].kill()

            assert engine.generate(request, end_one_at_work) == undisturbed
            assert len(workers()) == left and len(told) == 3 - left
            done = engine.work_done()
            assert sum(work.tokens for work in done) == tokens and len(done) == 3, "the tokens of a call that was lost do not count"
            assert [work.name for work in done if work.lost] == sorted(line.partition(" has ended")[0] for line in told)
            assert "has ended" in told[-1] and f"its prompts go to {left} other actor" in told[-1]
        assert engine.generate(request) == undisturbed
        workers()[0].kill()
        with pytest.raises(OutgrowError, match=r"actor \d \(process \d+ on .*\) has ended; .*; no actor is left"):
            engine.generate(request)
        assert "raylet" not in capfd.readouterr().out, "Ray prints nothing of its own"
    finally:
        engine.close()


def test_versions_adapters_a_stop_and_a_hang(ray_here, own_code, untrained, tmp_path):
    """One actor does all of it: what it wrote with, what it was sent, in which numbers, what ends its call, and what ends it."""
    import ray

    policy = adapted(untrained)
    request = request_of(policy, 3)
    numbers = "int8" if has_int8(torch.empty(1)) else "exact"
    fast, engine = build_engines(NativeEngineConfig(actors=1, actor_rows=64, weights=numbers))
    put, sizes = ray.put, []
    try:
        ray.put = lambda value: sizes.append(len(__import__("pickle").dumps(value))) or put(value)
        for version in (3, 4):
            sync(engine, policy, version)
            assert engine.generate(request) == in_this_process(policy, request, 64, version)
            with torch.no_grad():
                next(weight for name, weight in policy.model.named_parameters() if ".lora_B." in name).add_(0.05)
        assert len(sizes) == 3 and max(sizes[1:]) < sizes[0] / 3, "the base goes once, the adapter each time"

        def stop():
            raise Stop

        with pytest.raises(Stop):
            engine.generate(GenerationRequest(request.prompts, 200, Sampling(max_tokens=80), request.seeds), after(2, stop))
        assert len(engine.generate(request)) == 3, "the call that was stopped is in nobody's way"
        engine.sleep()
        sync(fast, policy, 5)
        written = fast.generate(request)
        assert written == in_this_process(policy, request, 64, 5, numbers, fast.state_dict())
        assert (written == in_this_process(policy, request, 64, 5)) == (numbers == "exact")
        fast.sleep()
        sync(engine, policy, 5)
        assert engine.generate(request) == in_this_process(policy, request, 64, 5), "each has weights of its own"
        assert len(workers()) == 1
    finally:
        ray.put = put
        engine.close()
        fast.close()

    engine = build_engine(OddEngineConfig(actors=1, actor_timeout_s=2))
    try:
        sync(engine, policy, 5)
        with pytest.raises(OutgrowError, match=r"actor 1 \(process .*\) failed: OddError: this is not that; its last line: "):
            engine.generate(GenerationRequest([[5]], 1, Sampling(max_tokens=RAISES), [0]))
        with pytest.raises(OutgrowError, match="wrote with weights of version 6, not 5"):
            engine.generate(GenerationRequest([[5]], 1, Sampling(max_tokens=LIES), [0]))
        with pytest.raises(
            OutgrowError, match=r'not answered for 2 seconds; its last line: "waiting for a sign"; no actor is left'
        ):
            engine.generate(GenerationRequest([[5]], 1, Sampling(max_tokens=HANGS), [0]))
    finally:
        engine.close()


def after(looks, act):
    """A check that acts at this look and does nothing before."""
    seen = []

    def check():
        seen.append(1)
        if len(seen) == looks:
            act()

    return check


def test_a_cluster_without_room_is_one_line_and_no_silent_wait(ray_here, shipped, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "somewhere:6379")
    with pytest.raises(UsageError, match=r"engine\.actors=3 with engine.actor_threads=4 ask for 12 cores, and the cluster has 2"):
        _options(NativeEngineConfig(actors=3, actor_threads=4), shipped.spec())
    assert _options(TransformersEngineConfig(actors=2), shipped.spec())["num_cpus"] == 1


def test_a_wait_for_a_taken_cluster_is_told_and_a_stop_ends_it(ray_here, shipped, monkeypatch):
    """Another program has the only two cores."""
    import ray

    monkeypatch.setenv("RAY_ADDRESS", "somewhere:6379")
    monkeypatch.setattr(outgrow.engines.actors.waiting, "_FIRST_S", 0.1)

    class Other:
        def there(self):
            return True

    other, told = ray.remote(num_cpus=2)(Other).remote(), []
    ray.get(other.there.remote())

    def stop():
        if told:
            raise Stop

    engine = build_engine(NativeEngineConfig(actors=2), but_notes(told), stop)
    try:
        with pytest.raises(Stop):
            sync(engine, shipped, 0)
        assert told[0].startswith("0 of 2 actors have started") and "(free cores: 0, each takes 1)" in told[0]
    finally:
        engine.close()
        ray.kill(other)
    assert not workers()


class EndsAllAtStep(Silent):
    """A watcher that ends every actor behind a step."""

    def __init__(self, step):
        super().__init__()
        self.step_number = step

    def step(self, result, spent):
        if result.metrics["step"] == self.step_number:
            for worker in workers():
                worker.kill()


@pytest.fixture(scope="module")
def undisturbed(ray_here, tmp_path_factory):
    """The fingerprint of a run that nothing happens to."""
    path = tmp_path_factory.mktemp("runs") / "undisturbed"
    train(load_recipe("micro", TRAINING), path, Silent())
    return fingerprint(path)


def test_a_run_whose_actors_all_end_is_saved_and_goes_on_to_the_same_bits(undisturbed, tmp_path):
    broken = tmp_path / "broken"
    with pytest.raises(OutgrowError, match="no actor is left") as raised:
        train(load_recipe("micro", TRAINING), broken, EndsAllAtStep(3))
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value)
    assert (RunFolder(broken).checkpoints / "latest").resolve().name.endswith("3"), "saved at the step that it had done"
    resume(broken, [], Silent())
    assert fingerprint(broken) == undisturbed
    rows = [json.loads(line) for line in RunFolder(broken).actors.read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3], "those of step 4 were written ahead, by actors that are gone"
    for row in rows:
        part = pq.read_table(RunFolder(broken).rollouts, filters=[("step", "==", row["step"])])
        assert sum(actor["tokens"] for actor in row["actors"]) == sum(part["length"].to_pylist())
        assert {actor["version"] for actor in row["actors"]} == {max(0, row["step"] - 2)}, "learn.ahead"
    assert not psutil.wait_procs(workers(), timeout=60)[1], "a run ends its actors"


def test_a_signal_to_the_group_of_a_command_saves_its_run_which_goes_on_to_the_same_bits(undisturbed, tmp_path):
    """The command starts its own Ray, whose servers are in its group. It is Ray's trap twice: the handler, and the servers."""
    path, sets = tmp_path / "run", [argument for override in TRAINING for argument in ("--set", override)]
    with (tmp_path / "out").open("w") as out:
        command = subprocess.Popen(
            [sys.executable, "-m", "outgrow", "train", "micro", "--out", str(path), *sets], stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip
    metrics = RunFolder(path).metrics
    while command.poll() is None and not (metrics.exists() and metrics.read_text()):
        time.sleep(0.05)
    os.killpg(command.pid, signal.SIGTERM)
    assert command.wait() == 128 + signal.SIGTERM, (tmp_path / "out").read_text()
    assert not (tmp_path / ".ray").exists() and not list(tmp_path.rglob("outgrow-ray-*"))
    saved = int((RunFolder(path).checkpoints / "latest").resolve().name.rpartition("-")[2])
    assert 1 <= saved < 4
    resume(path, [], Silent())
    assert fingerprint(path) == undisturbed
