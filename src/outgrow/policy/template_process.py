"""The process of `chat_template` that renders chat templates, which are programs of strangers.

A line in: a template, messages and variables as JSON. A line out: {"text": …} or {"error": …}. Templates run in jinja's sandbox, in
the environment that transformers gives them. Around it stand limits of memory and of processor time, which end the process, and an
audit hook that denies files, processes and connections while a template is rendered. So no module is read from a file then.
"""

import json
import os
import resource
import signal
import sys
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.debug  # which jinja imports when a template fails
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY = 2**29
"""Bytes of the whole process."""
SECONDS = 2.0
"""Of processor time for one conversation."""
MAX_CHARACTERS = 2**24
"""Of a rendered conversation."""
_DENIED = ("open", "os.", "socket.", "subprocess.", "ctypes.", "shutil.", "tempfile.", "pty.")
_rendering = False


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`, by which templates mark an assistant's tokens. What is inside is rendered as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller: Any) -> Any:
        return caller()


class _Dict:
    """The name `dict` in templates, without the attributes of the class."""

    def __call__(self, *arguments: Any, **values: Any) -> dict[Any, Any]:
        return dict(*arguments, **values)

    def fromkeys(self, *arguments: Any) -> dict[Any, Any]:
        return dict.fromkeys(*arguments)


class _Namespace(jinja2.utils.Namespace):
    """The name `namespace` in templates, without attributes of Python's own."""

    def __init__(*arguments: Any, **values: Any) -> None:
        self, *own = arguments  # so that a template may name a variable `self`
        attributes = dict(*own, **values)
        for name in attributes:
            _require_own(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _require_own(name)
        super().__setitem__(name, value)


def _require_own(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace takes no name with an underscore first, as {name[:60]!r}")


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _json(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=8)
def _compiled(template: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _json
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now, "dict": _Dict(), "namespace": _Namespace}
    return environment.from_string(template)


def _render(request: dict[str, Any]) -> str:
    global _rendering
    template = _compiled(request["template"])
    _rendering = True
    try:
        text = template.render(messages=request["messages"], tools=None, documents=None, **request["variables"])
    finally:
        _rendering = False
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it makes more than {MAX_CHARACTERS:,} characters")
    return text


def _deny(event: str, _: object) -> None:
    if _rendering and event.startswith(_DENIED):
        raise PermissionError(f"a chat template may not do this: {event}")


def _reply(line: str) -> dict[str, str]:
    try:
        return {"text": _render(json.loads(line))}
    except MemoryError:
        return {"error": f"it takes more than {MEMORY // 2**20} MB of memory"}
    except Exception as error:  # a template is a program and can raise anything
        return {"error": (str(error).strip().partition("\n")[0] or type(error).__name__)[:500]}


def main() -> None:
    """Answer until the input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in set(os.environ) - {"TZ"}:  # it may hold keys
        del os.environ[name]
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    sys.addaudithook(_deny)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process, also inside of C code
        reply = json.dumps(_reply(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(reply + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
