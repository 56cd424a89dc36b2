"""Rollouts on disk: a step is the same whether it has a file of its own or lies in a block."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.core.errors import UsageError
from outgrow.core.rollout_log import drop_parts_after, list_parts, read_part, read_parts, rollouts_folder, write_part

BLOCK = 10


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("outgrow.core.rollout_log.BLOCK", BLOCK)
    monkeypatch.setattr("os.fsync", lambda handle: None)


def rows_of(step, extracted="7", reward=0.5):
    return [
        {
            "step": step, "problem_id": f"sum:{step % 5}", "field": "sum", "level": 1, "sample": sample, "question": "3+4=?",
            "completion": f"seven {step}", "verdict": "right", "extracted": extracted, "answer": "7", "length": 3 + sample,
            "reward": reward, "reward_accuracy": reward, "advantage": 0,
        }
        for sample in range(2)
    ]  # fmt: skip


def write(run, steps):
    for step in steps:
        write_part(run, step, rows_of(step, None if step % 7 == 0 else "7", step % 3))


def expected(steps):
    return [row for step in steps for row in rows_of(step, None if step % 7 == 0 else "7", step % 3)]


def names(run):
    return sorted(path.name for path in rollouts_folder(run).iterdir())


def read(run):
    return list(read_parts(run, list(rows_of(1)[0])))


def test_the_steps_of_a_block_are_one_file(tmp_path):
    write(tmp_path, range(1, BLOCK + 4))
    assert names(tmp_path) == [*(f"step-{step:06d}.parquet" for step in range(11, 14)), "steps-000001-000010.parquet"]
    assert read(tmp_path) == expected(range(1, BLOCK + 4))
    for step in (1, 7, BLOCK, BLOCK + 1):
        assert read_part(tmp_path, step) == expected([step])
    with pytest.raises(FileNotFoundError):
        read_part(tmp_path, BLOCK + 4)
    assert [(part.first, part.last) for part in list_parts(tmp_path)] == [(1, 10), (11, 11), (12, 12), (13, 13)]


@pytest.mark.parametrize("back", [0, 1, 4, BLOCK - 1, BLOCK, BLOCK + 2, 2 * BLOCK + 1])
def test_going_back_and_on_gives_the_same_files(tmp_path, back):
    last = 2 * BLOCK + 3
    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, range(1, last + 1))
    drop_parts_after(tmp_path / "part", back)
    assert [part.last for part in list_parts(tmp_path / "part")][-1:] == [back][: bool(back)]
    if back:
        assert read(tmp_path / "part") == expected(range(1, back + 1))
    write(tmp_path / "part", range(back + 1, last + 1))
    assert names(tmp_path / "part") == names(tmp_path / "whole")
    for name in names(tmp_path / "whole"):
        one, other = (rollouts_folder(tmp_path / side) / name for side in ("whole", "part"))
        assert one.read_bytes() == other.read_bytes(), name


def test_a_kill_between_block_and_files_reads_every_step_once(tmp_path):
    (tmp_path / "kept").mkdir()
    write(tmp_path / "kept", range(1, BLOCK))
    kept = {path.name: path.read_bytes() for path in rollouts_folder(tmp_path / "kept").iterdir()}
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", range(1, BLOCK + 1))
    for name, content in kept.items():
        (rollouts_folder(tmp_path / "run") / name).write_bytes(content)
    assert read(tmp_path / "run") == expected(range(1, BLOCK + 1))
    drop_parts_after(tmp_path / "run", 6)
    assert read(tmp_path / "run") == expected(range(1, 7))


def test_steps_with_other_columns_become_one_file(tmp_path):
    """A run that was resumed with another reward, and a step without an extracted answer."""
    write(tmp_path, range(1, BLOCK))
    write_part(tmp_path, BLOCK, [{**row, "reward_format": 1.0} for row in rows_of(BLOCK, None)])
    assert names(tmp_path) == ["steps-000001-000010.parquet"]
    assert read_part(tmp_path, 1)[0]["reward_format"] is None
    assert read_part(tmp_path, BLOCK)[0] == {**rows_of(BLOCK, None)[0], "reward_format": 1.0}


def test_a_damaged_step_keeps_the_others_readable(tmp_path):
    write(tmp_path, range(1, BLOCK))
    (rollouts_folder(tmp_path) / "step-000004.parquet").write_bytes(b"PAR1 torn")
    write(tmp_path, [BLOCK])
    assert len(names(tmp_path)) == BLOCK, "nothing was merged"
    assert read_part(tmp_path, 5) == expected([5])
    with pytest.raises(UsageError, match=r"step-000004\.parquet"):
        read(tmp_path)


def test_a_file_with_a_blocks_name_that_is_none_is_named(tmp_path):
    write(tmp_path, [1])
    table = pa.Table.from_pylist(rows_of(2))
    pq.write_table(table, rollouts_folder(tmp_path) / "steps-000011-000020.parquet")
    with pytest.raises(pa.ArrowInvalid):
        read_part(tmp_path, 15)


def test_types_do_not_depend_on_a_steps_values(tmp_path):
    write_part(tmp_path, 1, rows_of(1, None, 1))
    write_part(tmp_path, 2, rows_of(2, "7", 0.25))
    one, other = (pq.read_schema(rollouts_folder(tmp_path) / f"step-00000{step}.parquet") for step in (1, 2))
    assert one == other
