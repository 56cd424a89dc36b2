"""Write docs/reference from the code: `python docs/generate.py`, or into another folder that is named."""

import importlib
import math
import sys
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))

from _generate import markdown as md
from _generate.commands import commands_page
from _generate.components import base_of, component_page, instances_table, registries
from _generate.metrics import metrics_page
from _generate.settings import settings_table
from outgrow.cli.app import app
from outgrow.config import schema, shipped_recipes
from outgrow.config.by_size import NEW_MODEL_LR, TABLE
from outgrow.config.load import EXTENDS
from outgrow.core.registry import Component
from outgrow.core.type_words import is_list, models_in
from outgrow.flywheel.recipe import FlywheelRecipe
from outgrow.problems.suites import GROUPS, SUITES
from outgrow.verify import EXTRACTORS

# Page -> its title, and the package whose registry it shows.
PAGES = {
    "samplers": ("Samplers", "outgrow.algorithms.samplers"),
    "rewards": ("Rewards", "outgrow.algorithms.rewards"),
    "advantages": ("Advantages", "outgrow.algorithms.advantages"),
    "losses": ("Losses", "outgrow.algorithms.losses"),
    "problems": ("Problem sources and suites", "outgrow.problems"),
    "engines": ("Engines", "outgrow.engines"),
}
_EXTENDS = [md.code("extends"), "text", "not set", md.inline(EXTENDS)]  # read before the schema is: it is no key of a class
Table = tuple[str, type[BaseModel]]  # a recipe's table: its path, and what it may say


def kind_of(recipe: type[BaseModel]) -> str:
    """The `kind` that a recipe of this class says."""
    return str(get_args(recipe.model_fields["kind"].annotation)[0])


RECIPES = {kind_of(recipe): recipe for recipe in (*get_args(schema.Recipe), FlywheelRecipe)}


def tables_of(model: type[BaseModel], path: str = "") -> Iterator[Table]:
    """The tables in a recipe of this class, the outer ones first. What has a `type` has a page of its own."""
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            if not issubclass(inner, Component):
                yield path + name, inner
                yield from tables_of(inner, f"{path}{name}.")


def component_keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[Component]]]:
    """The keys in a recipe of this class that take a component, as TOML writes their tables."""
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            if issubclass(inner, Component):
                yield (f"[[{path}{name}]]" if is_list(field.annotation) else f"[{path}{name}]"), inner
            else:
                yield from component_keys(inner, f"{path}{name}.")


def page_of(component: type[BaseModel]) -> str | None:
    """The page that lists the types of this component, if there is one."""
    for name, (_, package) in PAGES.items():
        for registry in registries(importlib.import_module(package)).values():
            if issubclass(base_of(registry), component) or component in registry.values():
                return name
    return None


def component_link(model: type[BaseModel]) -> str:
    """A component's name with a link to its page; `table` for any other model."""
    page = page_of(model) if issubclass(model, Component) else None
    return f"[{model.__name__.removesuffix('Config').lower()}]({page}.md)" if page else "table"


def recipes_page() -> str:
    """Every key of every kind of recipe, then every recipe that ships."""
    headings = _headings()
    parts = [
        "A recipe is a TOML file: keys first, then tables. It may begin with `extends = NAME` and say only what differs from that "
        "recipe. `--set KEY=VALUE` changes one key for one call, as `--set learn.lr=1e-5`; it may be repeated, and takes every key "
        "of this page except `extends`. `outgrow recipes NAME --show` prints a whole recipe. A key that is neither on this page "
        "nor among the settings of a type that it links is an error, which names the line and what the key takes."
    ]
    for kind, recipe in RECIPES.items():
        parts += [f"## Recipes of kind {kind}", md.prose(recipe.__doc__), _keys(recipe, "", headings)]
    parts += ["## Tables"]
    parts += [
        f"### {heading}\n\n{md.prose(model.__doc__)}\n\n{_keys(model, path + '.', headings)}"
        for (path, model), heading in headings.items()
    ]
    parts += ["## By size", _by_size(), "## Recipes that ship", _shipped()]
    return md.page("Recipes", *parts)


def _headings() -> dict[Table, str]:
    """Each table once; where kinds of recipes differ in it, its heading says of which kinds it is."""
    kinds: dict[Table, list[str]] = {}
    for kind, recipe in RECIPES.items():
        for found in tables_of(recipe):
            kinds.setdefault(found, []).append(kind)
    paths = [path for path, _ in kinds]
    return {
        found: md.code(f"[{found[0]}]") + (f" of {' and '.join(of)}" if paths.count(found[0]) > 1 else "")
        for found, of in kinds.items()
    }


def _keys(model: type[BaseModel], path: str, headings: dict[Table, str]) -> str:
    linked = {
        name: f"[{md.code(name)}](#{md.anchor(headings[path + name, inner])})"
        for name, field in model.model_fields.items()
        for inner in models_in(field.annotation)
        if (path + name, inner) in headings
    }
    return settings_table(model, component_link, keys=linked, first=[] if path else [_EXTENDS])


def _by_size() -> str:
    """What is filled in for a recipe that does not say it."""
    rows, least = [], "0"
    for row in TABLE:
        most = "more" if math.isinf(row.parameters) else f"{row.parameters / 1e6:g} million"
        rates = (row.lr, row.lora_lr, row.sft_lr, row.sft_lora_lr, row.kl_weight)
        rows.append([f"up to {most}" if most != "more" else f"more than {least}", *(f"{rate:g}" for rate in rates)])
        least = most
    about = (
        "Where neither the recipe nor `--set` says `learn.lr` or `loss.kl_weight`, the run takes them from this table by the "
        "parameters of its model, tells it, and keeps it in its `recipe.toml`. A new micro policy starts at "
        f"{NEW_MODEL_LR:g}. Sources are in `src/outgrow/config/by_size.py`; the first row and LoRA of the third are measured, in "
        "the lab: [micro](../lab/defaults.md), [SmolLM2](../lab/defaults-smollm2.md)."
    )
    heads = ["parameters", "`lr`", "`lr` with LoRA", "`lr` of sft", "`lr` of sft with LoRA", "`kl_weight`"]
    return f"{about}\n\n{md.table(heads, rows)}"


def _shipped() -> str:
    rows = []
    for name, path in shipped_recipes().items():
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        about = " ".join(str(values[key]) for key in ("description", "expected") if key in values)
        rows.append([md.code(name), md.code(_inherited(values, "kind", "rl")), md.inline(about)])
    return md.table(["recipe", "kind", "what it is, and what it should show"], rows)


def _inherited(values: dict[str, Any], key: str, default: str) -> str:
    """What a recipe, or the one that it extends, says."""
    while key not in values and "extends" in values:
        values = tomllib.loads(shipped_recipes()[values["extends"]].read_text(encoding="utf-8"))
    return str(values.get(key, default))


def suites_part() -> str:
    """The suites, on the page of the sources that they are made of."""
    groups = md.table(["group", "its suites"], ([md.code(name), ", ".join(map(md.code, names))] for name, names in GROUPS.items()))
    first = "`NAME-N` is the first N problems of one of these, but not of recall: `gsm8k-400`."
    return f"## Suites\n\n{instances_table('suite', dict(SUITES))}\n\n{first}\n\n{groups}"


def extractors_page() -> str:
    """How the answer is found in what a model wrote."""
    rows = [f"## {md.code(name)}\n\n{md.prose(extractor.__doc__)}" for name, extractor in EXTRACTORS.items()]
    about = importlib.import_module("outgrow.verify.extraction.extract").__doc__
    return md.page("Extractors", md.prose(about), *rows)


def pages() -> dict[str, str]:
    """Every generated page: file name -> Markdown."""
    keys: dict[str, dict[str, None]] = {}
    for recipe in RECIPES.values():
        for key, component in component_keys(recipe):
            keys.setdefault(page_of(component) or "", {})[key] = None
    written = {
        "recipes.md": recipes_page(),
        "cli.md": commands_page(typer.main.get_command(app)),
        "extractors.md": extractors_page(),
        "metrics.md": metrics_page(),
    }
    for name, (title, package) in PAGES.items():
        make = partial(component_page, title, importlib.import_module(package), component_link)
        key = " and ".join(f"[{md.code(found)}](recipes.md)" for found in keys.get(name, {}))
        written[f"{name}.md"] = make(key, [suites_part()] if name == "problems" else [])
    return written


def write(folder: Path) -> None:
    """All pages into this folder; a page there that is not among them is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for stale in {path.name for path in folder.glob("*.md")} - made.keys():
        (folder / stale).unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference")
