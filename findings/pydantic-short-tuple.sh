#!/usr/bin/env bash
# pydantic 2.13.4: a tuple of a fixed length that gets too few items is reported as `missing`, with the index of the first item that is
# not there, and one that gets too many as `too_long`. There is no `too_short` for it, as there is for a list with a minimum. A program
# that words `missing` as "this key is missing" tells a person to write a key called 1.
# Tried: Python 3.11, Linux. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pydantic==2.13.4
"$folder/venv/bin/python" - <<'PY'
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError


class Settings(BaseModel):
    betas: tuple[float, float] = (0.9, 0.95)
    names: Annotated[tuple[str, ...], Field(min_length=2)] = ("a", "b")


def told(**values):
    try:
        Settings(**values)
    except ValidationError as error:
        return [(row["type"], row["loc"]) for row in error.errors()]


for values in ({"betas": [0.9]}, {"betas": [0.9, 0.9, 0.9]}, {"names": ["a"]}):
    print(values, told(**values))
assert told(betas=[0.9]) == [("missing", ("betas", 1))]
assert told(betas=[0.9, 0.9, 0.9]) == [("too_long", ("betas",))]
assert told(names=["a"]) == [("too_short", ("names",))]
PY
