"""What is installed is fixed: every pin has hashes, and every model of the hub that a recipe names has a commit."""

import re
from pathlib import Path

import pytest

from outgrow.config import shipped_recipes
from outgrow.config.load import raw_recipe
from outgrow.policy.hub_commits import hub_revision
from outgrow.policy.pull import PULLABLE
from outgrow.runs.model_card import is_hub_id

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("requirements*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_pin_has_a_hash(file):
    logical = file.read_text().replace("\\\n", " ").splitlines()
    pins = [line for line in logical if line and not line.startswith(("#", "-r "))]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[^ ]+( +--hash=sha256:[0-9a-f]{64})+", line)] == []


def test_a_package_of_one_environment_has_one_version():
    versions = {}
    for file in FILES:
        if "vllm" not in file.name and "audit" not in file.name:
            for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ +]+)", file.read_text(), re.M):
                versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    assert len(versions) > 100 and [name for name, found in versions.items() if len(found) > 1] == []


def test_everything_is_installed_with_hashes():
    installs = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0] and "--no-build-isolation" in installs[1] and "--editable ." in installs[1]


def test_hub_models_that_are_named_have_a_commit():
    models = {pullable.hub for pullable in PULLABLE.values()}
    for name in shipped_recipes():
        model = raw_recipe(name).get("policy", {}).get("model", "")
        if is_hub_id(model) and not model.startswith(("runs/", "models/")):
            models.add(model)
    assert len(models) >= 3
    assert [model for model in models if not re.fullmatch(r"[0-9a-f]{40}", hub_revision(model))] == []
    assert hub_revision("someone/else") == "main" and hub_revision(min(models), "v1") == "v1"
