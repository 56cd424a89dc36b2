"""`outgrow chat --memory`: against the native engine, which reads the whole stream of tokens each time, and what is refused."""

import hashlib
import json
import re
import signal
from pathlib import Path

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from helpers.memory import INIT, memory_policy
from outgrow.cli import chat
from outgrow.cli.app import app
from outgrow.cli.console import strip_control_chars
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import ChatRequest, GenerationRequest, LocalModel, NativeEngine, sync
from outgrow.engines.remembering import RememberingModel, remembering
from outgrow.policy import Policy, Sampling
from outgrow.policy.memory.settings import Kind
from outgrow.policy.micro import make_model, make_tokenizer

QUESTIONS = ["ka=31;w.fo.b.lmu.gi=88;wyv", "gi=?", "ctnff.te.samge.rfj.we=07;vo", "what is ka, now?"]
GREEDY = Sampling(temperature=0.0, max_tokens=12)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Saved models by the rule of their memory. The window has 16 tokens."""
    folder = tmp_path_factory.mktemp("models")
    rules: list[Kind] = ["titans", "gated_delta", "none"]
    for rule in rules:
        memory_policy(rule).save(folder / rule)
    tokenizer = make_tokenizer()
    Policy(make_model(INIT, tokenizer, 0), tokenizer).save(folder / "plain")
    return {name: str(folder / name) for name in (*rules, "plain")}


def _chat(
    model: str, *questions: str, memory: Path | None = None, words: tuple[str, ...] = ("--max-tokens", "12")
) -> tuple[str, str]:
    """Return what is written on standard output and on standard error."""
    options = () if memory is None else ("--memory", str(memory))
    done = CliRunner().invoke(app, ["chat", model, *options, *words], input="\n".join(questions) + "\n", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def _generated(policy: Policy, prompts: list[int], sampling: Sampling = GREEDY) -> list[int]:
    engine = NativeEngine()
    sync(engine, policy)
    return list(engine.generate(GenerationRequest([prompts], 1, sampling, [0]))[0][0].completion_ids)


@pytest.mark.parametrize("rule", ["titans", "gated_delta"])
def test_sessions_answer_as_the_engine_that_reads_all_turns_at_once(rule: Kind, folders: dict[str, str], tmp_path: Path) -> None:
    policy, one, two = memory_policy(rule), tmp_path / "one", tmp_path / "two"
    stream: list[int] = []
    wanted = []
    for question in QUESTIONS:
        turn = f"{'<|end|>' if stream else '<|begin|>'}<|user|>{question}<|assistant|><think>"
        stream += policy.tokenizer(turn, add_special_tokens=False)["input_ids"]
        written = _generated(policy, stream)
        ended = written[-1] == policy.end_id
        stream += written[:-1] if ended else written
        text = policy.tokenizer.decode(written, skip_special_tokens=True)
        wanted.append(f"<think>{strip_control_chars(text)}{'' if ended else '  … cut at --max-tokens'}\n")
    assert _chat(folders[rule], *QUESTIONS, memory=one) == ("".join(wanted), "")
    assert _chat(folders[rule], QUESTIONS[0], memory=two) == (wanted[0], "")
    size = len(two.read_bytes())
    shown, told = _chat(folders[rule], *QUESTIONS[1:], memory=two)
    assert shown == "".join(wanted[1:]) and re.search(r"going on behind the \d+ tokens of ", told)
    assert one.read_bytes() == two.read_bytes()
    assert abs(len(one.read_bytes()) - size) <= 8, "the window was full before, so nothing grows but the number of tokens"
    assert _chat(folders[rule], QUESTIONS[-1])[0] != wanted[-1], "what was read before counts"


def _remembering(rule: Kind, path: Path) -> RememberingModel:
    policy, engine = memory_policy(rule), NativeEngine()
    sync(engine, policy)
    return remembering(LocalModel(policy, engine), "m", path)


def _asked(model: RememberingModel, question: str, sampling: Sampling = GREEDY, seed: int = 0) -> tuple[str, bool]:
    [[answer]] = model.answer(ChatRequest([[{"role": "user", "content": question}]], 1, sampling, [seed]))
    return answer.text, answer.finished


def test_an_answer_that_ended_is_read_with_one_end(tmp_path: Path) -> None:
    """Answers are drawn until one ends by itself; the next turn must stand behind one end token, as the template writes it."""
    model, sampling = _remembering("gated_delta", tmp_path / "kept"), Sampling(max_tokens=60)
    ended = (_asked(model, "2+3=?", sampling, seed) for seed in range(60))
    text = next(text for text, finished in ended if finished and len(text) > 3)
    model.memory.keep()
    policy = model.model.policy
    stream = f"<|begin|><|user|>2+3=?<|assistant|><think>{text}<|end|><|user|>4=?<|assistant|><think>"
    written = _generated(policy, policy.tokenizer(stream, add_special_tokens=False)["input_ids"])
    assert _asked(model, "4=?")[0] == policy.tokenizer.decode(written, skip_special_tokens=True)


def test_a_turn_that_is_not_kept_is_forgotten(tmp_path: Path) -> None:
    model = _remembering("titans", tmp_path / "kept")
    alone = _asked(model, QUESTIONS[1])
    assert _asked(model, QUESTIONS[0]) != alone and _asked(model, QUESTIONS[1]) == alone
    _asked(model, QUESTIONS[0])
    model.memory.keep()
    assert _asked(model, QUESTIONS[1]) != alone


def test_ctrl_c_stops_an_answer_and_the_file_stays(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "kept"
    _chat(folders["titans"], QUESTIONS[0], memory=memory)
    kept = memory.read_bytes()
    second, _ = _chat(folders["titans"], QUESTIONS[1], memory=memory)
    memory.write_bytes(kept)

    class Shown(chat._Shown):
        def show(self, text: str, end: str = "") -> None:
            super().show(text, end)
            if not Shown.stopped and len(text) > 3:
                Shown.stopped = True
                signal.raise_signal(signal.SIGINT)

        stopped = False

    monkeypatch.setattr(chat, "_Shown", Shown)
    shown, told = _chat(folders["titans"], QUESTIONS[2], memory=memory)
    assert "stopped" in told and memory.read_bytes() == kept and shown != ""
    Shown.stopped = False
    shown, told = _chat(folders["titans"], QUESTIONS[2], QUESTIONS[1], memory=memory)
    assert shown.endswith(second) and memory.read_bytes() != kept


def test_a_conversation_beyond_the_context_goes_on_and_is_told_once(folders: dict[str, str], tmp_path: Path) -> None:
    question = "ab=12;" * 30
    shown, told = _chat(folders["titans"], question, question, question, memory=tmp_path / "kept")
    assert shown.count("<think>") == 3
    assert told.count("and was trained on 256 at most") == 1
    _, told = _chat(folders["titans"], memory=tmp_path / "kept")
    assert told.count("and was trained on 256 at most") == 1


def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "kept"
    _chat(folders["titans"], QUESTIONS[0], memory=memory)
    kept = memory.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutgrowError, match="cannot write the memory \\(No space left on device\\)"):
        _chat(folders["titans"], QUESTIONS[1], memory=memory)
    assert memory.read_bytes() == kept and list(tmp_path.iterdir()) == [memory]


def test_what_is_not_this_model_s_memory_is_told_in_one_line(folders: dict[str, str], tmp_path: Path) -> None:
    memory = tmp_path / "kept"
    _chat(folders["titans"], QUESTIONS[0], memory=memory)
    good = memory.read_bytes()

    def refused(name: str, content: bytes | None, path: Path = memory) -> str:
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(OutgrowError) as told:
            _chat(folders[name], QUESTIONS[1], memory=path)
        assert "\n" not in str(told.value) and (content is None or path.read_bytes() == content)
        return str(told.value)

    assert "is the memory of another model" in refused("gated_delta", good)
    flipped = bytearray(good)
    flipped[-5] ^= 1
    foreign = (Path(folders["titans"]) / "model.safetensors").read_bytes()
    header = json.dumps({"__metadata__": {"model": "x"}}).encode()
    for content in (b"", b"text", good[:-1], good[:50], bytes(flipped), foreign, len(header).to_bytes(8, "little") + header):
        assert "is damaged, or is not a memory that `outgrow chat` has saved" in refused("titans", content)
    for name in ("plain", "none"):
        assert f"--memory: {folders[name]} has no memory; name a model" in refused(name, None)
    assert "its folder does not exist" in refused("titans", None, tmp_path / "no" / "kept")
    assert "is not a regular file" in refused("titans", None, tmp_path)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("tokens", torch.tensor([1, 2])),
        ("tokens", torch.tensor(30.0)),
        ("tokens", torch.tensor(2**62)),
        ("layers.1.memory.rule.count_B", torch.tensor([10**9])),
        ("layers.1.memory.rule.count_B", torch.tensor([-1])),
        ("layers.0.keys", torch.tensor(float("nan"))),
        ("layers.1.memory.rule.matrices.0", torch.tensor(float("inf"))),
    ],
)
def test_a_stranger_s_file_with_a_right_checksum_holds_a_state_or_is_refused(
    name: str, wrong: torch.Tensor, folders: dict[str, str], tmp_path: Path
) -> None:
    memory = tmp_path / "kept"
    _chat(folders["titans"], QUESTIONS[0], memory=memory)
    good = memory.read_bytes()
    tensors = safetensors.torch.load(good)
    about = json.loads(good[8 : 8 + int.from_bytes(good[:8], "little")])["__metadata__"]["outgrow"]

    def write() -> None:
        checksum = hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
        memory.write_bytes(safetensors.torch.save(tensors, {"outgrow": json.dumps({**json.loads(about), "sha256": checksum})}))

    write()
    assert memory.read_bytes() == good
    tensors[name] = wrong if name == "tokens" else torch.zeros_like(tensors[name]) + wrong.to(tensors[name].dtype)
    write()
    with pytest.raises(UsageError, match=r"is damaged, or is not a memory"):
        _chat(folders["titans"], QUESTIONS[1], memory=memory)


def test_a_turn_s_tokens_are_the_end_of_the_whole_conversation_s() -> None:
    policy = memory_policy()
    turns = [{"role": role, "content": text} for role, text in (("user", "1+1=?"), ("assistant", "2"), ("user", "{{ 3 }}⟦"))]
    whole, after = policy.chat_ids(turns), policy.turn_ids("{{ 3 }}⟦")
    assert whole[-len(after) :] == after and after[0] == policy.end_id
    assert whole[: -len(after)] == policy.chat_ids(turns[:1])[:-1] + policy.tokenizer("2", add_special_tokens=False)["input_ids"]
    policy.tokenizer.chat_template = "{{ messages[-1]['content'] }}"
    with pytest.raises(UsageError, match="drops earlier answers"):
        policy.turn_ids("?")


def test_the_file_holds_the_tensors_of_the_state() -> None:
    """A state that is taken apart by names and put together again is the same."""
    policy = memory_policy("titans")
    states = [
        branch(torch.randn(1, 21, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([21]))[2]
        for branch in (layer.self_attn.memory for layer in policy.model.model.layers)
    ]
    other = states[1].filled(states[0].named())
    assert other.named().keys() == states[0].named().keys() and {"last_BTO", "rule.matrices.1"} <= other.named().keys()
    assert all(torch.equal(part, states[0].named()[name]) for name, part in other.named().items())
    assert other.nbytes == states[0].nbytes
