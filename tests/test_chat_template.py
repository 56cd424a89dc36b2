"""Chat templates are rendered as transformers does it, in a process with limits."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from outgrow.core.errors import UsageError
from outgrow.policy import Policy, Prompt, chat_template, template_process
from outgrow.policy.chat_template import TemplateError, rendered_chat
from outgrow.policy.micro import make_tokenizer
from outgrow.policy.prompt import PLAIN, R1

CHATML = (
    "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
RICH = """
{%- set state = namespace(count=0, last='') %}
{%- macro shown(message) %}[{{ message['role'] | upper }}: {{ message.content }}]{% endmacro %}
{%- for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- set state.count = state.count + 1 %}
    {% generation %}{{ shown(message) }}{% endgeneration %}
  {%- endfor %}
{{ state.count }} {{ messages | tojson }} {{ {'a': '<é>'} | tojson(indent=1) }} {{ dict(a=1) }} {{ dict.fromkeys('ab') }}
{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ documents is none }}{{ strftime_now('%Y') | length }} {{ absent }}|
{%- for letter in 'abc' %}{% if letter == 'c' %}{% break %}{% endif %}{{ letter }}{% endfor %}
"""
CHATS = [
    [{"role": "user", "content": "27+58=?"}],
    [{"role": "system", "content": "  be <short>\n"}, {"role": "user", "content": "é {{ x }}"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": " b \n"}, {"role": "user", "content": "c\U0001f600"}],
]
HOSTILE = {
    "much memory at once": "{{ 'a' * 10000000000 }}",
    "much memory by a filter": "{{ 'a' | center(10000000000) }}",
    "much memory by a format": "{{ '%10000000000d' % 1 }}",
    "a list that doubles": "{% set s = namespace(x=['aaaaaaaa']) %}{% for i in range(60) %}{% set s.x = s.x + s.x %}{% endfor %}",
    "too many characters": "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
    "much time": "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %}",
    "much time in one call": "{{ (7 ** 9999999) ** 99999 }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "attributes of Python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "names of Python in a namespace": "{% set n = namespace(__class__=1) %}",
    "an include": "{% include 'x' %}",
    "an error": "{{ raise_exception('the roles must\nalternate') }}",
}


@pytest.fixture
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module", autouse=True)
def ended():
    """The process of these tests ends with them."""
    yield
    chat_template._process.end()


@pytest.mark.parametrize("template", [R1, PLAIN, CHATML, RICH], ids=["r1", "plain", "chatml", "rich"])
@pytest.mark.parametrize("chat", CHATS, ids=["one", "system", "turns"])
@pytest.mark.parametrize("opens", [True, False])
def test_a_chat_is_rendered_as_transformers_does(tokenizer, template, chat, opens):
    ours = rendered_chat(tokenizer, chat, template, add_generation_prompt=opens)
    peer = tokenizer.apply_chat_template(chat, chat_template=template, add_generation_prompt=opens, tokenize=False)
    assert ours == peer and ours


@pytest.mark.parametrize("template", [PLAIN, CHATML], ids=["plain", "chatml"])
def test_a_last_turn_is_left_open_as_transformers_does(tokenizer, template):
    for content in ("The answer is", "The answer\nis", "is is"):
        chat = [{"role": "user", "content": "q is"}, {"role": "assistant", "content": content}]
        ours = rendered_chat(tokenizer, chat, template, add_generation_prompt=False, through_last_turn=True)
        options = {"chat_template": template, "add_generation_prompt": False, "tokenize": False}
        assert ours == tokenizer.apply_chat_template(chat, continue_final_message=True, **options)
    with pytest.raises(TemplateError, match="last turn"):
        rendered_chat(tokenizer, chat, "nothing", add_generation_prompt=False, through_last_turn=True)


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_is_one_line_and_the_next_one_is_rendered(tokenizer, template):
    with pytest.raises(TemplateError) as refused:
        rendered_chat(tokenizer, CHATS[0], template)
    assert 0 < len(str(refused.value)) <= 500 and "\n" not in str(refused.value)
    assert rendered_chat(tokenizer, CHATS[0], PLAIN) == "27+58=?"


def test_a_model_with_a_hostile_template_is_refused_in_one_line_that_names_it(tokenizer, untrained):
    for template in ("{{ 'a' * 10000000000 }}", HOSTILE["an error"]):
        with pytest.raises(UsageError, match=r"of-a-stranger: .*template"):
            Prompt(template=template).chat_template(tokenizer, "of-a-stranger")
    policy = Policy(untrained.model, make_tokenizer())
    policy.tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(UsageError, match="chat template"):
        policy.prompt_text("27+58=?")


def test_a_template_that_left_the_sandbox_can_open_and_start_nothing():
    """The second line of defence: what the audit hook denies while a template is rendered."""
    template_process._rendering = True
    try:
        for event in ("open", "os.system", "os.listdir", "subprocess.Popen", "socket.connect", "ctypes.dlopen"):
            with pytest.raises(PermissionError):
                template_process._deny(event, ())
        template_process._deny("object.__getattr__", ())
    finally:
        template_process._rendering = False
    template_process._deny("open", ())


def test_threads_and_forked_processes_get_their_own_answers(tokenizer):
    answers = {}

    def ask(number):
        for _ in range(20):
            answers.setdefault(number, set()).add(rendered_chat(tokenizer, [{"role": "user", "content": str(number)}], PLAIN))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: {str(number)} for number in range(4)}
    before = chat_template._process._process
    child = os.fork()
    if not child:
        ok = rendered_chat(tokenizer, CHATS[0], PLAIN) == "27+58=?" and chat_template._process._process is not before
        chat_template._process.end()
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert chat_template._process._process is before
    assert rendered_chat(tokenizer, CHATS[0], PLAIN) == "27+58=?"


def test_the_process_ends_with_its_parent(tmp_path):
    """Also where the parent is killed, and where a template keeps the process busy."""
    child = os.fork()
    if not child:
        fast = PreTrainedTokenizerFast(tokenizer_object=make_tokenizer().backend_tokenizer)
        rendered_chat(fast, CHATS[0], PLAIN)
        (tmp_path / "id").write_text(str(chat_template._process._process.pid))
        rendered_chat(fast, CHATS[0], HOSTILE["much time"])
        os._exit(0)
    while not (tmp_path / "id").exists() or not (tmp_path / "id").read_text():
        time.sleep(0.05)
    worker = int((tmp_path / "id").read_text())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(1200):
        try:
            if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    pytest.fail("the process goes on")
