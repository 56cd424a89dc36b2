"""The contract of an engine: a class from outside the package trains, and what engines are given decides what they write."""

import pyarrow.parquet as pq
import pytest
import torch

from helpers.runs import SMALL
from helpers.slow_engine import SlowEngine, SlowEngineConfig
from outgrow.config import load_recipe, parse_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines
from outgrow.engines import (
    ENGINES,
    GenerationRequest,
    NativeEngine,
    NativeEngineConfig,
    TransformersEngine,
    TransformersEngineConfig,
    VLLMEngineConfig,
    check_room,
    second_engine,
    sync,
)
from outgrow.policy import Policy, Sampling
from outgrow.policy.lora import add_adapter
from outgrow.policy.lora_settings import LoRA
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer
from outgrow.runs.folder import read_recipe
from outgrow.train.loop import train
from outgrow.train.watcher import SilentWatcher

TWO_STEPS = [*SMALL, "learn.steps=2", "evaluate.every=0"]
REQUEST = GenerationRequest([[5, 6, 7], [8, 9]], 3, Sampling(max_tokens=12), [1, 2])


def test_an_engine_from_outside_trains_and_writes_what_the_native_one_writes(tmp_path, own_code):
    """Another way to compute the same: spec, named weights and seeds are all that an engine needs."""
    SlowEngine.versions.clear()
    slow, native = tmp_path / "slow", tmp_path / "native"
    for path, name in ((slow, "helpers.slow_engine:SlowEngineConfig"), (native, "native")):
        train(load_recipe("micro", [*TWO_STEPS, f"engine.type={name}"]), path, SilentWatcher())
    assert SlowEngine.versions == [0, 0, 1, 0], "measured, two steps, measured: only training counts its steps"
    assert isinstance(read_recipe(slow)[0].engine, SlowEngineConfig)
    metrics = read_lines(slow / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2]
    assert all(row["train_infer_logprob_gap/max"] < 1e-3 for row in metrics if row["groups/trained_frac"])
    assert any(row["groups/trained_frac"] for row in metrics), "no step learned"
    texts = [
        [row["completion"] for part in sorted((path / "rollouts").iterdir()) for row in pq.read_table(part).to_pylist()]
        for path in (slow, native)
    ]
    assert len(texts[0]) == 2 * 6 * 4
    assert texts[0] == texts[1]


@pytest.mark.parametrize("engine", [NativeEngine, TransformersEngine, SlowEngine])
def test_rollouts_say_which_weights_wrote_them(untrained, engine):
    engine = engine()
    for version in (0, 7):
        sync(engine, untrained, version)
        assert {rollout.weights_version for group in engine.generate(REQUEST) for rollout in group} == {version}


@pytest.mark.parametrize("engine", [NativeEngine, TransformersEngine, SlowEngine])
def test_weights_are_those_of_the_last_load_adapter_merged(untrained, engine):
    """The learner moves its weights in place between two loads, and an adapter is part of them."""
    engine = engine()
    sync(engine, untrained)
    before = engine.generate(REQUEST)
    adapter = add_adapter(untrained.model, LoRA(rank=4), 0, "it")
    with torch.no_grad():
        for name, weight in untrained.model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(generator=torch.Generator().manual_seed(0))
    assert engine.generate(REQUEST) == before
    sync(engine, Policy(untrained.model, untrained.tokenizer, untrained.prompt, adapter))
    assert engine.generate(REQUEST) != before


def test_an_engine_decodes_one_model(untrained):
    engine = NativeEngine()
    sync(engine, untrained)
    tokenizer = make_tokenizer()
    with pytest.raises(AssertionError, match="one model"):
        sync(engine, Policy(make_model(MicroInit(layers=1, hidden=32), tokenizer, 0), tokenizer))


def test_saving_a_model_does_not_make_it_another_one(untrained, tmp_path):
    engine = NativeEngine()
    sync(engine, untrained)
    untrained.save(tmp_path)
    sync(engine, untrained)
    assert untrained.spec().config.architectures, "saving wrote nothing into the config"


@pytest.mark.parametrize("made", [NativeEngine, TransformersEngine])
def test_an_engines_state_is_the_size_that_memory_had_room_for(made):
    engine = made(max_sequences=64)
    lowered = {"max_sequences": {"start": 64, "size": 16}}
    assert engine.state_dict() != lowered
    engine.load_state_dict(lowered)
    assert engine.state_dict() == lowered
    assert SlowEngine().state_dict() == {}


def test_a_table_without_a_type_is_the_native_engines():
    recipe = parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "engine": {"max_sequences": 8}})
    assert recipe.engine == NativeEngineConfig(max_sequences=8)
    assert recipe.engine.type == "native"
    assert parse_recipe({"name": "x", "policy": {"model": "micro-base"}}).engine == NativeEngineConfig()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"gpu_memory_utilization": 0.5}, "gpu_memory_utilization"),
        ({"type": "vlm"}, "'vllm'"),
        ({"type": "helpers.slow_engine:Nobody"}, "helpers.slow_engine:Nobody"),
        ({"type": "helpers.slow_engine:SlowEngineConfig", "max_sequences": 0}, "max_sequences"),
        ({"type": 3}, "native, transformers, vllm"),
    ],
)
def test_an_engine_table_that_cannot_be_is_refused_by_name(table, named, own_code):
    with pytest.raises(UsageError, match=named):
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "engine": table})


def test_a_second_engine_is_like_the_first_unless_a_process_has_room_for_one():
    assert {name: config.one_per_process for name, config in ENGINES.items()} == {
        "native": False,
        "transformers": False,
        "vllm": True,
    }
    for config in (
        NativeEngineConfig(max_sequences=3),
        TransformersEngineConfig(max_sequences=3),
        SlowEngineConfig(max_sequences=3),
    ):
        assert second_engine(config) == config
    assert second_engine(VLLMEngineConfig(max_sequences=3)) == NativeEngineConfig()
    fast = NativeEngineConfig(max_sequences=3, weights="int8", head="int8")
    assert second_engine(fast) == NativeEngineConfig(max_sequences=3), "a judge is no rollout"


def test_room_is_left_for_the_longest_prompt():
    sampling = Sampling(max_tokens=10)
    check_room(sampling, 11)
    check_room(sampling, 14, [[1], [1, 2, 3, 4]])
    with pytest.raises(UsageError, match=r"sampling\.max_tokens=10 .*10 tokens"):
        check_room(sampling, 10)
    with pytest.raises(UsageError, match=r"sampling\.max_tokens=10 .* 4 tokens in the context of it \(13 tokens\)"):
        check_room(sampling, 13, [[1], [1, 2, 3, 4]], whose="the context of it")
