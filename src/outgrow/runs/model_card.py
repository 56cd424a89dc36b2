"""The model card: what a run's policy is, how it was made, what it gained and cost, in the hub's README.md shape."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from ..config import Recipe
from ..core.addresses import is_served, public_model, public_values
from ..core.amounts import duration, money
from ..core.counted import counted
from ..core.files import write_atomic
from ..core.inputs import InputKind, map_inputs
from ..policy.export import library_of
from ..policy.pull import public_name
from ..problems import Source
from ..problems.named_table import label
from .changed import changes_of, when
from .folder import pass_at_1, read_recipe

_SHOWN = {"prompt", "sampling", "verify", "rewards", "advantage", "curriculum", "learn", "judge", "distill"}


def write_card(run: Path, folder: Path, summary: dict[str, Any]) -> None:
    """Write the card of a finished run's policy into `folder`, next to its weights."""
    recipe, made_with = read_recipe(run)
    write_atomic(folder / "README.md", card(recipe, made_with, summary, library_of(folder)).encode())


def card(recipe: Recipe, made_with: dict[str, Any], summary: dict[str, Any], library: str) -> str:
    """Return the card's text. summary: what the run's summary.json holds. library: what loads the policy (`library_of`)."""
    before, after, change = summary["before"], summary["after"], summary["paired_delta"]
    base = _base(recipe)
    recipe, made_with = map_inputs(recipe, _public), public_values(made_with)
    k = int(after["k"])
    price = summary["wall_s"] / 3600 * recipe.run.dollars_per_hour
    dollars = f", {money(price)}" if price else ""
    kind = "sft" if recipe.kind == "sft" else "train"
    lines = [
        *_front_matter(recipe, base if is_hub_id(base) else None, library),
        f"# {recipe.name}",
        "",
        recipe.description,
        "",
        *([f"**{summary['worse']['text']}**", ""] if summary["worse"] else []),
        f"Made by `outgrow {kind} {recipe.name}` (seed {recipe.seed}) from {base} in {summary['steps']} steps"
        + (f" and {summary['rollouts']} rollouts" if summary["rollouts"] else "")
        + f", {duration(summary['wall_s'])}{dollars}.",
        "",
        f"Measured on the held-out suite `{recipe.evaluate.suite}`: {after['n']} problems × {counted(k, 'sample')} at temperature "
        f"{recipe.evaluate.temperature:g}, 95% intervals.",
        "",
        f"| | pass@1 | greedy | pass@{k} | truncated | tokens |",
        "|---|---|---|---|---|---|",
        *(_row(name, row) for name, row in (("before", before), ("after", after))),
        f"| change, paired | {pass_at_1(change).text('+.3f')} | | | | |",
        "",
        *_cells(before["cells"], after["cells"]),
        *_changes(made_with),
        "## Data",
        "",
        *(f"- `{json.dumps({'type': source.type, **_changed(source)})}`" for source in recipe.problems),
        "",
        f"Questions that `{recipe.evaluate.suite}` or `{recipe.evaluate.validation}` holds out were left out of training.",
        "",
        "## Recipe",
        "",
        "As resolved; what is not here is in the sections above.",
        "",
        "```toml",
        tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True, include=_SHOWN)).strip(),
        "```",
        "",
        "## Made with",
        "",
        "sha256 over names, shapes and bytes of the weights, adapters multiplied out (`Policy.digest()`):",
        f"{summary['policy_sha256']}",
        "",
        "```toml",
        tomli_w.dumps({"made_with": made_with}).strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _changes(made_with: Mapping[str, Any]) -> list[str]:
    """Return what was changed when the run was resumed; nothing where nothing was."""
    changes = changes_of(made_with)
    if not changes:
        return []
    rows = (f"| {change.what} | {when(change.after_step)} | {change.text.replace('|', chr(92) + '|')} |" for change in changes)
    return ["Changed when the run was resumed:", "", "| what | when | change |", "|---|---|---|", *rows, ""]


def _base(recipe: Recipe) -> str:
    """Return what it was made from: a public name, or the last part of a path, since a path means nothing on another machine."""
    if recipe.policy.model is None:
        return "random weights"
    name = public_name(recipe.policy.model)
    return name if is_hub_id(name) else Path(name).name


def _public(kind: InputKind, name: Any) -> Any:
    """Return an input's name without the folders it lies in or the host that serves it."""
    if kind == "suite":
        return label(name)
    if isinstance(name, str) and is_served(name):
        return public_model(name)
    return name if isinstance(name, str) and not Path(name).is_absolute() else type(name)(Path(name).name)


def is_hub_id(name: str) -> bool:
    """Return whether a name may be a hub id: USER/NAME, and no folder of that name here."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).exists()


def _changed(source: Source) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _front_matter(recipe: Recipe, base: str | None, library: str) -> list[str]:
    lora = recipe.policy.lora
    return [
        "---",
        *([f"base_model: {json.dumps(base)}"] if base else []),
        f"library_name: {library}",
        "pipeline_tag: text-generation",
        "tags: [outgrow, " + ("sft" if recipe.kind == "sft" else "grpo") + (", lora" if lora and lora.rank else "") + "]",
        "---",
        "",
    ]


def _row(name: str, row: dict[str, Any]) -> str:
    figures = (row["greedy"], row["pass@k"][str(row["k"])], row["truncated"])
    return f"| {name} | {pass_at_1(row)} | " + " | ".join(f"{figure:.3f}" for figure in figures) + f" | {row['length']:.1f} |"


def _cells(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Return a table of pass@1 before and after, by field and level; nothing where there is a single cell."""
    if len(after) < 2:
        return []
    was = {(cell["field"], cell["level"]): cell["pass@1"] for cell in before}
    shown = {(c["field"], c["level"]): f"{was[c['field'], c['level']]:.2f} → {c['pass@1']:.2f}" for c in after}
    levels = sorted({level for _, level in shown})
    return [
        "pass@1 before and after, by field and level:",
        "",
        "| field | " + " | ".join(map(str, levels)) + " |",
        "|---" * (len(levels) + 1) + "|",
        *(
            f"| {field} | " + " | ".join(shown.get((field, level), "") for level in levels) + " |"
            for field in dict.fromkeys(field for field, _ in shown)
        ),
        "",
    ]
