"""How the live pages look in a real browser: at the width of a laptop and of a phone, light and dark."""

import json
import re
from dataclasses import asdict
from importlib.resources import files

import pytest

from helpers.report import evaluation, save, write_recipe, write_steps
from helpers.serving import servers
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.runs.folder import RunFolder
from outgrow.runs.warning_log import LoggedWarning

PAGES = ("/", "/runs/a-run-with-a-rather-long-name-of-a-sweep", "/compare?run=better&run=a-run-with-a-rather-long-name-of-a-sweep",
         "/runs/better/problems", "/runs/better/rollouts")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, chance, done in (("a-run-with-a-rather-long-name-of-a-sweep", 0.1, 30), ("better", 0.95, 30), ("half", None, 15)):
        run = folder / name
        tags = {"tags": ["learning rate sweep", "x"], "dollars_per_hour": 2.5}
        write_recipe(run, policy={"model": "HuggingFaceTB/SmolLM2-135M-Instruct"}, run=tags)
        write_steps(run, done)
        save(run, "before", evaluation({1: 0.5, 2: 0.5}, seed=1))
        if chance is not None:
            save(run, "after", evaluation({1: chance, 2: chance}, seed=2))
        lines = [LoggedWarning("2026-11-29T06:29:03+00:00", step, "W" * 200 + f" {step}") for step in (1, 2)]
        RunFolder(run).warnings.write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines))
    return folder


WIDER = "() => [document.documentElement, ...document.querySelectorAll('.scroll')].map((e) => e.scrollWidth - e.clientWidth)"


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_screen_and_no_column_is_cut(browser, folder, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    with servers() as start:
        port = start(folder)
        for path in PAGES:
            page.goto(f"http://127.0.0.1:{port}{path}")
            assert set(page.evaluate(WIDER)) == {0}, path
        page.goto(f"http://127.0.0.1:{port}/?sort=change")
        seen = page.evaluate("""() => [...document.querySelectorAll('.runs tbody tr:first-child > *')].filter((cell) =>
          cell.checkVisibility() && cell.getBoundingClientRect().right <= innerWidth).map((cell) => cell.innerText.trim())""")
        text = " ".join(seen)
        for wanted in ("%", "of 30", "1e-06", "SmolLM2", "tiny", *(["2026-"] if width == 1280 else [])):
            assert wanted in text, (wanted, text)
        assert len(seen) == 12 or width == 390
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_left_numbers_are_right_worse_has_its_colour_and_an_empty_bar_looks_empty(browser, folder, scheme):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    with servers() as start:
        page.goto(f"http://127.0.0.1:{start(folder)}/")
        align = "(cells) => [...new Set(cells.map((cell) => getComputedStyle(cell).textAlign))]"
        assert page.eval_on_selector_all(".runs :is(th, td).text", align) == ["left"]
        assert page.eval_on_selector_all(".runs :is(th, td).number", align) == ["right"]
        assert page.locator(".runs tr > :not(.text, .number)").count() == 0
        names = (
            "() => ['--loss', '--gain', '--ink'].map((name) => getComputedStyle(document.documentElement).getPropertyValue(name))"
        )
        loss, gain, ink = (_rgb(value) for value in page.evaluate(names))
        assert len({loss, gain, ink}) == 3
        colours = {
            kind: page.locator(f"td.{kind}[data-label=Change]").evaluate("(e) => getComputedStyle(e).color")
            for kind in ("loss", "gain")
        }
        assert colours == {"loss": loss, "gain": gain}
        bar = page.locator("tr", has_text="15 of 30").locator("progress")
        for name, wanted in (("backgroundColor", "rgba(0, 0, 0, 0)"), ("appearance", "none"), ("borderTopStyle", "solid")):
            assert bar.evaluate(f"(e) => getComputedStyle(e).{name}") == wanted
    page.close()


def _rgb(value):
    red, green, blue = (int(value.strip()[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def test_scripts_write_text_only_and_fetch_nothing_from_elsewhere():
    for room, name in (("report", "charts.js"), ("report.live", "live.js")):
        script = files(f"outgrow.{room}").joinpath(name).read_text(encoding="utf-8")
        for unsafe in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            'setAttribute("on',
            "import(",
        ):
            assert unsafe not in script, (name, unsafe)
        assert not re.findall(r"https?:|//\w+\.\w+/", script), name
        assert re.findall(r"fetch\(([^,)]*)", script) in ([], ["location.href"]), name


def test_tags_are_short_words():
    tags = load_recipe("micro", ['run.tags=["lr sweep", " b "]']).run.tags
    assert tags == ("lr sweep", "b")
    for bad in ('["  "]', f'["{"x" * 41}"]', '[["a"]]'):
        with pytest.raises(UsageError, match=r"run\.tags"):
            load_recipe("micro", [f"run.tags={bad}"])
