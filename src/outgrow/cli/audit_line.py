"""The line by which `outgrow train` says what is known of its recipe's audit."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..config import RLRecipe


def audit_line(recipe: "RLRecipe", name: str, overrides: Sequence[str]) -> str | None:
    """Return a line where the recipe was never audited, or where its audit did not say go; None elsewhere.

    name, overrides: how the recipe was named. Also None where an input of the recipe cannot be read: training says what is wrong.
    """
    from ..audit.record import DECIDES, standing, standing_of_name
    from ..audit.verdict import AuditVerdict

    try:
        said = standing(recipe)
    except UsageError:
        return None
    deciding = [override for override in overrides if _table(override) in DECIDES]
    chosen = deciding if _loads(name, deciding) else overrides  # a table may need what another one says
    command = shlex.join(["outgrow", "audit", name, *(part for override in chosen for part in ("--set", override))])
    if said is None and (earlier := standing_of_name(recipe)):
        changed = "This recipe, or a file that it reads, has changed since its audit"
        return f"{changed}, which said: {earlier.verdict}. To audit it again: {command}"
    if said is None:
        return f"This recipe was never audited; to check its reward and its policy first: {command}"
    if said.verdict is AuditVerdict.NOT_SAMPLED:
        return f"The audit of this recipe tried its reward only; to sample its policy too: {command}"
    if said.verdict is AuditVerdict.GO:
        return None
    reason = f"; {said.reasons[0].partition(';')[0]}" if said.reasons else ""
    return f"The audit of this recipe says: {said.verdict}{reason}. To audit it again: {command}"


def _loads(name: str, overrides: Sequence[str]) -> bool:
    """Return whether there is such a recipe."""
    from ..config import load_recipe

    try:
        load_recipe(name, list(overrides))
    except UsageError:
        return False
    return True


def _table(override: str) -> str:
    """Return the table of the recipe that "key.path=value" changes."""
    return override.partition("=")[0].partition(".")[0].strip()
