"""The documentation: it builds without a warning, no link is broken, nothing comes from elsewhere, and what it says is still so."""

import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import markdown
import pytest
import typer
import yaml

from outgrow.cli.app import app
from outgrow.config import load_recipe, raw_recipe, shipped_recipes

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import generate  # noqa: E402
from _generate import components  # noqa: E402
from _generate import markdown as md  # noqa: E402

COMMANDS = typer.main.get_command(app).commands
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# What a browser fetches without a click: element -> attribute.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "object": "data"}
CSS_HOSTS = re.compile(r"(?:url\(\s*|@import\s*)['\"]?(?:https?:)?//[^'\")\s]+")


class Page(HTMLParser):
    """What a built page links to, loads, and can be linked to at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.paragraphs: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if said.get(LOADED.get(tag, "")):
            self.loads.append(said[LOADED[tag]])
        if tag == "p":
            self.paragraphs.append("")
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" in self._inside or "style" in self._inside:
            return
        self.text += data
        if "p" in self._inside:
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in a folder of its own: a warning is an error."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    said = re.sub(r"\x1b\[[\d;]*m", "", built.stdout + built.stderr)
    assert built.returncode == 0 and "No issues found" in said, said
    return folder / "build" / "site"


@pytest.fixture(scope="module")
def built(site: Path) -> dict[str, Page]:
    """Path in the site -> page. The page for what is not found links from the root of a server and is left out."""
    paths = (path for path in site.rglob("*.html") if path.name != "404.html")
    return {path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8")) for path in paths}


def is_outside(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def test_every_page_is_built_and_in_the_navigation(built: dict[str, Page]) -> None:
    def pages(entry: object) -> Iterator[str]:
        inner = entry.values() if isinstance(entry, dict) else entry
        yield from [inner] if isinstance(inner, str) else (page for one in inner for page in pages(one))

    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])) == sorted(written)
    assert {re.sub(r"\.md$", ".html", path) for path in written} == built.keys()


def test_every_link_anchor_and_image_is_there(site: Path, built: dict[str, Page]) -> None:
    broken = []
    for place, page in built.items():
        for url in page.links + page.loads:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(parts.path))) if parts.path else place
            path = posixpath.join(path, "index.html") if (site / path).is_dir() else path
            anchors = built[path].anchors if path in built else set()
            if not (site / path).is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append(f"{place}: {url}")
    assert len(built) > 20 and not broken


def test_links_of_the_readme_are_there() -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert not [link for link in links if not is_outside(link) and not (ROOT / link).exists()]


def test_nothing_comes_from_another_host(site: Path, built: dict[str, Page]) -> None:
    loaded = [f"{place}: {url}" for place, page in built.items() for url in page.loads if is_outside(url)]
    styles = [path for path in site.rglob("*") if path.suffix in (".css", ".html", ".svg")]
    loaded += [f"{path.name}: {found}" for path in styles for found in CSS_HOSTS.findall(path.read_text(encoding="utf-8"))]
    assert styles and not loaded


def test_lists_are_shown_as_lists(built: dict[str, Page]) -> None:
    """Python-Markdown wants an empty line before a list; without it the list is a paragraph."""
    flat = [
        f"{place}: {text}" for place, page in built.items() for text in page.paragraphs if re.search(r"\n\s*([-*]|\d\.) ", text)
    ]
    assert not flat


def test_generated_pages_are_those_of_the_code() -> None:
    pages = generate.pages()
    stale = [name for name, text in pages.items() if not _is(DOCS / "reference" / name, text)]
    assert not stale, "run make docs"
    assert {path.name for path in (DOCS / "reference").glob("*.md")} == pages.keys()


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def test_generated_pages_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = generate.pages()
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LANG", "tr_TR")
    monkeypatch.chdir(tmp_path)
    generate.write(tmp_path / "reference")
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "reference").iterdir()} == before


def test_every_registry_has_a_page() -> None:
    shown = {package for _, package in generate.PAGES.values()}
    assert set(components.all_registries().values()) <= shown


HOSTILE = [
    "[x] <y> a|b {z} *c* **d** _e_ __f__ g_h ~~i~~ $j$ &amp; \\k ![l](m) [^n] # o",
    "-- no item",
    "# no heading",
    "1. no number",
    "> no quote",
    "+ no item either",
    "a `b|c <d> [e] _f_` g",
    "a ` alone, and \\[bracket\\]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_the_code_is_shown_literally(text: str) -> None:
    shown = text if text.count("`") == 1 else text.replace("`", "")
    html = markdown.markdown(md.prose(text), extensions=["tables", "fenced_code", "footnotes", "sane_lists"])
    assert " ".join(Page(html).text.split()) == shown
    cell = markdown.markdown(md.table(["a", "b"], [[md.inline(text), "end"]]), extensions=["tables"])
    assert Page(cell).text.split() == ["a", "b", *shown.split(), "end"]


def _fences(text: str) -> Iterator[str]:
    """Command lines of a page's blocks: those in no language or in a shell's, with their continuations."""
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        if language in ("", "sh", "bash", "shell", "console"):
            yield from block.replace("\\\n", " ").splitlines()


def _calls(line: str) -> Iterator[list[str]]:
    """What is said to outgrow in a line of shell, each call's words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    call: list[str] | None = None
    for word in lexer:
        if set(word) <= set("&|;"):
            yield from [call] if call else []
            call = None
        elif call is not None:
            call.append(word)
        elif word in ("outgrow", ".venv/bin/outgrow"):
            call = []
    yield from [call] if call else []


def _wrong(words: list[str], whole: bool) -> str | None:
    """What is wrong with a call, if anything. whole: it can be run as it stands, so that no argument may be missing."""
    name, *rest = words
    if name.startswith("-"):
        return None
    if name not in COMMANDS:
        return f"no command {name}"
    command = COMMANDS[name]
    if not whole and rest and rest[-1].startswith("--"):  # an option is spoken of, not given
        rest.append("1")
    try:
        said = command.make_parser(command.context_class(command, info_name=name)).parse_args(list(rest))[0]
        if whole:
            command.make_context(name, list(rest))
        return _wrong_recipe(name, said)
    except typer.Exit:  # --help
        return None
    except Exception as error:
        return str(getattr(error, "message", error))


def _wrong_recipe(command: str, said: dict[str, object]) -> str | None:
    recipe, lines = said.get("recipe"), said.get("overrides") or []
    if not isinstance(recipe, str) or recipe.endswith(".toml") or "/" in recipe or not recipe.islower():
        # A file, a run's folder, or RECIPE, which stands for any.
        return None
    if recipe not in shipped_recipes():
        return f"no recipe {recipe}"
    elsewhere = any("…" in line or re.search(r"\w:\w", line) for line in lines)  # a value left open, a class of the reader's
    if raw_recipe(recipe).get("kind", "rl") != "flywheel" and not elsewhere:
        load_recipe(recipe, lines)
    return None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_recipes_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    spans = re.findall(r"`(outgrow [^`]+)`", re.sub(r"(?ms)^ *```.*?^ *```", "", text))
    calls = [(words, True) for line in _fences(text) if "outgrow" in line for words in _calls(line)]
    calls += [(words, False) for span in spans if "…" not in span and "..." not in span for words in _calls(" ".join(span.split()))]
    wrong = [(" ".join(words), _wrong(words, whole)) for words, whole in calls]
    assert not [f"outgrow {line}: {why}" for line, why in wrong if why]


def test_what_is_wrong_with_a_command_is_seen() -> None:
    assert _wrong(["trian", "micro"], True) == "no command trian"
    assert "--bugdet" in str(_wrong(["train", "micro", "--bugdet", "3"], True))
    assert _wrong(["train", "macro"], False) == "no recipe macro"
    assert "learn.rate" in str(_wrong(["train", "micro", "--set", "learn.rate=1"], True))
    assert _wrong(["train"], True) is not None and _wrong(["train"], False) is None
    assert list(_calls('A=1 outgrow train micro --set "a=b c" && outgrow runs  # all of them')) == [
        ["train", "micro", "--set", "a=b c"],
        ["runs"],
    ]
