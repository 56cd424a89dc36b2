"""The exact text that a model is given, for each shape of prompt."""

import pytest

from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.engines import LocalModel
from outgrow.policy import Policy, Prompt, load_policy
from outgrow.policy.micro import make_tokenizer

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
INSTRUCTION = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def tokenizer(template=None, r1=False):
    made = make_tokenizer()
    made.chat_template = template
    if r1:
        made.add_special_tokens({"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"})
        made.add_tokens(["<｜User｜>", "<｜Assistant｜>"], special_tokens=True)
    return made


def policy(prompt, made):
    made.chat_template = prompt.chat_template(made, "model")
    return Policy(None, made, prompt)


@pytest.mark.parametrize(
    ("prompt", "made", "text"),
    [
        pytest.param(
            Prompt(), tokenizer(CHATML), "<|im_start|>user\n3+4=?<|im_end|>\n<|im_start|>assistant\n", id="a chat model's own"
        ),
        pytest.param(
            Prompt(system="Be brief.", user_template="Sum: {question}"),
            tokenizer(CHATML),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSum: 3+4=?<|im_end|>\n<|im_start|>assistant\n",
            id="with a system turn",
        ),
        pytest.param(
            Prompt(template="plain", user_template="Question: {question}\nAnswer:"),
            tokenizer(),
            "Question: 3+4=?\nAnswer:",
            id="a base model",
        ),
        pytest.param(Prompt(template="plain"), tokenizer(CHATML), "3+4=?", id="plain, whatever the tokenizer says"),
        pytest.param(
            Prompt(),
            tokenizer(r1=True),
            "<｜begin▁of▁sentence｜><｜User｜>3+4=?" + INSTRUCTION + "<｜Assistant｜><think>\n",
            id="R1, by its tokens alone",
        ),
        pytest.param(
            Prompt(user_template="{question}", system="S", template="r1"),
            tokenizer(CHATML, r1=True),
            "<｜begin▁of▁sentence｜>S<｜User｜>3+4=?<｜Assistant｜><think>\n",
            id="R1, asked for by name",
        ),
        pytest.param(Prompt(template="{{ messages[-1]['content'] }} ="), tokenizer(), "3+4=? =", id="a template of one's own"),
    ],
)
def test_the_exact_text(prompt, made, text):
    made_policy = policy(prompt, made)
    assert made_policy.prompt_text("3+4=?") == text
    assert made.decode(made_policy.prompt_ids("3+4=?")) == text
    assert made_policy.opens_think == text.endswith("<think>\n")


def test_a_tokenizer_that_begins_every_text_begins_a_plain_one(untrained):
    class Begins(type(untrained.tokenizer)):
        def __call__(self, text, add_special_tokens=True, **options):
            found = super().__call__(text, add_special_tokens=add_special_tokens, **options)
            return {**found, "input_ids": [self.bos_token_id] * add_special_tokens + found["input_ids"]}

    made = tokenizer()
    made.__class__ = Begins
    assert policy(Prompt(template="plain"), made).prompt_text("3+4=?") == "<|begin|>3+4=?"


def test_braces_in_a_question_stay_as_they_are():
    question = r"What is \frac{1}{2} + {question}{0}?"
    assert policy(Prompt(template="plain", user_template="Q: {question}"), tokenizer()).prompt_text(question) == f"Q: {question}"


TURNS = (("system", "Be brief. "), ("user", "1+1=?"), ("assistant", "2"))


@pytest.mark.parametrize("prompt", [Prompt(), Prompt(template="plain"), Prompt(template="r1", user_template="{question}")])
@pytest.mark.parametrize("turns", [TURNS, TURNS[:1], TURNS[1:]])
def test_the_turns_before_a_question_are_put_as_transformers_puts_them(prompt, turns):
    made = policy(prompt, tokenizer(CHATML))
    messages = [{"role": role, "content": text} for role, text in (*turns, ("user", "3+4=?"))]
    text = made.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert made.prompt_text("3+4=?", turns) == text and made.chat_ids(messages) == made.prompt_ids("3+4=?", turns)
    assert made.prompt_text("3+4=?", ()) == made.prompt_text("3+4=?") != text


def test_the_recipes_system_turn_replaces_the_datas_and_its_template_shapes_only_the_question():
    made = policy(Prompt(template="plain", system="S", user_template="Q: {question}"), tokenizer())
    assert made.prompt_text("3+4=?", TURNS) == "S\n1+1=?\n2\nQ: 3+4=?"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages[-1]['content'] }} =", "drops the system turn.*system, user, assistant, user"),
        ("{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}{{ messages[-1]['content'] }}",
         "cannot put the turns .system, user, assistant, user.*no system turns"),
    ],
)  # fmt: skip
def test_a_template_that_drops_a_turn_is_an_error(template, said):
    made = policy(Prompt(template=template), tokenizer())
    assert made.prompt_text("3+4=?").startswith("3+4=?")
    for ask in (made.prompt_ids, made.prompt_text, LocalModel(made, None).conversation):
        with pytest.raises(UsageError, match=said):
            ask("3+4=?", TURNS)


def test_r1_drops_earlier_thoughts_and_ends_earlier_turns():
    made = policy(Prompt(), tokenizer(r1=True))
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x</think>b"}, {"role": "user", "content": "c"}]
    text = made.tokenizer.decode(made.chat_ids(turns))
    assert text == ("<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>\n")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(), "prompt.template='plain'"),
        (Prompt(template="{% if %}"), "cannot be rendered"),
        (Prompt(template="{{ nothing.at.all }}"), "cannot be rendered"),
        (Prompt(template="{{ messages[0] + 'x' }}"), "cannot be rendered"),
        (Prompt(template="{{ raise_exception('no system turns') }}", system="Be brief."), "with prompt.system: no system turns"),
        (Prompt(template="hello"), "prompt.template"),
        (Prompt(template="Any questions?"), "prompt.template"),
    ],
)
def test_a_prompt_that_cannot_be_put_is_told_in_one_line(prompt, message):
    with pytest.raises(UsageError, match=message) as told:
        prompt.chat_template(tokenizer(), "some-model")
    assert "some-model" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_question_shape_without_the_question_is_refused():
    with pytest.raises(UsageError, match=r"prompt\.user_template: .*\{question\}"):
        load_recipe("micro", ["prompt.user_template=Think hard."])


def test_a_saved_model_carries_the_template_it_was_trained_with(untrained, tmp_path):
    untrained.tokenizer.chat_template = Prompt(template="plain").chat_template(untrained.tokenizer, "model")
    untrained.save(tmp_path)
    assert load_policy(str(tmp_path)).prompt_text("3+4=?") == "3+4=?"
