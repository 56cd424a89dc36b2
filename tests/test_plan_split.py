"""What a plan says of a run on several GPUs: against numbers worked by hand, and against the plan of one GPU."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from outgrow.cli import app
from outgrow.config import parse_recipe
from outgrow.config.sections import DistillSection
from outgrow.core.errors import UsageError
from outgrow.plan import load_gpu_catalog, plan_recipe
from outgrow.plan.best_split import SplitCost, left_out, split_costs, worth_it
from outgrow.plan.gpus import GPU, Assumptions
from outgrow.plan.measuring import MeasuringSeconds
from outgrow.plan.memory import parts, peak
from outgrow.plan.models import KNOWN
from outgrow.plan.recipe_plan import RunSeconds
from outgrow.plan.seconds import Seconds, seconds
from outgrow.plan.shape import parameters
from outgrow.plan.split import Split, split_bytes, split_of, split_seconds, splits
from outgrow.plan.work import work_of

pytestmark = pytest.mark.usefixtures("measured_once")
R1 = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
SHAPE = KNOWN[R1]
ASSUMED = Assumptions(
    prompt_tokens=256,
    completion_share=0.5,
    reply_share=0.5,
    usable_memory=0.92,
    gpus_per_machine=4,
    network_gb_s=5,
    link_efficiency=0.5,
)
CARD = GPU(
    name="it",
    dollars_per_hour=2.0,
    memory_gb=80,
    bandwidth_gb_s=1000,
    bfloat16_tflops=100,
    float32_tflops=10,
    bandwidth_efficiency=0.5,
    rate_efficiency=0.5,
    launch_ms=0.0,
    link_gb_s=40,
)


def recipe(rank=64, problems=8, **learn):
    """Eight problems of seven rollouts; a micro-batch is one group."""
    return parse_recipe(
        {
            "name": "several",
            "problems": [{"type": "micro", "per_level": 30}],
            "policy": {"model": R1, "dtype": "bfloat16", "lora": {"rank": rank} if rank else None},
            "learn": {
                "steps": 100,
                "problems_per_step": problems,
                "group_size": 7,
                "tokens_per_microbatch": 256 + 7 * 3200,
                **learn,
            },
            "sampling": {"max_tokens": 3200},
            "engine": {"max_sequences": 56},
        }
    )


def counted(rank=64, problems=8, **learn):
    return work_of(recipe(rank, problems, **learn), SHAPE, ASSUMED)


def divided(work, *split):
    return split_seconds(work, SHAPE, CARD, ASSUMED, Split(*split), 1600)


@pytest.mark.parametrize("rank", [64, 0])
def test_one_gpu_is_the_plan_of_one_gpu(rank):
    work = counted(rank)
    alike, one = seconds(work, SHAPE, CARD, 1600), divided(work)
    assert (one.generation, one.judging, one.learning, one.hidden) == (alike.generation, alike.judging, alike.learning, 0)
    assert one.handing_over == 0 and one.total == alike.total
    assert split_bytes(work, SHAPE, Split()) == peak(parts(work, SHAPE))


def test_actors_write_whole_groups():
    work = counted()
    assert work.microbatches == 8
    two, three = divided(work, 2), divided(work, 3)
    assert two.generation == seconds(counted(problems=4), SHAPE, CARD, 1600).generation < divided(work, 1).generation
    assert three.generation == seconds(counted(problems=3), SHAPE, CARD, 1600).generation, "one has three of the eight groups"
    assert two.learning == divided(work).learning


def test_ranks_learn_from_whole_microbatches_and_gather_what_they_do_not_hold():
    work, weights, link = counted(rank=0), 2 * 1_777_088_000, 40e9 * 0.5
    for ranks, microbatches, held in ((2, 4, 1 / 2), (3, 3, 1 / 3), (8, 1, 1 / 8)):
        speed = link if ranks <= 4 else 5e9 * 0.5  # a machine has four
        arithmetic = seconds(counted(rank=0, problems=microbatches), SHAPE, CARD, 1600).learning
        passed = microbatches * 3 * weights * (1 - held) / speed  # forward, backward, gradients
        assert divided(work, 0, ranks).learning == pytest.approx(arithmetic + passed, rel=1e-9)


def test_adapters_pass_few_gradients():
    """64 · (in + out) of seven matrices in 28 layers: 73,859,072 numbers in float32."""
    work = counted()
    passed = 4 * (2 * 2 * 1_777_088_000 + 4 * 73_859_072) / 2 / (40e9 * 0.5)
    arithmetic = seconds(counted(problems=4), SHAPE, CARD, 1600).learning
    assert divided(work, 0, 2).learning == pytest.approx(arithmetic + passed, rel=1e-9)


def test_what_is_learned_goes_to_the_actors():
    adapters = 4 * 73_859_072 / (40e9 * 0.5)
    assert divided(counted(), 1).handing_over == pytest.approx(adapters)
    assert divided(counted(), 1, 2).handing_over == pytest.approx(1.5 * adapters), "the first rank has half of them"
    assert divided(counted(rank=0), 2).handing_over == pytest.approx(2 * 1_777_088_000 / (40e9 * 0.5))


def test_ahead_hides_the_shorter_of_writing_and_learning():
    work = counted()
    apart, ahead = divided(work, 1, 1), divided(work, 1, 1, True)
    assert ahead.total == pytest.approx(max(apart.generation, apart.learning) + apart.handing_over)
    assert ahead.total < apart.total


def test_memory_of_ranks_by_hand():
    """Full fine-tuning of 1.78 billion numbers: weights, reference and gradients 2 bytes each, two moments 2 bytes each."""
    work, weights = counted(rank=0), 2 * 1_777_088_000
    by_name = {part.name: part for part in parts(work, SHAPE)}
    mine = sum(by_name[name].learning for name in by_name if name.startswith(("activations", "logits")))
    tables = 2 * 2 * 151_936 * 1536 + 2 * 1536
    layers = weights - tables
    for ranks in (2, 4):
        expected = 5 * weights / ranks + mine + tables + 2 * layers / 28
        assert split_bytes(work, SHAPE, Split(1, ranks)) == pytest.approx(expected, rel=1e-9)


def test_an_actor_holds_neither_moments_nor_reference():
    small = counted(rank=0, tokens_per_microbatch=256 + 3200)
    many = replace(small, decoded=2000, problems=400, max_sequences=2000)
    weights = 2 * 1_777_088_000
    copy = weights - 2 * 1536  # its output layer has a copy anyway; the last norm is merged into it
    cache, logits = 2000 * 3456 * 28_672, 2000 * 151_936 * 16
    assert split_bytes(many, SHAPE, Split(1, 1)) == pytest.approx(weights + copy + cache + logits, rel=1e-9)


@given(st.integers(1, 12))
def test_every_way_to_divide_is_there_once(most):
    found = list(splits(most))
    assert len(found) == len(set(found)) and max(each.gpus for each in found) == most
    assert len(found) == most + 2 * (most * (most - 1) // 2)


def a_cost(dollars, total):
    step = Seconds(total, 0.0, 0.0)
    return SplitCost(Split(), RunSeconds(1, step, MeasuringSeconds(0.0, 0.0)), dollars, 0.0, True)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20))
def test_what_is_shown_is_worth_its_price(pairs):
    costs = [a_cost(*pair) for pair in pairs]
    kept = [(cost.dollars, cost.seconds.total) for cost in worth_it(costs)]
    assert kept[0] == min(pairs)
    assert all(later[0] > earlier[0] and later[1] < 0.97 * earlier[1] for earlier, later in pairwise(kept))
    for price, time in pairs:  # whatever is left out is no faster than a shown one at its price, but for 3%
        assert min(shown_time for shown_price, shown_time in kept if shown_price <= price) * 0.97 <= time


def test_a_run_too_large_for_one_gpu_is_divided():
    catalog = load_gpu_catalog()
    [card] = [gpu for gpu in catalog.gpu if gpu.name == "RTX 4090"]
    full = recipe(rank=0, problems=4)
    [costs] = split_costs(full, catalog.model_copy(update={"gpu": (card,)}), 8)
    assert costs.worth and all(cost.split.ranks > 1 and cost.fits for cost in costs.worth)
    first = costs.worth[0]
    assert first.dollars == pytest.approx(first.seconds.total / 3600 * 0.45 * first.split.gpus)
    small = card.model_copy(update={"memory_gb": parameters(SHAPE) * 2 / 1e9})
    [none] = split_costs(full, catalog.model_copy(update={"gpu": (small,)}), 2)
    assert none.worth == [] and none.least.needed > small.memory_gb * 1e9


def test_the_command_says_how_to_divide():
    printed = CliRunner().invoke(app, ["plan", "r1-1.5b-gsm8k", "--over", "4"], env={"COLUMNS": "200"})
    assert printed.exit_code == 0, printed.output
    assert "divided over at most 4 GPUs" in printed.output and "1 + 1, ahead" in printed.output


@pytest.mark.parametrize("given", [["micro", "--over", "1"], ["r1-flywheel", "--over", "2"]])
def test_what_cannot_be_divided_is_refused(given):
    printed = CliRunner().invoke(app, ["plan", *given])
    assert printed.exit_code != 0 and "--over" in printed.output + str(printed.exception)


def test_one_gpu_that_writes_ahead_holds_both_and_saves_no_time():
    """The engine's copy, its cache and logits are there while the learner has its gradients and activations."""
    plain = recipe(rank=0)
    ahead = recipe(rank=0, ahead=1, old_logprobs="learner")
    assert (split_of(plain), split_of(ahead)) == (Split(), Split(ahead=True))
    several = recipe(rank=0, ranks=3)
    engine = several.engine.model_copy(update={"actors": 2})
    assert split_of(several.model_copy(update={"engine": engine})) == Split(2, 3)
    work = work_of(ahead, SHAPE, ASSUMED)
    by_hand = sum(max(part.generating, part.learning) for part in parts(work, SHAPE))
    assert split_bytes(work, SHAPE, Split(ahead=True)) == by_hand > peak(parts(work, SHAPE))
    assert divided(work, 0, 1, True).total == divided(work).total


def test_no_way_is_proposed_that_a_run_refuses():
    """A teacher or a memory cannot be shared out, and a judge cannot write while the next step is written."""
    catalog, plain = load_gpu_catalog(), recipe()
    taught = plain.model_copy(update={"distill": DistillSection(model=R1)})
    judged = parse_recipe(
        {**plain.model_dump(mode="json", exclude_none=True), "rewards": [{"type": "hero"}], "judge": {"model": R1}}
    )
    for asked, lacks in ((plain, set()), (taught, {"ranks"}), (judged, {"ahead"})):
        found = split_costs(asked, catalog, 4)
        assert all(set(each.lacks) == lacks for each in found)
        ways = [cost.split for each in found for cost in (*each.worth, each.least)]
        assert any(way.actors for way in ways)
        assert not ("ranks" in lacks and any(way.ranks > 1 for way in ways))
        assert not ("ahead" in lacks and any(way.ahead for way in ways))
    assert set(left_out(plain, memory=True)) == {"ranks"}
    with pytest.raises(UsageError, match=r"learn\.ranks=2: the teacher of \[distill\]"):
        plan_recipe(taught.model_copy(update={"learn": taught.learn.model_copy(update={"ranks": 2})}), catalog)
