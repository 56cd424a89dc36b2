"""Rows of sets by name: of the hub, and of the public sets that $OUTGROW_DATA may hold."""

import os
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from ..core.errors import UsageError, first_line, nearest
from .formats import Row, read_file

_BRANCH = "refs/convert/parquet"  # where the hub keeps CONFIG/SPLIT/0000.parquet, 0001.parquet, … of every public set


def set_rows(
    name: str, split: str, repository: str | None, config: str | None = None, hub_split: str | None = None
) -> Iterator[Row]:
    """Return the rows of a known set: of $OUTGROW_DATA/NAME/SPLIT.jsonl, or of the hub where that file is missing.

    Raises UsageError that names both places where the set is in neither.
    """
    folder = os.environ.get("OUTGROW_DATA")
    file = Path(folder, name, f"{split}.jsonl") if folder else None
    if file is not None and file.is_file():
        return read_file(file)
    tried = f"{file} is not there" if file else "OUTGROW_DATA names no folder"
    if repository is None:
        raise UsageError(f"{name}/{split}.jsonl: {tried}; put the set there, a row a line with columns question and answer")
    try:
        return hub_rows(repository, hub_split or split, config)
    except UsageError as error:
        raise UsageError(f"{error} ({tried}; put the set there as {name}/{split}.jsonl, or go online)") from error


def hub_rows(repository: str, split: str, config: str | None = None) -> Iterator[Row]:
    """Return the rows of a split of a set on the hub; without a connection, of the copy that an earlier download left.

    config: default is the set's configuration `default`, or its only one. Raises UsageError where the set cannot be had, and where
    it has no such configuration or split, naming those that it has.
    """
    try:
        listed = HfApi().list_repo_files(repository, repo_type="dataset", revision=_BRANCH)
    except Exception as error:  # offline, missing, gated, a broken connection: a dozen types out of three libraries
        return _stored_rows(repository, split, config, first_line(error))
    pattern = _pattern(repository, listed, split, config)
    try:
        folder = snapshot_download(repository, repo_type="dataset", revision=_BRANCH, allow_patterns=pattern)
    except Exception as error:
        raise UsageError(f"{repository}: cannot get this set from the hub: {first_line(error)}") from error
    return _rows_in(Path(folder), pattern)


def _stored_rows(repository: str, split: str, config: str | None, why: str) -> Iterator[Row]:
    """Return the rows of the copy on this machine. why: what kept the hub from being asked."""
    try:
        folder = Path(snapshot_download(repository, repo_type="dataset", revision=_BRANCH, local_files_only=True))
    except Exception as error:
        offline = "HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else why
        raise UsageError(
            f"{repository}: cannot get this set from the hub ({offline}), and no earlier download of it is on this machine"
        ) from error
    files = [str(file.relative_to(folder)) for file in folder.glob("*/*/*.parquet")]
    return _rows_in(folder, _pattern(f"{repository} (the copy on this machine)", files, split, config))


def _rows_in(folder: Path, pattern: str) -> Iterator[Row]:
    return (row for file in sorted(folder.glob(pattern)) for row in read_file(file))


def _pattern(repository: str, files: list[str], split: str, config: str | None) -> str:
    """Return the pattern of the split's files. Raises UsageError naming the configurations or splits that the set has."""
    places = [parts for file in files if len(parts := file.split("/")) == 3 and file.endswith(".parquet")]
    configs = sorted({parts[0] for parts in places})
    chosen = config or ("default" if "default" in configs or len(configs) != 1 else configs[0])
    if chosen not in configs:
        lack = f"no config {config!r}{nearest(config, configs)}" if config else f"give config, one of: {', '.join(configs)}"
        raise UsageError(f"{repository}: {lack if configs else 'no Parquet files of this set'} on the hub")
    splits = sorted({parts[1] for parts in places if parts[0] == chosen})
    if split not in splits:
        raise UsageError(f"{repository}: no split {split!r} of config {chosen!r} on the hub; it has {', '.join(splits)}")
    return f"{chosen}/{split}/*.parquet"
