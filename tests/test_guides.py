"""The guides of the library and for people from other trainers: what they show runs, and the names in them exist."""

import importlib
import json
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import outgrow
from outgrow.policy.load import model_folder

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
TINY = {
    "policy.model": "micro-base",
    "engine": {"type": "native"},
    "learn": {"steps": 1, "problems_per_step": 2, "group_size": 2},
    "sampling": {"max_tokens": 24},
    "evaluate": {"samples": 1, "every": 0},
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (GUIDES / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, whose modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("myrewards", "myscore"):
        sys.modules.pop(name, None)


def test_the_library_guide_runs_from_top_to_bottom(here, capsys):
    names: dict[str, object] = {}
    for block in blocks("library.md", "python"):
        exec(compile(block, "library.md", "exec"), names)
    run = names["run"]
    assert isinstance(run, outgrow.Run) and run.finished and run.before.n == 20
    assert isinstance(names["finished"], outgrow.Run) and names["finished"].finished
    assert len(names["curve"].pass_rates) == 5
    assert capsys.readouterr().out.splitlines()[-1] == "micro: unknown key 'learn.lrr' (did you mean 'lr'?)"


def sums(start: int, count: int) -> list[tuple[str, str]]:
    pairs = [(a, b) for a in range(10, 30) for b in (3, 5, 8)]
    return [(f"{a}+{b}=?", str(a + b)) for a, b in pairs[start : start + count]]


def write_chats(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [{"prompt": [{"role": "user", "content": question}], "answer": answer} for question, answer in rows]
    path.write_text("\n".join(map(json.dumps, lines)))


def write_verl(path: Path, rows: list[tuple[str, str]]) -> None:
    """Rows as verl's examples/data_preprocess/gsm8k.py writes them."""
    made = [
        {
            "data_source": "sums",
            "prompt": [{"role": "user", "content": question}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": answer},
            "extra_info": {"split": "train", "index": index, "answer": answer, "question": question},
        }
        for index, (question, answer) in enumerate(rows)
    ]
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(made), path)


def test_the_recipe_from_trl_trains_with_its_reward_and_data(here):
    (here / "myrewards.py").write_text(blocks("coming-from.md", "python")[0])
    (here / "sums.toml").write_text(blocks("coming-from.md", "toml")[0])
    shown = json.loads(blocks("coming-from.md", "json")[0])
    write_chats(here / "sums.jsonl", [(shown["prompt"][0]["content"], shown["answer"]), *sums(0, 9)])
    write_chats(here / "held-out.jsonl", sums(30, 4))
    run = outgrow.train("sums.toml", **TINY)
    assert run.finished and run.before.n == 4
    paid = pq.read_table(run.path / "rollouts" / "step-000001.parquet").to_pylist()
    for row in paid:
        numbers = re.findall(r"-?\d+", row["completion"])
        assert row["reward"] == row["reward_myrewards:correct"] == float(bool(numbers) and numbers[-1] == row["answer"])
    assert {row["reward"] for row in paid} > {0.0} or len(paid) == 4


def test_the_recipe_from_verl_trains_with_its_score_and_parquet(here):
    (here / "myscore.py").write_text(blocks("coming-from.md", "python")[2])
    (here / "verl.toml").write_text(blocks("coming-from.md", "toml")[2])
    write_verl(here / "data" / "train.parquet", sums(0, 9))
    write_verl(here / "data" / "test.parquet", sums(30, 4))
    run = outgrow.train("verl.toml", **TINY)
    assert run.finished and run.before.n == 4
    assert "reward_myscore:compute_score" in pq.read_table(run.path / "rollouts" / "step-000001.parquet").column_names


def test_the_lora_table_is_one_of_a_recipe():
    lora = outgrow.load({"name": "x", **_toml(blocks("coming-from.md", "toml")[1])}).policy.lora
    assert (lora.rank, lora.alpha) == (16, 16.0)


def _toml(text: str) -> dict[str, object]:
    return importlib.import_module("tomllib").loads(text)


def test_the_script_of_trl_trains(here):
    """TRL's own trainer on the data and the reward of the page, on a small model and for one step."""
    pytest.importorskip("trl")
    (here / "myrewards.py").write_text(blocks("coming-from.md", "python")[0])
    write_chats(here / "sums.jsonl", sums(0, 16))
    script = blocks("coming-from.md", "python")[1]
    changed = {
        "Qwen/Qwen2.5-0.5B-Instruct": model_folder("micro-base"),
        "max_steps=100": 'max_steps=1, use_cpu=True, bf16=False, report_to="none", save_strategy="no"',
        "per_device_train_batch_size=128": "per_device_train_batch_size=8",
        "max_completion_length=256": "max_completion_length=24",
    }
    for old, new in changed.items():
        assert script.count(old) == 1, old
        script = script.replace(old, new)
    names: dict[str, object] = {}
    exec(compile(script, "train_trl.py", "exec"), names)
    assert names["trainer"].state.global_step == 1


def table(page: str, heading: str) -> list[list[str]]:
    text = (GUIDES / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_of_the_table_exists_on_both_sides():
    trl, peft = pytest.importorskip("trl"), pytest.importorskip("peft")
    theirs = {*trl.GRPOConfig.__dataclass_fields__, *trl.ModelConfig.__dataclass_fields__, *peft.LoraConfig.__dataclass_fields__}
    theirs |= set(trl.GRPOTrainer.__init__.__code__.co_varnames) | {
        "torch_dtype",
        "max_prompt_length",
        "warmup_ratio",
    }  # of older versions
    values = {"grpo", "dapo", "dr_grpo", "group", "none", "sequence", "token", "constant", "type", "weight"}
    rows = table("coming-from.md", "Settings")
    assert len(rows) > 25
    for brought, _, ours in rows:
        names = {name.partition(" = ")[0] for name in re.findall(r"`([^`]+)`", brought)} - values
        assert names <= theirs, names - theirs
        for key in re.findall(r"`([a-z_.]+)`", ours):
            if "." in key and not key.startswith("."):
                assert _is_key(key), key


def _is_key(key: str) -> bool:
    """Whether a dotted key is one of the schema, or of a component of the default recipe."""
    value: object = outgrow.load("micro", **{"policy.lora": {"rank": 8}})
    for name in key.split("."):
        if name not in type(value).model_fields:
            return False
        value = getattr(value, name)
    return True
