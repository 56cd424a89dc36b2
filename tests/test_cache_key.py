"""A flywheel's cache key sees the content of every input that a recipe names, whatever the key is called."""

import sys
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from outgrow.algorithms.advantages import ADVANTAGES
from outgrow.algorithms.rewards import REWARDS
from outgrow.algorithms.samplers import SAMPLERS
from outgrow.config import load_recipe
from outgrow.config.schema import RLRecipe, SFTRecipe
from outgrow.core.errors import UsageError
from outgrow.core.inputs import input_kind
from outgrow.flywheel.cache_key import recipe_key
from outgrow.problems import SOURCES
from outgrow.runs.input_digests import content, digest_of

pytestmark = pytest.mark.usefixtures("own_code")

OUTSIDE = """
from pathlib import Path
from typing import Annotated

from outgrow.core.inputs import ReadsFrom
from outgrow.problems import Source


class Cards(Source):
    type: str = "cards:Cards"
    deck: Annotated[Path, ReadsFrom("files")]
    spares: tuple[Annotated[Path, ReadsFrom("files")], ...] = ()

    def load(self, warn=print):
        return []


class Undeclared(Cards):
    box: Path | None = None
"""


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Digest of what decides in a recipe that practises a source from outside, given the source's entry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "cards", raising=False)
    (tmp_path / "cards.py").write_text(OUTSIDE)

    def digest(entry):
        return digest_of(recipe_key(load_recipe("micro", [f"problems=[{{{entry}}}]"]), lambda kind, name: None))

    return digest


def test_a_file_under_a_key_of_another_name_is_digested(key, tmp_path):
    deck, spare = tmp_path / "deck.txt", tmp_path / "spare.txt"
    deck.write_text("1")
    spare.write_text("1")
    entry = "type='cards:Cards',deck='deck.txt',spares=['deck.txt','spare.txt']"
    first = key(entry)
    assert key(entry) == first
    deck.rename(tmp_path / "moved.txt")
    assert key(entry.replace("deck.txt", "moved.txt")) == first, "the name decides nothing"
    (tmp_path / "moved.txt").write_text("2")
    second = key(entry.replace("deck.txt", "moved.txt"))
    spare.write_text("2")
    assert len({first, second, key(entry.replace("deck.txt", "moved.txt"))}) == 3


def test_a_path_that_is_not_declared_is_refused(key):
    with pytest.raises(UsageError, match=r"Undeclared\.box"):
        key("type='cards:Undeclared',deck='x',box='y'")


def test_what_the_flywheel_made_is_asked_for_by_kind():
    asked = []
    recipe = load_recipe(
        "micro-judged",
        [
            "judge.watch.second_model=micro-base", "ledger.profile=profiles/x", "evaluate.extra_suites=['micro']",
            'problems=[{type="table",path="rows.jsonl"},{type="judgements",runs=["runs/a","runs/b"]}]',
            "judge.model=runs/judge", "distill.model=runs/teacher", "policy.model=runs/base",
        ],
    )  # fmt: skip
    recipe_key(recipe, lambda kind, name: asked.append((kind, name)) or "digest")
    assert sorted(asked) == sorted(
        [
            ("model", "runs/base"), ("model", "runs/judge"), ("model", "micro-base"), ("model", "runs/teacher"),
            ("files", "profiles/x"), ("files", "rows.jsonl"), ("runs", "runs/a"), ("runs", "runs/b"), ("suite", "micro"),
            ("suite", recipe.evaluate.suite), ("suite", recipe.evaluate.validation),
        ]
    )  # fmt: skip


# Names under which a string or a path is most likely an input.
INPUT_NAMES = ("path", "file", "folder", "dir", "run", "model", "profile", "suite", "ledger", "checkpoint", "adapter")


def all_fields():
    """Every field that holds texts or paths, of all sections and shipped components."""
    left, seen = [RLRecipe, SFTRecipe, *SOURCES.values(), *REWARDS.values(), *SAMPLERS.values(), *ADVANTAGES.values()], set()
    while left:
        model = left.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            parts = list(parts_of(field.annotation))
            left += [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
            if str in parts or Path in parts:
                yield f"{model.__name__}.{name}", field, Path in parts
    assert len(seen) > 30


def parts_of(annotation):
    yield annotation
    for part in typing.get_args(annotation):
        yield from parts_of(part)


def test_every_input_of_the_shipped_components_is_declared():
    undeclared, declared = [], set()
    for where, field, is_path in all_fields():
        name = where.partition(".")[2]
        looks = (
            is_path or isinstance(field.default, Path) or any(word in name.split("_") or f"{word}s" in name for word in INPUT_NAMES)
        )
        if input_kind(field):
            declared.add(where)
        elif looks:
            undeclared.append(where)
    assert undeclared == []
    assert {"Table.path", "Judgements.runs", "JudgeSection.model", "WatchSection.second_model", "LedgerSection.profile"} <= declared


def test_a_suite_on_this_machine_is_its_content_its_columns_and_its_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.csv", "same.csv", "sets/test.csv", "sets/dev.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("question,answer,gold\nq,1,2\n")
    one = content("suite", "one.csv")
    assert one == content("suite", "same.csv") == content("suite", str(tmp_path / "one.csv"))
    assert len({one, content("suite", "one.csv:answer=gold"), content("suite", "sets:test"), content("suite", "sets:dev")}) == 4
    (tmp_path / "one.csv").write_text("question,answer,gold\nq,1,3\n")
    assert content("suite", "one.csv") != one
    assert content("suite", "gsm8k") == "gsm8k" and content("suite", "owner/name:dev") == "owner/name:dev"
