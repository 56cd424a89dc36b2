"""The checks that need the real sets whole, run by `make test-data`: OUTGROW_DATA names their folder (tests/data/README.md)."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

FILES = ("gsm8k/train", "math/train", "svamp/test", "arc/easy_test")


@pytest.fixture(scope="session")
def data():
    """The folder that holds them. Fails where it does not."""
    folder = Path(os.environ.get("OUTGROW_DATA", ""))
    missing = [name for name in FILES if not (folder / f"{name}.jsonl").is_file()]
    if missing:
        pytest.exit(f"OUTGROW_DATA={folder}: no {missing[0]}.jsonl there; these checks need the real sets", returncode=2)
    return folder
