"""A step that runs out of memory is done again in smaller passes, a generation with fewer rows, and comes to the same."""

import re

import psutil
import pytest
import torch

from outgrow.algorithms.losses.clipped_surrogate import ClippedSurrogate
from outgrow.config import load_recipe
from outgrow.config.sections import LearnSection
from outgrow.core import memory
from outgrow.core.errors import OutgrowError, SpoiledError
from outgrow.core.oom_backoff import AutoBatchSize
from outgrow.engines import GenerationRequest, NativeEngine, sync
from outgrow.engines.native.decoder import LlamaDecoder
from outgrow.engines.native.kv_cache import Cache
from outgrow.policy import Sampling, load_policy
from outgrow.runs.models import frozen_copy
from outgrow.train import microbatch_size
from outgrow.train.optimizer import Optimizer
from outgrow.train.update import AdvantagedRollout, Learner

SAMPLING = Sampling(max_tokens=12)
SECTION = LearnSection(updates_per_step=2, tokens_per_microbatch=400, lr=1e-3)


def of_passes(tokens, warn=lambda _: None):
    return AutoBatchSize("learn.tokens_per_microbatch", tokens, warn)


def test_it_halves_until_it_fits_undoes_each_attempt_and_says_so():
    tried, undone, notes = [], [], []

    def work(tokens):
        tried.append(tokens)
        if tokens > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return tokens

    size = of_passes(1000, notes.append)
    assert size.run(work, 90, 1000, lambda: undone.append(len(tried))) == 250
    assert (tried, undone) == ([1000, 500, 250], [1, 2])
    assert [re.search(r"tokens_per_microbatch=(\d+)", warn)[1] for warn in notes] == ["500", "250"]
    assert size.run(work, 90, 1000) == 250, "the next step must not try in vain again"


def test_a_checkpoint_keeps_the_size_until_a_person_changes_it():
    def work(tokens):
        if tokens > 300:
            raise MemoryError

    lowered, same, other = of_passes(1000), of_passes(1000), of_passes(2000)
    lowered.run(work, 90, 1000)
    for size in (same, other):
        size.load_state_dict(lowered.state_dict())
    assert (lowered.size, same.size, other.size) == (250, 250, 2000)
    assert same.state_dict() == lowered.state_dict()


def test_sizes_larger_than_all_there_is_to_do_are_not_tried():
    tried = []

    def work(tokens):
        tried.append(tokens)
        if tokens > 60:
            raise MemoryError
        return tokens

    assert of_passes(2048).run(work, 20, 100) == 50
    assert tried == [2048, 50]


def test_a_single_rollout_that_does_not_fit_is_an_error_of_one_line():
    def work(_):
        raise MemoryError

    with pytest.raises(OutgrowError, match=r"out of memory.*learn.tokens_per_microbatch=100.*sampling.max_tokens") as told:
        of_passes(200).run(work, 110, 300)
    assert "\n" not in str(told.value)


def test_what_a_cpu_says_when_memory_is_out_is_understood():
    def work(tokens):
        return torch.empty(2**50) if tokens > 100 else "done"

    assert of_passes(200).run(work, 90, 300) == "done"


def test_any_other_error_is_left_alone():
    def work(_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        of_passes(200).run(work, 90, 300)


def test_a_run_begins_with_passes_that_memory_has_room_for(shipped, monkeypatch):
    recipe, notes = load_recipe("micro"), []

    def passes_in(memory):
        monkeypatch.setattr(microbatch_size, "total_memory", lambda device: memory)
        return microbatch_size.fitted_batch_size(recipe, shipped, None, notes.append).size

    assert passes_in(10**12) == recipe.learn.tokens_per_microbatch and not notes
    less = passes_in(60_000_000)
    assert 1 < less < recipe.learn.tokens_per_microbatch
    assert len(notes) == 1 and f" {less} " in notes[0]


def test_a_container_has_its_share_of_memory(tmp_path, monkeypatch):
    file, cpu = tmp_path / "memory.max", torch.device("cpu")
    monkeypatch.setattr(memory, "_CONTAINER", file)
    whole = psutil.virtual_memory().total
    assert memory.total_memory(cpu) == whole, "no container"
    for said, expected in (("max\n", whole), ("5000000\n", 5_000_000), (f"{10**18}\n", whole)):
        file.write_text(said)
        assert memory.total_memory(cpu) == expected


def learned(policy, monkeypatch, fits):
    """Weights after one update where only `fits(passes so far)` completions go through the model at once."""
    engine = NativeEngine()
    sync(engine, policy)
    prompts = [policy.prompt_ids(question) for question in ("1+2=?", "clock 12: 3+11=?", "roman XIV=?", "9-4=?")]
    groups = engine.generate(GenerationRequest(prompts, 4, SAMPLING, [0, 1, 2, 3]))
    weighed = [[AdvantagedRollout(rollout, float(index % 2) - 0.4) for index, rollout in enumerate(group)] for group in groups]
    backward, passes = Learner._backward, []

    def short_of_memory(self, rows, target):
        found = backward(self, rows, target)  # the gradient is there when the error comes
        passes.append(len(rows))
        if len(rows) > fits(len(passes)):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(Learner, "_backward", short_of_memory)
    optimizer, notes = Optimizer(policy.model, SECTION, 10), []
    size = of_passes(SECTION.tokens_per_microbatch, notes.append)
    loss = ClippedSurrogate(kl_weight=0.1)
    figures = Learner(policy, frozen_copy(policy), optimizer, SECTION, loss, SAMPLING, 0, size).update(weighed, 1)
    monkeypatch.undo()
    return {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}, figures, notes


def test_an_update_short_of_memory_moves_the_weights_as_one_that_is_not(shipped, monkeypatch):
    whole, figures, quiet = learned(load_policy("micro-base"), monkeypatch, fits=lambda _: 8)
    parts, same, notes = learned(load_policy("micro-base"), monkeypatch, fits=lambda _: 1)
    assert (len(quiet), len(notes)) == (0, 3)
    assert same == pytest.approx(figures, rel=1e-4, abs=1e-6)
    apart = moved = 0.0
    for name, weight in whole.items():
        apart += float((parts[name] - weight).square().sum())
        moved += float((weight - shipped.model.state_dict()[name]).square().sum())
    # Not element by element: AdamW takes a gradient of pure rounding as far as any other.
    assert moved > 1e-4
    assert apart < 1e-4 * moved


def test_memory_that_ends_between_two_updates_of_a_step_spoils_it(monkeypatch):
    """The first share (one pass of 8) has moved the weights by then, so nobody may save them as the step before."""
    policy = load_policy("micro-base")
    before = policy.digest()
    with pytest.raises(SpoiledError, match="out of memory"):
        learned(policy, monkeypatch, fits=lambda passes: 8 if passes == 1 else 0)
    assert policy.digest() != before


def test_a_generation_short_of_memory_writes_the_same_with_fewer_rows(shipped, monkeypatch):
    prompts = [shipped.prompt_ids(question) for question in ("1+2=?", "clock 12: 3+11=?", "roman XIV=?", "9-4=?")]

    def written(fits):
        """The rollouts where a cache of more than `fits` rows cannot be had, and what was said."""

        def empty(layers, rows, *rest):
            if rows > fits:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return usual(layers, rows, *rest)

        monkeypatch.setattr(Cache, "empty", empty)
        notes = []
        engine = NativeEngine(512, notes.append)
        sync(engine, shipped)
        return [engine.generate(GenerationRequest(prompts, 4, SAMPLING, [0, 1, 2, 3])) for _ in range(2)], notes

    usual = Cache.empty
    whole, quiet = written(16)
    parts, notes = written(8)
    assert not quiet and len(notes) == 1 and "engine.max_sequences=8" in notes[0]
    for ours, theirs in zip(parts, whole, strict=True):
        assert [[r.completion_ids for r in group] for group in ours] == [[r.completion_ids for r in group] for group in theirs]
    with pytest.raises(OutgrowError, match=r"engine.max_sequences=4"):
        written(3)


def test_a_rows_bytes_are_what_a_cache_takes(untrained):
    decoder = LlamaDecoder(untrained.model.config, untrained.named_weights())
    cache = decoder.new_cache(3, 7)
    assert sum(part.nbytes for part in cache.layers) == 3 * decoder.bytes_a_row(7)


def test_a_state_of_another_engine_leaves_the_size_as_it_is():
    """A run may go on with another engine, which left nothing that this one knows."""
    size = AutoBatchSize("n", 8, lambda _: None)
    size.load_state_dict({})
    assert size.size == 8
    size.load_state_dict({"start": 8, "size": 2})
    assert size.size == 2
    NativeEngine().load_state_dict({})
