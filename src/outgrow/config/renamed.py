"""Old recipe names and keys, each with its new one. They are refused, and the message says what to write.

The tables are read only for what validation refused, so that no row hides a key of the schema.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.refusals import Refusal
from ..core.toml_lines import Path

RECIPES = {"micro-taught": "micro-judged", "r1-1.5b-gsm8k-taught": "r1-1.5b-gsm8k-judged"}

# Of recipes for `outgrow train` and `outgrow sft`, and of the stages of a flywheel; the keys inside a renamed table before it.
KEYS = {
    "teacher.watch.slice": "judge.watch.heldout_problems",
    "teacher.watch.second": "judge.watch.second_model",
    "judge.watch.slice": "judge.watch.heldout_problems",
    "judge.watch.second": "judge.watch.second_model",
    "teacher": "judge",
    "learn.averaging": "loss.aggregation",
    "learn.clip_low": "loss.clip_low",
    "learn.clip_high": "loss.clip_high",
    "learn.kl_weight": "loss.kl_weight",
    "learn.tokens_per_pass": "learn.tokens_per_microbatch",
    "engine.max_rows": "engine.max_sequences",
    "engine.memory": "engine.gpu_memory_utilization",
    "prompt.question": "prompt.user_template",
    "distill.bound": "distill.advantage_clip",
    "distill.reward": "distill.reward_weight",
    "evaluate.also": "evaluate.extra_suites",
    "run.track": "run.trackers",
}

# Of a flywheel, above its stages. Its [teacher] and [judge] are stages.
FLYWHEEL_KEYS = {"also": "extra_suites"}

# List of components -> what one of them is called, and the old types with their new ones.
TYPES = {
    "rewards": ("reward", {"teacher": "judge_score"}),
    "problems": ("problem source", {"made": "synthetic"}),
}

Renamed = tuple[Path, str, str, str]
"""Where it is in the recipe's values, what it is, its old name, its new one."""


def renamed_recipe(name: str) -> str | None:
    """Return the present name of a shipped recipe that had another name; None for every other name."""
    return RECIPES.get(name)


def renamed_in(values: Mapping[str, Any], refused: Sequence[Refusal]) -> list[Renamed]:
    """Return the old keys and types among what is wrong in a recipe.

    values: the whole recipe's TOML values. refused: what its validation refused.
    """
    places = [refusal.path for refusal in refused]
    if values.get("kind") == "flywheel":
        return list(_old_keys(values, FLYWHEEL_KEYS, places))
    return [*_old_keys(values, KEYS, places), *_old_types(values)]


def _old_keys(values: Mapping[str, Any], keys: Mapping[str, str], places: Sequence[Path]) -> Iterator[Renamed]:
    """Yield the keys that the values hold, where the key itself or a table around it is what is wrong."""
    for old, new in keys.items():
        path = tuple(old.split("."))
        table: Any = values
        for name in path[:-1]:
            table = table.get(name) if isinstance(table, Mapping) else None
        # The keys of a component from outside the package are its own.
        given = isinstance(table, Mapping) and path[-1] in table and ":" not in str(table.get("type", ""))
        if given and any(path[: len(place)] == place for place in places):
            yield path, "key", old, new


def _old_types(values: Mapping[str, Any]) -> Iterator[Renamed]:
    for name, (what, types) in TYPES.items():
        entries = values.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            old = entry.get("type") if isinstance(entry, Mapping) else None
            if isinstance(old, str) and old in types:
                yield (name, index), what, old, types[old]
