"""A drafted recipe: what is found in files of real shapes, and what is made of it."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.data import FIXTURES
from outgrow.audit.answer_form import can_be_written
from outgrow.audit.audit import AuditProblems, try_reward
from outgrow.config import load_recipe, parse_recipe
from outgrow.core.callbacks import never_stop
from outgrow.core.errors import UsageError
from outgrow.draft.answer_form import answer_form
from outgrow.draft.answers import AnswerKind, kind_of, look_at_answers
from outgrow.draft.batch import FEWEST_STEPS, MOST_STEPS, batch_for
from outgrow.draft.budget import Budget, Speed, plan_run, read_budget
from outgrow.draft.choose import draft_recipe
from outgrow.draft.data import look_at_data, look_at_problems, with_columns
from outgrow.draft.extra_columns import field_column, level_column
from outgrow.draft.findings import Findings, Tokens
from outgrow.draft.lengths import max_tokens
from outgrow.draft.machine import Machine, in_catalog, look_at_machine
from outgrow.draft.model import ModelFindings, look_at_model
from outgrow.draft.recipe_draft import Choice
from outgrow.draft.scripts import scripts_of
from outgrow.draft.text import toml_of
from outgrow.draft.weights import FULL, weights_for
from outgrow.plan import load_gpu_catalog
from outgrow.plan.models import KNOWN
from outgrow.policy import Policy
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer
from outgrow.problems.table import Table
from outgrow.types import Problem

CATALOG = load_gpu_catalog()
CPU = Machine(cores=4, memory=16 * 10**9, gpu=None, bfloat16=False)
H100 = Machine(16, 80 * 10**9, "NVIDIA H100 80GB HBM3", True, 2.7)
SMOL, R1, R1_7B = (KNOWN[f"{name}"] for name in (
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
))  # fmt: skip


def model(shape=SMOL, name="a-model", template=True, r1=False, thinks=False, vocabulary=49_152, made_by=None):
    return ModelFindings(name, shape, vocabulary, template, r1, r1 or thinks, made_by)


MODELS = {
    "small instruct": model(),
    "instruct": model(R1),
    "thinks": model(R1, thinks=True),
    "r1": model(R1, r1=True),
    "base": model(template=False),
    "characters": model(vocabulary=100),
    "micro-base": model(name="micro-base", vocabulary=100, made_by=load_recipe("micro-base")),
}
SETS = sorted(path.relative_to(FIXTURES).with_suffix("").as_posix() for path in FIXTURES.rglob("*.jsonl"))


def data_of(name):
    table = with_columns(Table(path=FIXTURES / f"{name}.jsonl"))
    problems = table.load()
    return look_at_problems(table, problems), problems


def findings(data, model, machine=CPU, prompt=60):
    return Findings(data, None, model, machine, answer_form(data, model), Tokens(prompt, prompt, [40] * 9, [90] * 9), FAST, CATALOG)


FAST = CATALOG.gpu[0]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (["7", "-1,358", "$18.50", "3/4", ".5", "12%", r"\frac{1}{2}", "1e5"], AnswerKind.NUMBER),
        (["A", "(C)", "E"], AnswerKind.CHOICE),
        (["yes", "New York", "да", "heads"], AnswerKind.WORDS),
        ([r"\sqrt{2}", "x^2", r"3\pi", r"\left(0, 1\right)"], AnswerKind.LATEX),
        (["3:40 pm", "7 apples", "(1, 2)", "3 or 4"], AnswerKind.TEXT),
    ],
)
def test_kinds_of_answers(answers, kind):
    assert [kind_of(answer) for answer in answers] == [kind] * len(answers)


@pytest.mark.parametrize(
    ("name", "kind", "columns"),
    [
        ("gsm8k/train", AnswerKind.NUMBER, {}),
        ("math/train", AnswerKind.TEXT, {"question": "problem", "answer": "solution", "level": "level", "field": "type"}),
        ("math/math500", AnswerKind.LATEX, {"question": "problem"}),
        ("aime/aime2024", AnswerKind.NUMBER, {}),
        ("arc/easy_test", AnswerKind.CHOICE, {}),
        ("coin_flip/test", AnswerKind.WORDS, {}),
        ("last_letters/test", AnswerKind.WORDS, {}),
    ],
)
def test_what_files_of_real_shapes_hold(name, kind, columns):
    found, problems = data_of(name)
    assert found.problems == len(problems) == found.answers.n
    assert kind in [kind for kind, _ in found.answers.kinds]
    assert kind in (AnswerKind.LATEX, AnswerKind.TEXT) or found.answers.kind is kind
    for key, column in columns.items():
        assert getattr(found.table, key) == column
    assert not found.scripts or found.scripts == ("Latin",)
    assert set(found.longest) <= {problem.question for problem in problems}
    assert found.longest[-1] == max((problem.question for problem in problems), key=len)


def test_solutions_are_found_where_a_file_has_them():
    assert len(data_of("gsm8k/train")[0].solutions) > 5
    assert data_of("coin_flip/test")[0].solutions == ()


def test_what_a_person_should_know_of_their_answers():
    problems = [Problem(str(index), "f", 0, f"Heads up after {index} flips?", "yes" if index % 4 else "no") for index in range(20)]
    [note] = look_at_problems(Table(path="x.csv"), problems).notes
    assert "'yes'" in note and "75%" in note
    letters = [Problem(str(index), "f", 0, f"Which is number {index}?", "ABCDE"[index % 5]) for index in range(20)]
    [note] = look_at_problems(Table(path="x.csv"), letters).notes
    assert "choices" in note
    listed = [replace(problem, question=f"{problem.question}\nA) one\nB) two") for problem in letters]
    assert look_at_problems(Table(path="x.csv"), listed).notes == ()


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        (["yes", "no"], "Answer no or yes."),
        (["Monday", "Tuesday", "Friday"], "Answer Friday, Monday or Tuesday."),
        ([f"town{chr(97 + index)}" for index in range(20)], ""),
        (["{a}", "b"], ""),
        (["yes"], ""),
    ],
)
def test_a_prompt_names_the_answers_where_they_are_few_words(answers, named):
    problems = [Problem(str(index), "f", 0, f"Question {index}?", answers[index % len(answers)]) for index in range(40)]
    template = answer_form(look_at_problems(Table(path="x.csv"), problems), MODELS["small instruct"]).user_template.value
    assert (named in template) if named else ("Answer " not in template)


def test_scripts_of_questions():
    assert scripts_of(["Wie viele Äpfel?", "Combien de pommes ?"]) == ("Latin",)
    assert scripts_of(["Сколько будет x + y?"]) == ("Cyrillic",), "single letters are mathematics"
    assert set(scripts_of(["小明有三个苹果"])) == {"Chinese characters"}
    assert scripts_of(["3+4=?", "x"]) == ()


def test_columns_of_levels_and_fields():
    rows = [{"Difficulty": f"Level {1 + index % 3}", "subject": ["sums", "clocks"][index % 2], "id": index} for index in range(8)]
    assert (level_column(rows), field_column(rows)) == ("Difficulty", "subject")
    assert level_column([*rows, {"subject": "sums"}]) is None, "every row must have it"
    assert field_column([{"subject": str(index)} for index in range(8)]) is None, "a name of each row is not a field"
    assert field_column([{"subject": "sums"}] * 8) is None
    assert level_column([{"level": {"a": 1}}, {"level": {"a": 2}}]) is None
    assert (level_column([]), field_column([])) == (None, None)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", SETS)
def test_the_extractor_reads_every_answer_or_a_note_counts_those_it_does_not(name, kind):
    data, problems = data_of(name)
    form = answer_form(data, MODELS[kind])
    first = form.extract.value[0]
    unread = sum(not all(can_be_written(first, text) for text in (problem.answer, *problem.alternatives)) for problem in problems)
    assert not unread or any(str(unread) in note and first in note for note in form.notes)
    template = form.user_template.value
    if MODELS[kind].follows and not MODELS[kind].is_r1:
        asked = {"boxed": "\\boxed", "phrase": "The answer is", "last_number": "number"}[first]
        assert template is not None and asked in template, "the prompt asks for what the extractor reads"
    assert template is None or "{question}" in template
    assert (form.template is not None) == (kind == "base")


@pytest.fixture(scope="module")
def micro_base():
    from outgrow.policy import load_policy

    return load_policy("micro-base")


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", SETS)
def test_the_reward_of_a_drafted_recipe_passes_the_audit(name, kind, micro_base):
    """The policy gives its tokens only; every answer that the extractor can read must be paid as it should be."""
    data, problems = data_of(name)
    recipe = parse_recipe(draft_recipe("x", findings(data, MODELS[kind])).values())
    names = recipe.verify.extract
    readable = [
        problem
        for problem in problems
        if all(can_be_written(name, text) for name in names for text in (problem.answer, *problem.alternatives))
    ]
    assert 2 * len(readable) > len(problems)
    audit = try_reward(recipe, micro_base, AuditProblems(readable, readable, 0), never_stop)
    assert audit.sound, [kind.fault for kind in (*audit.pays_wrong, *audit.fails_right)]


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda name: Path(name).name),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.sampled_from(sorted(MODELS)),
    st.sampled_from([CPU, H100]),
)
@example('a "b" \\ c\t\u2028.jsonl', 'co"lumn\n', "base", CPU)
def test_any_file_name_survives(name, column, kind, machine):
    problems = [Problem(str(index), "f", 0, f"{index} + 1?", str(index + 1)) for index in range(30)]
    data = look_at_problems(Table(path=Path(name), question=column, answer=column), problems, [column])
    draft = draft_recipe("mine", findings(data, MODELS[kind], machine))
    values = tomllib.loads(toml_of(draft))
    assert values == draft.values()
    [source] = parse_recipe(values).problems
    assert source.path == Path(name)
    assert (source.question, source.answer) == (column, column)


def test_what_is_not_set_is_left_to_the_defaults():
    data, _ = data_of("gsm8k/train")
    draft = draft_recipe("x", findings(data, MODELS["small instruct"]))
    values, text = draft.values(), toml_of(draft)
    assert set(values["learn"]) == {"steps", "problems_per_step", "group_size"}
    assert "suite" not in values.get("evaluate", {}) and "loss" not in values and "extends" not in values
    for key in ("lr", "kl_weight", "suite"):
        assert any(line.startswith("#") and key in line for line in text.splitlines()), f"{key} is named where it is not set"
    keys = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    lines = text.splitlines()
    assert all("  # " in line or lines[lines.index(line) - 1].startswith("# ") for line in keys), "each says why"


@given(st.integers(1, 10**6), st.sampled_from([SMOL, R1, R1_7B]), st.sampled_from([CPU, H100]))
def test_a_step_takes_a_quarter_of_the_problems_or_less(problems, shape, machine):
    batch = batch_for(problems, model(shape), machine)
    per_step = batch.problems_per_step.value
    assert 1 <= per_step <= max(1, problems / 4)
    assert FEWEST_STEPS <= batch.steps.value <= MOST_STEPS


@given(st.floats(1, 1e6), st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.integers(1, 200), st.booleans(), st.booleans())
def test_a_budget_is_kept(limit, step, answer, wanted, budgeted, on_cpu):
    budget = Budget(limit, "a budget") if budgeted else None
    if budgeted and step + 2 * answer > 0.85 * limit:  # one step, and before and after a sample and a greedy answer
        with pytest.raises(UsageError, match="a budget"):
            plan_run(Choice(wanted, "wanted"), 8, Speed(step, answer), budget, on_cpu)
        return
    plan = plan_run(Choice(wanted, "wanted"), 8, Speed(step, answer), budget, on_cpu)
    samples = plan.samples.value if plan.samples else 8
    assert 1 <= plan.steps.value <= wanted
    assert 1 <= samples <= 8
    assert plan.seconds == pytest.approx(plan.steps.value * step + answer * (samples + 1))
    assert not budgeted or plan.seconds <= limit
    more = plan.seconds + step
    assert not budgeted or plan.steps.value == wanted or more > 0.85 * limit * 0.999, "no room is wasted"
    assert not (budgeted and plan.steps.value < min(20, wanted)) or plan.note


def test_budgets_of_time_and_of_money():
    assert read_budget("1h30", CPU).seconds == pytest.approx(5400)
    assert read_budget("$5.40", H100).seconds == pytest.approx(7200)
    for text, machine, word in (("$5", CPU, "price"), ("soon", CPU, "soon"), ("$x", H100, "x")):
        with pytest.raises(UsageError, match=word):
            read_budget(text, machine)


@given(st.integers(1, 9000), st.lists(st.integers(1, 3000), min_size=1), st.lists(st.integers(1, 3000)), st.sampled_from([*MODELS]))
def test_the_longest_prompt_and_the_longest_answer_fit_the_context(prompt, questions, solutions, kind):
    found = MODELS[kind]
    if prompt + 32 > found.shape.context:
        with pytest.raises(UsageError, match=f"{found.shape.context:,}"):
            max_tokens(found, AnswerKind.NUMBER, prompt, questions, solutions)
        return
    limit = max_tokens(found, AnswerKind.NUMBER, prompt, questions, solutions)
    assert 1 <= limit.value <= found.shape.context - prompt
    if solutions and kind == "instruct" and limit.value < found.shape.context - prompt:
        assert sum(tokens <= limit.value for tokens in solutions) >= 0.95 * len(solutions)


def test_lora_and_dtype():
    small = weights_for(model(replace(SMOL, layers=2, vocabulary=500)), H100)
    assert small.lora is None and small.dtype.value == "float32"
    assert model(replace(SMOL, layers=2, vocabulary=500)).parameters < FULL
    large = weights_for(model(R1), H100)
    assert large.lora is not None and large.dtype.value == "bfloat16"
    assert weights_for(model(SMOL), CPU).dtype.value == "float32"
    assert weights_for(model(R1_7B), replace(CPU, memory=40 * 10**9)).dtype.value == "bfloat16", "two copies are 61 GB in float32"


def test_a_step_that_does_not_fit_is_said():
    data, _ = data_of("gsm8k/train")
    notes = draft_recipe("x", findings(data, model(R1_7B, r1=True), CPU)).notes
    assert any("GB of memory" in note and "16.0 GB" in note for note in notes)
    assert not any("GB of memory" in note for note in draft_recipe("x", findings(data, model(R1, r1=True), H100)).notes)


def test_models_by_their_files(small_r1, tmp_path):
    found, _ = look_at_model("micro-base")
    assert (found.parameters, found.shape.context, found.has_template, found.follows) == (604_160, 256, True, False)
    assert found.made_by == load_recipe("micro-base")
    found, _ = look_at_model(str(small_r1))
    assert (found.is_r1, found.thinks, found.has_template, found.made_by) == (True, True, True, None)
    tokenizer = make_tokenizer()
    Policy(make_model(MicroInit(), tokenizer, 0), tokenizer).save(tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    found, _ = look_at_model(str(tmp_path / "base"))
    assert (found.has_template, found.thinks) == (False, False)
    for name in ("http://localhost:8000/v1", "nothing", str(tmp_path)):
        with pytest.raises(UsageError, match=name):
            look_at_model(name)


def test_held_out_problems_of_another_file(tmp_path):
    rows = [f'{{"question": "{number} + 1?", "answer": {number + 1}}}\n' for number in range(12)]
    (tmp_path / "own.jsonl").write_text("".join(rows))
    (tmp_path / "test.jsonl").write_text("".join(rows[:3]))
    data, held = look_at_data(str(tmp_path / "own.jsonl"), str(tmp_path / "test.jsonl"))
    assert held is not None
    assert (data.problems, held.problems, held.shared) == (12, 3, 3)
    with pytest.raises(UsageError, match="nothing is left"):
        look_at_data(str(tmp_path / "test.jsonl"), str(tmp_path / "own.jsonl"))
    with pytest.raises(UsageError, match="3 problems"):
        look_at_data(str(tmp_path / "test.jsonl"))
    recipe = parse_recipe(draft_recipe("x", replace(findings(data, model()), held=held)).values())
    assert recipe.evaluate.suite == str(tmp_path / "test.jsonl")


def test_this_machine():
    machine = look_at_machine(CATALOG)
    assert machine.cores >= 1 and machine.memory > 10**8
    assert in_catalog("NVIDIA H100 80GB HBM3", CATALOG).name == "H100"
    assert in_catalog("NVIDIA A100-SXM4-80GB", CATALOG).name == "A100"
    assert in_catalog("NVIDIA GeForce RTX 4090", CATALOG).name == "RTX 4090"
    assert in_catalog("Tesla T4", CATALOG).name == "T4"
    assert in_catalog("NVIDIA GeForce RTX 3060", CATALOG) is None


def test_no_problems_have_no_answers():
    with pytest.raises(ValueError, match="no problems"):
        look_at_answers([])


def test_few_measured_problems_are_said():
    few, many = (
        look_at_problems(Table(path="x.csv"), [Problem(str(i), "f", 0, f"{i} + 1?", str(i + 1)) for i in range(count)])
        for count in (60, 600)
    )
    assert any("12 problems" in note for note in draft_recipe("x", findings(few, model())).notes)
    assert not any("problems are measured" in note for note in draft_recipe("x", findings(many, model())).notes)


def test_a_model_of_characters_is_no_reader_of_texts():
    texts, _ = data_of("gsm8k/train")
    assert any("no words" in note for note in draft_recipe("x", findings(texts, MODELS["micro-base"])).notes)
    assert not any("no words" in note for note in draft_recipe("x", findings(texts, MODELS["instruct"])).notes)
    numerals = [Problem(str(number), "f", 0, f"roman {number}=?", str(number)) for number in range(60)]
    short = look_at_problems(Table(path="x.csv"), numerals)
    assert not any("no words" in note for note in draft_recipe("x", findings(short, MODELS["micro-base"])).notes)
