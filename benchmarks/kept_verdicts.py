"""Verdicts of peers kept in a file, so that a second run asks them only what is new: half an hour of a run is theirs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from peer_graders import Pair, Said


class KeptVerdicts:
    """What one grader, by name and version, has said before; JSONL, to which `add` appends.

    A line that a kill has cut is passed over.
    """

    def __init__(self, file: Path, grader: str) -> None:
        self._file, self._grader = file, grader
        self._said: dict[str, Said] = {}
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if text and not text.endswith("\n"):
            file.write_text(text + "\n", encoding="utf-8")
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row["grader"] == grader:
                self._said[row["case"]] = Said(row["right"], row["how"], row["seconds"])

    def get(self, pair: Pair) -> Said | None:
        """Return what it said of this known answer and output; None if it was not asked."""
        return self._said.get(_key(pair))

    def add(self, pairs: Sequence[Pair], said: Sequence[Said]) -> None:
        """Keep what it says of these."""
        rows = [{"grader": self._grader, "case": _key(pair), **asdict(one)} for pair, one in zip(pairs, said, strict=True)]
        with self._file.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))


def _key(pair: Pair) -> str:
    return hashlib.sha256("\x1f".join(pair).encode()).hexdigest()
