"""What is wrong in a recipe is told with its line, its key, what the key takes, and a line that can be pasted in its place."""

import os
import re
import shlex
import typing

import pytest
import torch
from pydantic import BaseModel

from helpers.flywheel import write_flywheel
from helpers.runs import Silent
from outgrow.config import load_recipe, parse_recipe, raw_recipe
from outgrow.config.brought import BROUGHT
from outgrow.config.schema import RLRecipe, SFTRecipe
from outgrow.core.errors import UsageError
from outgrow.core.threads import require_threads
from outgrow.flywheel import load_flywheel
from outgrow.plan.machine import measure_machine
from outgrow.problems.suites import suite
from outgrow.train.loop import train

BASES = {RLRecipe: "micro", SFTRecipe: "micro-base"}


def sections(annotation):
    """Return the sections, not the components, that a value of this type can be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if "type" in annotation.model_fields or annotation.model_config.get("extra") == "allow" else [annotation]
    return [model for part in typing.get_args(annotation) for model in sections(part)]


def keys(model, above=()):
    """Yield the path and the field of every key of a recipe's sections."""
    for name, field in model.model_fields.items():
        yield (*above, name), field
        for section in sections(field.annotation):
            yield from keys(section, (*above, name))


def wrong_values(field):
    """Return values in TOML that the field must refuse, by its type and limits."""
    parts = {field.annotation, *typing.get_args(field.annotation)}
    if parts & {int, float, bool} and typing.get_origin(field.annotation) is not tuple:
        limits = [mark for mark in field.metadata if hasattr(mark, "ge") or hasattr(mark, "gt")]
        return ['"many"', "[1]", "{a = 1}", *(["-7"] if limits else [])]
    return ["5", "{other = 1}"] if str in parts else ["5.5"]


CASES = [
    (model, path, value) for model in BASES for path, field in keys(model) for value in wrong_values(field) if path != ("kind",)
]


def write_recipe(folder, base, path, value):
    """Write a recipe in which the key is on the last line; return the file and that line's number."""
    head = [f'extends = "{base}"', "# mine"]
    if path[:1] == ("judge",):
        head.append('rewards = [{type = "hero"}]')
    if len(path) > 1:
        if path[0] in ("judge", "distill") and path[1] != "model":
            head += [f"[{path[0]}]", 'model = "micro-base"']
        if f"[{'.'.join(path[:-1])}]" not in head:
            head += ["", f"[{'.'.join(path[:-1])}]"]
    lines = [*head, f"{path[-1]} = {value}"]
    file = folder / "mine.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file, len(lines)


def complaint_of(file, overrides=()):
    """Return what is wrong in a recipe; empty where nothing is."""
    told = ""
    try:
        load_recipe(str(file), overrides)
    except UsageError as error:
        told = str(error)
    assert "\n" not in told
    return told


@pytest.mark.parametrize(("model", "path", "value"), CASES, ids=lambda value: ".".join(value) if isinstance(value, tuple) else None)
def test_a_wrong_value_of_every_key(model, path, value, tmp_path):
    file, line = write_recipe(tmp_path, BASES[model], path, value)
    told = complaint_of(file)
    if not told:
        pytest.skip("the key takes this")
    assert told.startswith(f"{file}, line {line}: "), told
    assert re.search(rf"(?<![\w.]){re.escape('.'.join(path))}(?![\w.])", told), told
    for jargon in ("input should", "valid tuple", "valid dictionary", "type=", "pydantic", "Field required"):
        assert jargon not in told
    pasted = told.rpartition("; for example: ")[2]
    assert pasted != told, told
    pasted = pasted.replace(" and below it: ", "\n").replace(" above the first [table]", "")
    above = file.read_text().splitlines()[:-1]
    file.write_text("\n".join([*above, *pasted.split("\n")]) + "\n", encoding="utf-8")
    again = complaint_of(file)
    # A line that is right may need another: a judge needs a reward, and a new model none that exists.
    assert ".".join(path) not in again or "missing" in again or "reward" in again or "not both" in again, (told, again)


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("learn.steps=ten", "learn.steps"), ("learn.lr=-1", "learn.lr"), ("verify.extract=boxed", "verify.extract"),
        ("learn.schedule=cosin", "learn.schedule"), ("learn.betas=[0.9]", "learn.betas"), ("loss=gspo", "loss"),
        ("rewards=accuracy", "rewards"), ("learn=5", "learn"), ("policy.dtype=float16", "policy.dtype"),
        ("policy=micro-base", "policy"), ("name=5", "name"), ("problems={type='micro'}", "problems"),
    ],
)  # fmt: skip
def test_an_option_is_named_and_its_example_is_one(option, key):
    told = complaint_of("micro", [option])
    assert told.startswith(f"--set {option}: ") and key in told
    example = told.rpartition("; for example: ")[2]
    if example == told:
        assert "[[problems]] in place of [problems]" in told
        return
    flag, setting = shlex.split(example)
    assert flag == "--set"
    assert complaint_of("micro", [setting]) == ""


def test_the_line_is_that_of_the_file_that_says_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").write_text('extends = "micro"\n\n[learn]\nlr = 1e-4\nsteps = "ten"\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[learn]\nlr = 2e-4\n')
    assert complaint_of("mine.toml").startswith("base.toml, line 5: learn.steps ")
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[learn]\nsteps = 0\n')
    assert complaint_of("mine.toml").startswith("mine.toml, line 3: learn.steps ")
    assert complaint_of("mine.toml", ["learn.steps=7", "learn.steps=x"]).startswith("--set learn.steps=x: ")
    assert complaint_of("mine.toml", ["learn.steps=7"]) == ""
    (tmp_path / "base.toml").write_text('extends = "micro"\n[advantage]\ntype = "rpe"\nkappa = "x"\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n')
    assert complaint_of("mine.toml").startswith("base.toml, line 4: advantage 'rpe': kappa ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("learn.steps = 'x'", 2, "learn.steps"),
        ("learn = { lr = 1e-4, steps = 'x' }", 2, "learn.steps"),
        ('[prompt]\nsystem = """\n[learn]\nsteps = 1\n"""\n[learn]\n"steps" = [\n]', 8, "learn.steps"),
        ('problems = [\n  {type = "micro"},\n\n  {type = "micro", levels = "x"},\n]', 5, "levels"),
        ('problems = [\n  {type = "micro"},\n  {type = "micor"},\n]', 4, "micor"),
        ('[[problems]]\ntype = "micro"\n[[problems]]\ntype = "micro"\nweight = 0', 6, "weight"),
        ('[[problems]]\ntype = "micro"\n[[problems]]\npath = "x.jsonl"', 4, "type"),
        ('[[rewards]]\ntype = "accuracy"\n[[rewards]]\ntype = "hero"\nstrenght = 1\n', 6, "strenght"),
        ("[learn]\nstepz = 3", 3, "did you mean 'steps'"),
        ("[problems]\ntype = 'micro'", 2, "[[problems]] in place of [problems]"),
        ("[distill]\nweight = 1.0", 2, "distill.model"),
        ("exdends = 'micro'", 2, "extends"),
        ("zzz = 1", 2, "extends"),
        ("kind = 'grpo'", 2, "flywheel"),
        ("[data]\ntrain_batch_size = 8", 3, "learn.problems_per_step"),
    ],
)
def test_every_way_to_write_it(text, line, words, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f'extends = "micro"\n{text}\n')
    told = complaint_of(file)
    assert told.startswith(f"{file}, line {line}: ") and words in told, told


def test_what_is_missing_altogether_is_told_without_a_line(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("# nothing\n")
    told = complaint_of(file)
    assert told.startswith(f"{file}: ") and "name" in told
    file.write_text('name = "mine"\n')
    told = complaint_of(file)
    assert told.startswith(f"{file}: policy is missing") and "[policy]" in told and 'model = "micro-base"' in told


def test_what_extends_names_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.toml"
    for text, words in (
        ('# one\nextends = "mcro"', "did you mean 'micro'"),
        ("# one\nextends = ['micro']", "name of one recipe"),
        ('# one\nextends = "mine.toml"', "circle"),
        ('# one\nextends = "nowhere.toml"', "nowhere.toml"),
    ):
        file.write_text(text)
        told = complaint_of("mine.toml")
        assert told.startswith("mine.toml, line 2: ") and words in told, told
    assert "read from a file only" in complaint_of("micro", ["extends=micro-base"])


def test_a_syntax_error_keeps_its_line_and_column(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "micro"\n[learn]\nsteps = = 3\n')
    assert "line 3, column 9" in complaint_of(file)


def test_a_stage_of_a_flywheel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_flywheel(tmp_path)
    (tmp_path / "stage.toml").write_text('extends = "micro"\n[learn]\nweight_decay = "x"\n')
    file = tmp_path / "mine.toml"
    for text, place, words in (
        ("[student]\nrecipe = 'micro'\nlearn.steps = 'x'", "mine.toml, line 4", "[student]"),
        ("[student]\nrecipe = 'stage.toml'", "stage.toml, line 3", "[student]"),
        ("[student]\nrecipe = 'stage.toml'\n[student.learn]\nweight_decay = -1", "mine.toml, line 5", "[student]"),
        ("[student]\nrecipe = 'micro'\nlearning_rate = 1e-5", "mine.toml, line 4", "learn.lr"),
        ("[student]\nrecipe = 'micro'\nseed = 1", "mine.toml, line 4", "[student] seed"),
        ("generations = 0", "mine.toml, line 2", "generations"),
        ("learning_rate = 0.1", "mine.toml, line 2", "student.learn.lr"),
    ):
        file.write_text(f"extends = 'micro-flywheel'\n{text}\n")
        with pytest.raises(UsageError) as refused:
            load_flywheel("mine.toml")
        told = str(refused.value)
        assert f"{place}: " in told and words in told and "\n" not in told, told
    with pytest.raises(UsageError, match=r"--set student\.learn\.steps=x: .*for example: --set student\.learn\.steps=\d+"):
        load_flywheel("micro-flywheel", ["student.learn.steps=x"])


# What people bring -> the key, or a word of what does its job.
NAMES = {
    "learning_rate": "learn.lr", "num_generations": "learn.group_size", "beta": "loss.kl_weight",
    "max_completion_length": "sampling.max_tokens", "per_device_train_batch_size": "learn.problems_per_step",
    "gradient_accumulation_steps": "learn.tokens_per_microbatch", "max_steps": "learn.steps", "num_train_epochs": "learn.steps",
    "epsilon": "loss.clip_low", "epsilon_high": "loss.clip_high", "temperature": "sampling.temperature",
    "max_prompt_length": "sampling.max_tokens", "lora_r": "policy.lora.rank", "lora_alpha": "policy.lora.alpha",
    "model_name_or_path": "policy.model", "dataset_name": "problems", "reward_funcs": "rewards", "loss_type": "loss.aggregation",
    "scale_rewards": "advantage.type", "warmup_ratio": "learn.warmup", "lr_scheduler_type": "learn.schedule",
    "logging_steps": "metrics.jsonl", "save_steps": "run.checkpoint_every", "bf16": "policy.dtype", "use_vllm": "engine.type",
    "actor_rollout_ref.rollout.n": "learn.group_size", "data.train_batch_size": "learn.problems_per_step",
    "algorithm.kl_ctrl.kl_coef": "loss.kl_weight", "trainer.total_epochs": "learn.steps", "max_seq_length": "sampling.max_tokens",
    "load_in_4bit": "policy.dtype", "target_modules": "policy.lora.targets", "random_state": "seed", "output_dir": "--out",
    "group_size": "learn.group_size", "checkpoint_every": "run.checkpoint_every", "report_to": "run.trackers",
}  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), NAMES.items(), ids=NAMES)
@pytest.mark.parametrize("table", ["", "learn", "training.args"])
def test_a_name_from_elsewhere(name, meant, table, tmp_path):
    if name in ("group_size",) and table == "learn":
        pytest.skip("it is a key of this table")
    file = tmp_path / "mine.toml"
    header = f"[{table}]\n" if table else "\n"
    file.write_text(f'extends = "micro"\n{header}{name} = 3\n')
    told = complaint_of(file)
    assert told.startswith(f"{file}, line 3: ") and name in told and meant in told, told
    key = f"{table}.{name}" if table else name
    told = complaint_of("micro", [f"{key}=3"])
    assert told.startswith(f"--set {key}=3: ") and meant in told, told


def test_what_is_to_be_written_is_right(tmp_path):
    file = tmp_path / "mine.toml"
    for name, value, line in (
        ("learning_rate", "5e-6", "[learn] and below it: lr = 5e-06"),
        ("lr_scheduler_type", '"cosine"', '[learn] and below it: schedule = "cosine"'),
        ("learn.num_generations", "4", "learn.group_size = 4"),
        ("random_state", "7", "seed = 7"),
    ):
        file.write_text(f'extends = "micro"\n{name} = {value}\n')
        assert complaint_of(file).endswith(f"write {line}"), complaint_of(file)
        file.write_text('extends = "micro"\n' + line.replace(" and below it: ", "\n"))
        assert complaint_of(file) == ""


def test_all_names_from_elsewhere_are_told_at_once(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "micro"\n[actor_rollout_ref.rollout]\nn = 8\nname = "vllm"\n[trainer]\ntotal_epochs = 3\n')
    told = complaint_of(file)
    for meant in ("learn.group_size", "engine.type", "learn.steps"):
        assert repr(meant) in told


def has_key(model, path):
    field = model.model_fields.get(path[0])
    if field is None:
        return any(has_key(inner, path) for inner in model.__subclasses__() if inner.__module__.startswith("outgrow."))
    inner = [part for part in (field.annotation, *typing.get_args(field.annotation)) if isinstance(part, type)]
    return len(path) == 1 or any(has_key(part, path[1:]) for part in inner if issubclass(part, BaseModel))


def test_every_key_that_is_named_exists_and_no_name_is_a_key_at_the_top():
    for name, brought in BROUGHT.items():
        for key in brought.keys:
            assert has_key(RLRecipe, key.split(".")), (name, key)
        for key in brought.sft or ():
            assert has_key(SFTRecipe, key.split(".")), (name, key)
        assert name not in RLRecipe.model_fields
        assert brought.keys or brought.note, name


def test_a_recipe_of_kind_sft_is_told_its_own_keys():
    assert "'learn.batch_size'" in complaint_of("micro-base", ["per_device_train_batch_size=3"])
    told = complaint_of("micro-base", ["num_generations=3"])
    assert "other kinds of recipes" in told and "learn.group_size" in told


def test_nothing_hides_a_key_of_the_schema():
    for key, value in (("sampling.temperature", 0.5), ("advantage.epsilon", 0.1), ("seed", 3)):
        assert complaint_of("micro", [f"{key}={value}"]) == ""


def test_options_do_not_change_what_a_file_is_read_as():
    before = raw_recipe("micro")
    assert complaint_of("micro", ["learn.steps=x"])
    assert raw_recipe("micro") == before


@pytest.mark.parametrize(
    "key", ["learn.lr", "sampling.temperature", "evaluate.temperature", "loss.kl_weight", "run.dollars_per_hour"]
)
def test_infinity_is_refused_where_nothing_could_be_computed_with_it(key):
    with pytest.raises(UsageError, match=rf"{key.split('.')[-1]} takes a number.*not inf"):
        load_recipe("micro", [f"{key}=inf"])


@pytest.mark.parametrize(
    "override",
    [
        'rewards=[{type = "accuracy", weight = nan}]',
        'rewards=[{type = "format", strict = nan}]',
        'advantage={type = "grpo", epsilon = nan}',
        'problems=[{type = "micro", weight = nan}]',
    ],
)
def test_a_setting_of_a_component_is_a_number(override):
    with pytest.raises(UsageError, match=r"takes a number.*not nan"):
        load_recipe("micro", [override])


def test_infinity_takes_a_limit_away():
    recipe = load_recipe("micro", ["learn.max_grad_norm=inf", "loss.clip_high=inf"])
    assert recipe.learn.max_grad_norm == recipe.loss.clip_high == float("inf")


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 3000 + "]" * 3000, "seed = " + "9" * 5000, r'extends = "a\u0000.toml"'],
    ids=["deep", "digits", "no name of a file"],
)
def test_what_tomllib_and_the_system_refuse_by_other_errors(text, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert complaint_of(file).startswith(str(file))
    if "extends" not in text:
        assert complaint_of("micro", [f"learn.steps={text.partition('= ')[2]}"]).startswith("--set learn.steps=")


def test_a_file_may_begin_with_the_mark_of_its_encoding(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b'\xef\xbb\xbfextends = "micro"\nseed = 3\n')
    assert load_recipe(str(file)).seed == 3


def test_an_option_sets_one_key():
    assert "several keys" in complaint_of("micro", ["learn.steps=3\nseed = 4"])
    assert load_recipe("micro", ["description='''a\nb = 1'''"]).description == "a\nb = 1"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            ["engine.type=transformers", "engine.weights=int8"],
            "the engine 'transformers' has no key 'weights' (known: actor_rows, actor_threads, actor_timeout_s, actors, "
            "max_sequences, type)",
        ),
        (["engine.type=vllm", "engine.head={a=1}"], "the engine 'vllm' has no key 'head'"),
        (["loss.type=clipped_surrogate", "loss.wide=2"], "the loss 'clipped_surrogate' has no key 'wide'"),
        (['rewards=[{type="accuracy", cost=1}]'], "the reward 'accuracy' has no key 'cost'"),
        (["engine.wights=int8"], "the engine 'native' has no key 'wights' (did you mean 'weights'?)"),
        (["advantage.group_size=4"], "it is 'learn.group_size' here"),
    ],
)
def test_a_key_that_another_type_of_the_component_has_is_not_proposed_again(overrides, told):
    assert told in complaint_of("micro", overrides)


def test_a_flywheels_stage_is_not_told_its_own_key():
    with pytest.raises(UsageError, match="the engine 'transformers' has no key 'weights'"):
        load_flywheel("micro-flywheel", ["student.engine.type=transformers", "student.engine.weights=int8"])


def test_a_type_in_a_table_that_does_not_exist_is_not_that_of_another():
    assert "engine.type" not in complaint_of("micro", ["kind=sft"])


@pytest.mark.parametrize(("kind", "other"), [("engine", "actors=2"), ("curriculum", "screen=2"), ("advantage", "beta=0.1")])
@pytest.mark.parametrize("first", [True, False])
def test_a_type_that_does_not_exist_is_told_where_it_is_written(kind, other, first):
    options = [f"{kind}.type=nothing", f"{kind}.{other}"]
    with pytest.raises(UsageError, match=rf"^--set {kind}\.type=nothing: {kind}\.type: unknown "):
        load_recipe("micro", options if first else options[::-1])


def test_a_kind_that_does_not_fit_what_it_extends_is_told_at_its_own_line(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "micro"\nseed = 3\nkind = "sft"\n')
    told = complaint_of(file)
    assert told.startswith(f"{file}, line 3: ") and "'micro'" in told and "learn.problems_per_step" in told
    file.write_text('extends = "micro-base"\nkind = "rl"\n')
    assert complaint_of(file).startswith(f"{file}, line 2: ") and "'micro-base'" in complaint_of(file)
    assert complaint_of("micro", ["seed=3", "kind=sft"]).startswith("--set kind=sft: ")
    file.write_text('extends = "micro"\nkind = "sft"\n[learn]\ngroup_size = 3\n')  # a line that the person can change
    assert "learn." in complaint_of(file)


@pytest.mark.parametrize("key", ["evaluate.suite", "evaluate.validation", "evaluate.extra_suites"])
def test_a_suite_without_a_name_is_refused_before_anything_is_made(tmp_path, key):
    value = '[""]' if key.endswith("suites") else '""'
    with pytest.raises(UsageError, match=f"{key}|suite is empty"):
        train(load_recipe("micro", [f"{key}={value}"]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
    for name in ("", " "):
        with pytest.raises(UsageError, match=r"empty.*micro"):
            suite(name)


@pytest.mark.parametrize("threads", [100_000, 10**30])
def test_more_threads_than_a_machine_can_have_are_one_line(tmp_path, threads):
    with pytest.raises(UsageError, match=rf"run\.threads = {threads:,}.* {os.cpu_count():,} cores"):
        train(load_recipe("micro", [f"run.threads={threads}"]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()
    before = torch.get_num_threads()
    with pytest.raises(UsageError, match=r"run\.threads"):
        measure_machine(threads, 0.0)
    assert torch.get_num_threads() == before
    require_threads(128)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../up", "/absolute", "a\\b", "a\nb", "a\x00b", "é" * 101])
def test_a_name_that_no_folder_can_have_is_refused(name):
    with pytest.raises(UsageError, match="name"):
        parse_recipe({"name": name, "policy": {"model": "micro-base"}})
    assert parse_recipe({"name": "my run 2.1", "policy": {"model": "micro-base"}}).name == "my run 2.1"
