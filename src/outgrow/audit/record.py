"""The record of an audit, under a digest of what decides it, so that training can look it up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.dataclasses import dataclass as checked

from ..algorithms.samplers.climb import Climb
from ..config import RLRecipe
from ..core.estimate import Estimate
from ..core.files import read_json, write_json
from ..core.registry import Component
from ..core.stand_ins import stands_in
from ..runs.input_digests import content, digest_of, with_digests
from .reward_audit import KindResult, RewardAudit, Trial
from .support import Support
from .verdict import AuditVerdict

DECIDES = ("policy", "problems", "prompt", "sampling", "engine", "verify", "rewards", "judge", "curriculum")
"""Tables of a recipe that decide what an audit says; of the last one, only whether it practises parts before chains."""
AUDITS = Path("runs", "audits")
"""Folder of the records, next to the runs that `outgrow train` makes."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError)


@dataclass(frozen=True)
class Audit:
    """What was found out about a recipe."""

    problems: str
    """How many of the recipe's problems were tried, and how they were drawn."""
    reward: RewardAudit
    support: Support | None
    """None where the policy was not sampled."""
    parts: dict[str, Estimate]
    """Share of right answers to the parts of the recipe's chains, by field; {} if there are none or it was not sampled."""
    verdict: AuditVerdict
    reasons: list[str]


@checked(frozen=True)
class Standing:
    """What the record of an earlier audit says."""

    verdict: AuditVerdict
    reasons: list[str]
    samples: int = 0
    """Number of answers that were sampled."""


def audit_key(recipe: RLRecipe) -> dict[str, Any]:
    """Return what decides an audit of the recipe, with digests in place of models and files, and of code from outside the package.

    Raises UsageError where a model is missing, or a component has a path that is not declared as an input.
    """
    values = recipe.model_dump(mode="json", exclude_none=True, include=set(DECIDES))
    values["policy"].pop("lora", None)  # an adapter begins as its base
    if isinstance(recipe.curriculum, Climb):
        values["curriculum"] = {"type": recipe.curriculum.type}
    else:
        values.pop("curriculum")
    engine = recipe.engine if stands_in(recipe.engine) else recipe.engine.exact()  # that which an audit samples with
    values["engine"] = engine.model_dump(mode="json", exclude_none=True)
    key = with_digests(recipe, values, lambda kind, name: None)
    if recipe.policy.init is not None:
        key["seed"] = recipe.seed  # of the random weights
    return {**key, "code": _code([*recipe.rewards, *recipe.problems])}


def record_path(recipe: RLRecipe) -> Path:
    """Return the file of a recipe's record. Raises UsageError as `audit_key` does."""
    return AUDITS / f"{digest_of(audit_key(recipe))}.json"


def write_record(recipe: RLRecipe, audit: Audit) -> Path:
    """Write the record of an audit, and return its file. Raises UsageError as `audit_key` does.

    It replaces an earlier record. An audit that finds nothing wrong with the reward and asked the policy nothing leaves the record
    of one that did.
    """
    path, earlier = record_path(recipe), standing(recipe)
    sampled = earlier and earlier.verdict not in (AuditVerdict.FIX_REWARD, AuditVerdict.NOT_SAMPLED)
    if audit.verdict is AuditVerdict.NOT_SAMPLED and sampled:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "recipe": recipe.name,
        "verdict": audit.verdict,
        "reasons": audit.reasons,
        "problems": audit.problems,
        "reward": {
            "problems": audit.reward.problems,
            "unusable": audit.reward.unusable,
            "kinds": [_kind(kind) for kind in audit.reward.kinds],
        },
        "support": audit.support and asdict(audit.support),
        "parts": {field: asdict(rate) for field, rate in audit.parts.items()},
        "audited": audit_key(recipe),
    }
    write_json(path, record)
    return path


def standing(recipe: RLRecipe) -> Standing | None:
    """Return what the newest audit of the recipe said; None where it was never audited, or where its record cannot be read.

    Raises UsageError as `audit_key` does.
    """
    try:
        return _read(record_path(recipe))[1]
    except _UNREADABLE:
        return None


def standing_of_name(recipe: RLRecipe) -> Standing | None:
    """Return what the newest audit of any recipe of this name said, with whatever settings and files; None without one."""
    files = sorted(AUDITS.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        try:
            name, said = _read(file)
        except _UNREADABLE:
            continue
        if name == recipe.name:
            return said
    return None


def _read(file: Path) -> tuple[str | None, Standing]:
    """Return the name of the recipe of a record, and what the record says. Raises one of `_UNREADABLE`."""
    record = read_json(file)
    support = record.get("support")
    return record.get("recipe"), Standing(
        record["verdict"], record["reasons"], support["k"] * support["pass_k"]["n"] if support else 0
    )


def _kind(kind: KindResult) -> dict[str, Any]:
    failures = kind.failures
    examples = [*failures, *kind.errors]
    return {
        "kind": kind.kind,
        "worth": kind.worth,
        "n": kind.n,
        "right": kind.right,
        "failures": len(failures),
        "errors": len(kind.errors),
        "above_wrong": kind.above_wrong,
        "reward": kind.mean(lambda trial: trial.reward),
        "right_reward": kind.mean(lambda trial: trial.right_reward),
        "example": _example(examples[0]) if examples else None,
    }


def _example(trial: Trial) -> dict[str, Any]:
    return {
        "problem": trial.problem.id,
        "answer": trial.problem.answer,
        "completion": trial.probe.text,
        "verdict": trial.verdict,
        "extracted": trial.extracted,
        "parts": trial.parts,
        "error": trial.error,
    }


def _code(components: Sequence[Component]) -> dict[str, str]:
    """Return the digest of the file of each component from outside the package."""
    files = {part.type: part.code_file() for part in components}
    return {name: content("files", str(file)) for name, file in files.items() if file is not None}
