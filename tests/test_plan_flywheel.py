"""What `outgrow plan` says of a flywheel: each stage's own plan, as often as it is done, and what has no plan of its own."""

import math
import re

import pytest

from outgrow.config import load_recipe
from outgrow.config.sections import PolicySection
from outgrow.core.errors import UsageError
from outgrow.flywheel import load_flywheel
from outgrow.flywheel.plan import plan_flywheel
from outgrow.flywheel.stage_recipes import stage_recipes
from outgrow.plan import load_gpu_catalog, plan_recipe
from outgrow.plan.models import KNOWN, shape_of
from outgrow.plan.seconds import tuning_seconds
from outgrow.problems.math import Math

pytestmark = pytest.mark.usefixtures("measured_once")
R1, R1_7B = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
CATALOG = load_gpu_catalog()
H100 = next(place for place, gpu in enumerate(CATALOG.gpu) if gpu.name == "H100")


def stages(flywheel):
    return {stage.name: stage for stage in plan_flywheel(flywheel, CATALOG).stages}


def test_stages_of_reinforcement_learning_cost_what_their_recipes_do(data):
    found = stages(load_flywheel("r1-flywheel"))
    # The teacher and the students as recipes of their own.
    seven = load_recipe("r1-1.5b-math", [f"policy.model={R1_7B}", "learn.steps=150", "learn.tokens_per_microbatch=4096"])
    student = load_recipe("r1-1.5b-math", ["learn.steps=250"])
    for name, times, recipe in (("teacher", 1, seven), ("student", 2, student)):
        estimates = plan_recipe(recipe, CATALOG).estimates
        assert found[name].times == times
        hours = [one.expected.training / 3600 if one.fits or one.change else None for one in estimates]
        assert found[name].hours == pytest.approx(hours)
    assert found["base"].times == 1, "the first base exists before"
    # Measured as the flywheel's own recipe of the stage says: on the flywheel's suites.
    runs = [each.expected for each in plan_recipe(stage_recipes(load_flywheel("r1-flywheel"))["teacher"], CATALOG).estimates]
    assert found["teacher"].measuring == pytest.approx([(run.total - run.training) / 3600 for run in runs])
    assert min(found["teacher"].measuring) > 0 and min(found["base"].measuring) > 0
    assert list(found) == ["teacher", "base", "student", "data"]


def test_fine_tuning_by_hand(data):
    found = stages(load_flywheel("r1-flywheel"))["base"]
    gpu, layers, head = CATALOG.gpu[H100], 1_310_339_072, 233_373_696
    assert layers + head == 1_543_712_768
    # 16 examples of 256 tokens and of 1,600 more; a forward pass, and a backward pass to the adapters, which take all six.
    forward = 16 * (2 * layers * 256 + 4 * 28 * 1536 * 256**2)
    forward += 16 * (2 * (layers + head) * 1600 + 4 * 28 * 1536 * 1600 * 1856)
    operations = 2 * forward + 6 * 73_859_072 * 16 * 1856
    step = operations / (gpu.bfloat16_tflops * 1e12 * gpu.rate_efficiency)
    launches = math.ceil(16 * 1856 / 8192) * 28 * 3 * gpu.launch_ms / 1e3
    assert found.hours[H100] == pytest.approx(600 * (step + launches) / 3600)
    # Every weight: three passes' worth in place of two.
    tuned = [tuning_seconds(16, 256, 1600, 8192, KNOWN[R1], adapter, 2, gpu) - launches for adapter in (0, None)]
    assert tuned[1] / tuned[0] == pytest.approx(1.5)


def test_data_by_hand(data):
    plan = plan_flywheel(load_flywheel("r1-flywheel", ["data.k=80"]), CATALOG)
    assert len(Math().load()) == 14
    assert plan.data_problems == 13, "evaluation holds one out"
    gpu, rows = CATALOG.gpu[H100], 80 * plan.data_problems
    # The 7B is the slower one: what its weights and the engine's copy leave holds so many rows of 3,456 tokens of 57,344 bytes.
    room = 80e9 * 0.92 - 2 * 2 * 7_615_616_512
    at_once = int(room / (3456 * 57_344))
    assert 0 < at_once < 512 < rows, "more than one batch"
    read = 7_615_616_512 - 152_064 * 3584 - 3584  # all but the embedding and the last norm
    steps = math.ceil((rows / at_once - 1) * 1600 + 3200)  # a sequence of mean length takes the place of each that ends
    moved = steps * read * 2 + rows * 1600 * (256 + 800) * 57_344
    by_bandwidth = moved / (gpu.bandwidth_gb_s * 1e9 * gpu.bandwidth_efficiency)
    (found,) = [stage.hours[H100] for stage in plan.stages if stage.name == "data"]
    assert found == pytest.approx((by_bandwidth + steps * 28 * gpu.launch_ms / 1e3) / 3600, rel=1e-6)
    small = next(place for place, gpu in enumerate(CATALOG.gpu) if gpu.memory_gb < 31)
    assert plan.stages[-1].hours[small] is None, "not even the weights have room"
    assert plan.hours(small) is None


def test_all_is_the_sum_of_stages_times_turns():
    plan = plan_flywheel(load_flywheel("micro-flywheel", ["generations=4"]), CATALOG)
    times = {stage.name: stage.times for stage in plan.stages}
    assert times == {"teacher_base": 1, "teacher": 1, "base": 4, "student": 4, "data": 3}
    hours = {stage.name: stage.hours[H100] + (stage.measuring[H100] if stage.measuring else 0) for stage in plan.stages}
    assert plan.hours(H100) == pytest.approx(sum(times[name] * spent for name, spent in hours.items()))
    assert plan.measuring(H100) == pytest.approx(sum(s.times * s.measuring[H100] for s in plan.stages if s.name != "data"))
    assert "data" not in {stage.name for stage in plan_flywheel(load_flywheel("micro-flywheel", ["generations=1"]), CATALOG).stages}


def test_models_that_stages_make_have_the_shapes_of_their_recipes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    flywheel = load_flywheel("micro-flywheel", ["base.policy.init.layers=2"])
    estimate = stages(flywheel)["student"].estimates[H100].expected
    init = {**load_recipe("micro-base").policy.init.model_dump(), "layers": 2}
    alone = shape_of(PolicySection(init=init))
    assert alone.layers == 2
    recipe = load_recipe("micro", [f"learn.steps={estimate.steps}"])
    named = recipe.model_copy(update={"policy": PolicySection(model="it")})
    deeper = plan_recipe(named, CATALOG, {"it": alone}).estimates[H100].expected
    usual = stages(load_flywheel("micro-flywheel"))["student"].estimates[H100].expected
    assert estimate.step.generation < usual.step.generation
    assert estimate.step.generation == pytest.approx(deeper.step.generation, rel=0.2), "the same rollouts, or nearly"


def test_the_command_prices_a_flywheel(outgrow, data):
    code, printed, _ = outgrow("plan", "r1-flywheel")
    assert code == 0
    assert re.search(r"data: 2 answers to each of 13 problems", printed)
    hours, dollars = (re.search(rf"^ {name} +(.*?) *$", printed, re.M)[1].split() for name in ("total, hours", "total, \\$"))
    assert len(hours) == len(dollars) == len(CATALOG.gpu) + 1, "this machine is the first"
    hours, dollars = hours[1:], dollars[1:]
    assert float(dollars[H100]) == pytest.approx(float(hours[H100]) * 2.70, rel=0.05)
    assert float(hours[H100]) < 10
    assert hours[-1] == "no"
    # The message names a change in the flywheel's own keys, and that change makes the stage fit.
    told = [line for line in printed.splitlines() if line.startswith("student on T4: fits with")]
    change = re.findall(r"--set|student\.[a-z_.]+=\d+", told[0])
    _, printed, _ = outgrow("plan", "r1-flywheel", *change)
    assert "student on T4" not in printed


def test_problems_that_are_not_here_are_said(outgrow, monkeypatch):
    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, printed, complaint = outgrow("plan", "r1-flywheel")
    assert (code, complaint) == (0, "")
    assert "OUTGROW_DATA" in printed
    assert not re.search(r"^ data ", printed, re.M), "no stage that makes data"


def test_data_that_nobody_draws_costs_nothing(outgrow, data):
    lines = ["data.k=0", "data.rollouts=true"]
    assert "data" not in stages(load_flywheel("r1-flywheel", lines))
    code, printed, _ = outgrow("plan", "r1-flywheel", *(word for line in lines for word in ("--set", line)))
    assert code == 0 and not re.search(r"^ data ", printed, re.M)
    assert "OUTGROW_DATA" not in printed


def test_a_second_judge_elsewhere_is_paid_for():
    """The students' stages cost twice as much with a second GPU in the same hours."""
    second = f'student.judge={{watch={{second_model="http://there/v1#{R1}"}}}}'
    flywheel = load_flywheel("micro-flywheel", [second, 'judge={recipe="micro-judge"}', 'student.rewards=[{type="hero"}]'])
    plan, gpu = plan_flywheel(flywheel, CATALOG), CATALOG.gpu[H100]
    student = next(stage for stage in plan.stages if stage.name == "student")
    wanted = (plan.hours(H100) + student.times * (student.hours[H100] + student.measuring[H100])) * gpu.dollars_per_hour
    assert plan.dollars(H100, gpu) == pytest.approx(wanted)


def test_levels_that_no_problem_has_are_a_mistake():
    with pytest.raises(UsageError, match=r"(?i)no problem"):
        plan_flywheel(load_flywheel("micro-flywheel", ["data.levels=[99]"]), CATALOG)


def test_a_mistake_in_a_flywheel_is_one_clear_line(outgrow):
    code, _, complaint = outgrow("plan", "r1-flywheel", "--set", "student.learn.stepz=3")
    assert code == 2
    assert len(complaint.strip().splitlines()) == 1
    assert "stepz" in complaint
