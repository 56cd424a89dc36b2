"""Rows of a table on this machine: a file, or a folder with a file or more for each split."""

from collections.abc import Iterator
from pathlib import Path

from ..core.errors import UsageError
from .formats import FORMAT_NAMES, Row, format_of, read_file


def file_rows(path: Path, split: str = "train") -> Iterator[Row]:
    """Return the rows of a file, or of one split of a folder (see `split_files`).

    Raises UsageError naming the file, and the line where one cannot be read.
    """
    if not path.is_dir():
        return read_file(path)
    return (row for file in split_files(path, split) for row in read_file(file))


def split_files(folder: Path, split: str) -> list[Path]:
    """Return the files of a split: SPLIT.csv, SPLIT-00000-of-00002.parquet or SPLIT/…, in the folder or in its folder `data`.

    A folder with files and no folders below it is the split where its path ends with the split's name, or where it has one file.
    Raises UsageError naming the splits that are there.
    """
    for place in (folder, folder / "data"):
        files = _tables(place)
        named = [file for file in files if _split_name(file) == split]
        inside = _tables(place / split)
        if named or inside:
            return named or inside
    files = _tables(folder)
    if len(files) == 1 or (files and folder.name == split):
        return files
    splits = sorted({_split_name(file) for place in (folder, folder / "data") for file in _tables(place)} | _folders(folder))
    known = f"; it has {', '.join(splits)}" if splits else f"; it has no {FORMAT_NAMES} file"
    raise UsageError(f"{folder}: no split {split!r} in this folder{known}")


def _tables(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] not in "._" and _is_table(file))


def _is_table(file: Path) -> bool:
    # What `datasets` writes next to its tables.
    return format_of(file) is not None and file.name not in ("dataset_dict.json", "dataset_info.json", "state.json")


def _folders(folder: Path) -> set[str]:
    return {place.parent.name for inside in ("*", "data/*") for place in folder.glob(f"{inside}/*") if _is_table(place)}


def _split_name(file: Path) -> str:
    """Return the split that a file's name says: what stands before its number or suffix.

    >>> _split_name(Path("train-00000-of-00002.parquet")), _split_name(Path("test.jsonl.gz"))
    ('train', 'test')
    """
    stem = file.name.partition(".")[0]
    head, _, number = stem.partition("-")
    return head if number[:1].isdigit() else stem
