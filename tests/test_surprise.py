"""`outgrow surprise`: surprise, loss and effects against second computations, and what terminal and page show."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from scipy.stats import spearmanr
from typer.testing import CliRunner

from outgrow.cli.app import app
from outgrow.core.errors import UsageError
from outgrow.evaluate import surprise as module
from outgrow.evaluate.surprise import Answered, Surprise, lost_without, surprise_of
from outgrow.evaluate.surprise_row import Row, row_of
from outgrow.policy import Policy
from outgrow.policy.memory.convert import add_memory
from outgrow.policy.memory.delta import Delta
from outgrow.policy.memory.rule import Reading
from outgrow.policy.memory.settings import Kind, Memory
from outgrow.policy.memory.titans import Titans
from outgrow.policy.memory.watch import rules
from outgrow.policy.micro import MicroInit, make_model, make_tokenizer
from outgrow.report.surprise import render

INIT = MicroInit(layers=2, hidden=32, heads=4, kv_heads=2, feed_forward=64, context=64)
TEXT, QUESTION = "ab=12;.xyz.cd=34;ab=12;qq", "ab="


def _policy(rule: Kind | None = "delta") -> Policy:
    """A random model whose gates are open a little, so that the memory counts and rounding does not grow; None for no memory."""
    tokenizer = make_tokenizer()
    model = make_model(INIT, tokenizer, 0)
    if rule is not None:
        settings = Memory.model_validate({"rule": rule, "window": 8, "heads": 2, "width": 8, "hidden": 8, "chunk": 4})
        model = add_memory(model, settings, seed=0)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if name.endswith(("memory.gate", "memory.gates.weight")):
            torch.nn.init.normal_(parameter, std=0.1)
    return Policy(model.eval(), tokenizer)


def _measured(rule: Kind, double: bool = True) -> tuple[Policy, Surprise]:
    policy = _policy(rule)
    if double:
        policy.model.double()
    return policy, surprise_of(policy, row_of(policy, TEXT, QUESTION), rule, question=True)


def _readings(policy: Policy, row: Row) -> list[Reading]:
    """Return what each layer's memory is given when the model reads the row at once."""
    found: list[Reading] = []
    handles = [rule.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0])) for rule in rules(policy.model)]
    with torch.no_grad():
        policy.model(torch.tensor([row.ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("rule", ["delta", "gated_delta"])
def test_surprise_of_the_delta_rules_is_what_is_answered_wrongly(rule: Kind) -> None:
    policy, found = _measured(rule)
    for layer, reading in enumerate(_readings(policy, found.row)):
        for head in range(2):
            matrix = torch.zeros(8, 8, dtype=torch.float64)
            for token in range(len(found.row.ids)):
                at = (0, head, token)
                if rule == "gated_delta":
                    matrix = (1 - reading.decay_BHT[at]) * matrix
                wrong = reading.value_BHTd[at] - matrix.T @ reading.key_BHTd[at]
                assert found.surprise_LHT[layer, head, token] == pytest.approx(float(wrong.norm()), abs=2e-5)
                matrix = matrix + reading.step_BHT[at] * torch.outer(reading.key_BHTd[at], wrong)


def test_surprise_of_titans_is_the_length_of_the_gradient() -> None:
    policy, found = _measured("titans")
    for layer, (rule, reading) in enumerate(zip(rules(policy.model), _readings(policy, found.row), strict=True)):
        assert isinstance(rule, Titans)
        for head in range(2):  # the first chunk, whose gradients are taken at the memory's first values
            for token in range(4):
                leaves = [matrix[head].detach().requires_grad_() for matrix in rule.first]
                between = F.silu(leaves[0] @ reading.key_BHTd[0, head, token]) / (0.356 * 8) ** 0.5
                loss = (leaves[1] @ between - reading.value_BHTd[0, head, token]).square().sum()
                norm = torch.cat([each.flatten() for each in torch.autograd.grad(loss, leaves)]).norm()
                assert found.surprise_LHT[layer, head, token] == pytest.approx(float(norm), rel=1e-5)


def test_losses_are_cross_entropies_of_the_model_s_logits() -> None:
    policy, found = _measured("gated_delta", double=False)
    ids = torch.tensor(found.row.ids)
    with torch.no_grad():
        expected = F.cross_entropy(policy.model(ids[None]).logits[0, :-1], ids[1:], reduction="none")
    assert found.losses[0] is None
    assert found.losses[1:] == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_pair_that_comes_again_surprises_less() -> None:
    rule = Delta(gated=False)
    keys = F.normalize(torch.randn(1, 1, 4, 8, generator=torch.Generator().manual_seed(0)), dim=-1).repeat(1, 1, 3, 1)
    values = torch.randn(1, 1, 4, 8, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 3, 1)
    steps = torch.full((1, 1, 12), 0.5)
    first, second, third = rule.wrong(Reading(keys, keys, values, steps, steps, steps, torch.tensor([12])), None)[0, 0].split(4)
    assert (second < first).all() and third.mean() < second.mean()


@pytest.mark.parametrize("rule", ["delta", "gated_delta", "titans"])
def test_pieces_do_not_change_what_is_read(rule: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = _measured(rule)
    monkeypatch.setattr(module, "_PIECE", 5)
    _, pieces = _measured(rule)
    assert torch.allclose(whole.surprise_LHT, pieces.surprise_LHT, atol=1e-4)
    assert whole.losses[1:] == pytest.approx(pieces.losses[1:], abs=1e-4)
    assert whole.answered is not None and pieces.answered is not None
    assert torch.allclose(whole.answered.effect_LHT, pieces.answered.effect_LHT, atol=1e-4)


def _logprob(policy: Policy, row: Row, token: int, place: tuple[int, int, int] | None, share: float) -> float:
    """Return log p of the token after the row where one place of one head and layer writes a share."""

    def weaker(at: tuple[int, int, int]) -> object:
        layer, head, token = at
        rule = rules(policy.model)[layer]

        def change(_: object, inputs: tuple[Reading, object]) -> None:
            inputs[0].step_BHT[0, head, token] *= share

        return rule.register_forward_pre_hook(change)

    handles = [weaker(place)] if place else []
    with torch.no_grad():
        logits = policy.model(torch.tensor([row.ids]), use_cache=False).logits[0, -1]
    for handle in handles:
        handle.remove()
    return float(logits.log_softmax(-1)[token])


@pytest.mark.parametrize("rule", ["titans", "gated_delta"])
def test_effects_are_finite_differences_and_add_up(rule: Kind) -> None:
    policy, found = _measured(rule)
    answered = found.answered
    assert isinstance(answered, Answered)
    assert answered.logprob == pytest.approx(_logprob(policy, found.row, answered.token, None, 1.0), abs=1e-4)
    step = 1e-3 if rule == "titans" else 1e-2  # the delta rules compute in float32
    largest = float(answered.effect_LHT.abs().max())
    assert largest > 1e-4
    for layer, head, place in ((0, 0, 3), (0, 1, 11), (1, 0, 4), (1, 1, 20)):
        ends = [_logprob(policy, found.row, answered.token, (layer, head, place), 1 + sign * step) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert float(answered.effect_LHT[layer, head, place]) == pytest.approx(slope, abs=0.02 * largest)
    assert answered.effects() == pytest.approx([a + b for a, b in zip(answered.effects(0), answered.effects(1), strict=True)])


def test_lost_without_a_token_is_the_logprob_with_it_less_that_without() -> None:
    """All heads and layers together are silent at the place."""
    policy, found = _measured("titans")
    answered = found.answered
    assert answered is not None
    [lost, nothing] = lost_without(policy, found.row, answered.token, [4, len(found.row.ids) - 1])
    handles = []
    for rule in rules(policy.model):

        def silent(_: object, inputs: tuple[Reading, object]) -> None:
            inputs[0].step_BHT[:, :, 4] = 0

        handles.append(rule.register_forward_pre_hook(silent))
    without = _logprob(policy, found.row, answered.token, None, 1.0)
    for handle in handles:
        handle.remove()
    assert lost == pytest.approx(_logprob(policy, found.row, answered.token, None, 1.0) - without, abs=1e-5)
    assert lost != 0 and nothing != 0  # the last token reads what it wrote itself


def test_correlation_is_spearman_s_over_the_tokens_that_have_a_loss() -> None:
    _, found = _measured("delta")
    value, n = found.correlation()
    assert n == len(TEXT) + len(QUESTION) - 1
    assert value == pytest.approx(spearmanr(found.surprise()[1:], found.losses[1:]).statistic)


@pytest.mark.parametrize("chat", [False, True])
def test_an_answer_that_has_begun_is_read_and_not_shown(chat: bool) -> None:
    policy = _policy("titans")
    row, begun = row_of(policy, "k=7;", "k=?", chat), row_of(policy, "k=7;", "k=?", chat, "k=")
    assert begun.ids == [*row.ids, *policy.tokenizer("k=", add_special_tokens=False)["input_ids"]]
    assert (begun.pieces, begun.shown) == (row.pieces, row.shown)


@pytest.mark.parametrize("chat", [False, True])
def test_pieces_are_the_text_and_the_question(chat: bool) -> None:
    policy = _policy()
    row = row_of(policy, "a\nb <think>é", " c?", chat)
    assert "".join(row.pieces) == "a\nb <think>é c?"
    if chat:
        assert row.ids == policy.prompt_ids("a\nb <think>é c?")
    assert policy.tokenizer.decode(row.ids[row.first : row.first + 4]) == "a\nb "


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Saved models by the rule of their memory."""
    folder = tmp_path_factory.mktemp("models")
    kinds: list[Kind | None] = ["delta", "linear_attention", "none", None]
    for kind in kinds:
        _policy(kind).save(folder / str(kind or "plain"))
    return {str(kind or "plain"): str(folder / str(kind or "plain")) for kind in kinds}


def _run(*words: str, stdin: str | bytes | None = None) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["surprise", *words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, UsageError), result.exception
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def test_the_terminal_shows_the_most_surprising_tokens_and_what_is_read(folders: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text(f"{TEXT}\n")
    code, shown = _run(folders["delta"], "--file", str(tmp_path / "text"), "--question", QUESTION)
    assert code == 0 and f"over {len(TEXT + QUESTION) - 1} tokens" in shown and "\x1b" not in shown
    surprising, read = re.split("what the question reads", shown)
    assert len(re.findall(r'(?m)^\s*"', surprising)) == 10 == len(re.findall(r'(?m)^\s*"', read))
    numbers = [float(line.split()[1]) for line in re.findall(r'(?m)^\s*".*$', surprising)]
    assert numbers == sorted(numbers, reverse=True)
    assert _run(folders["delta"], "-", "--question", QUESTION, stdin=f"{TEXT}\n")[1] == shown
    assert _run(folders["delta"], TEXT, "--question", QUESTION)[1] == shown
    assert _run(folders["delta"], TEXT, "--layer", "1")[1] != _run(folders["delta"], TEXT, "--layer", "0")[1]


def test_a_table_that_leaves_tokens_out_says_so(folders: dict[str, str], tmp_path: Path) -> None:
    left_out = "among the tokens of text and question; those of the template and of the answer are not listed"
    for words, said in (([], 0), (["--chat"], 1), (["--answer", "ab="], 1)):
        page = tmp_path / f"{len(words)}{said}.html"
        _, shown = _run(folders["delta"], TEXT, "--question", QUESTION, "--html", str(page), *words)
        assert (" ".join(shown.split()).count(left_out), page.read_text().count(left_out)) == (said, said)


def test_a_terminal_shows_the_text_in_colours(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(force_terminal=True, color_system="truecolor", no_color=False, width=100, file=io.StringIO())
    monkeypatch.setattr("outgrow.cli.surprise.console", terminal)
    assert _run(folders["delta"], TEXT)[0] == 0
    shown = terminal.file.getvalue()
    first = next(line for line in shown.splitlines() if re.sub("\x1b\\[[^m]*m", "", line) == TEXT)
    assert len(set(re.findall("48;2;[0-9;]+", first))) > 2
    assert re.search(r"surprise .*5th to 95th percentile", re.sub("\x1b\\[[^m]*m", "", shown))


def test_a_text_beyond_the_context_is_read_with_a_warning(folders: dict[str, str]) -> None:
    code, shown = _run(folders["delta"], "ab=12;" * 20)
    assert code == 0 and "these are 120 tokens, and the model was trained on 64 at most" in " ".join(shown.split())


def test_characters_without_a_token_are_told(folders: dict[str, str]) -> None:
    code, shown = _run(folders["delta"], "ab=12;Ω", "--question", "é=", "--answer", "½")
    assert code == 0 and "the model cannot read these characters, for which its tokenizer has no token: Ω é ½" in " ".join(
        shown.split()
    )


@pytest.mark.parametrize(
    ("model", "words", "said"),
    [
        ("plain", [TEXT], r"has no memory; name a model that was trained with .*policy\.memory"),
        ("linear_attention", [TEXT], r"by the rule linear_attention, which has no surprise; train one with"),
        ("none", [TEXT], r"by the rule none, which has no surprise"),
        ("delta", [], r"give the text, or --file PATH, or - for standard input$"),
        ("delta", [TEXT, "--file", "x"], r"not two of them"),
        ("delta", [" "], r"the text is empty"),
        ("delta", ["\udcff"], r"the text is not UTF-8"),
        ("delta", [TEXT, "--layer", "2"], r"--layer 2: this model has the layers 0 to 1"),
        ("delta", [TEXT, "--html", "no/page.html"], r"its folder does not exist"),
        ("delta", [TEXT, "--html", __file__], r"already exists; choose another --html"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(folders: dict[str, str], model: str, words: list[str], said: str) -> None:
    code, message = _run(folders[model], *words)
    assert code == 2 and "\n" not in message and re.search(said, message)


class _Tokens(HTMLParser):
    """The tokens of each heat of a page, its scripts, and its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.heats: dict[str, list[str]] = {}
        self.titles: list[str] = []
        self.tags: list[str] = []
        self.data = ""
        self._heat, self._in_token, self._in_data = "", False, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append(tag)
        self._in_data = said.get("id") == "data"
        if tag == "pre":
            self._heat = str(said["id"])
        self._in_token = "token" in (said.get("class") or "").split()
        if self._in_token:
            self.heats.setdefault(self._heat, []).append("")
            self.titles.append(str(said["title"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_token = self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_token:
            self.heats[self._heat][-1] += data
        if self._in_data:
            self.data += data


def test_the_page_has_both_heats_escaped_with_numbers_for_every_choice(folders: dict[str, str], tmp_path: Path) -> None:
    page, hostile = tmp_path / "page.html", "<script>alert('1')</script>\n&amp;"
    code, shown = _run(folders["delta"], hostile, "--question", '"?', "--html", str(page))
    assert code == 0, shown
    source = page.read_text()
    tokens = _Tokens(source)
    assert source.count("<script") == 2 and "alert('1')" not in source
    assert list(tokens.heats) == ["surprise", "loss", "effect"]
    for pieces in tokens.heats.values():
        assert "".join(pieces) == (hostile + '"?').replace("\n", "↵\n")
    data = json.loads(tokens.data)
    assert set(data["surprise"]) == {f"{layer},{head}" for layer in ("all", 0, 1) for head in ("all", 0, 1)} == set(data["effect"])
    first = [data["surprise"][f"{layer},{head}"]["values"][5] for layer in (0, 1) for head in (0, 1)]
    assert data["surprise"]["all,all"]["values"][5] == pytest.approx(sum(first) / 4, rel=1e-3)
    assert f"surprise {data['surprise']['all,all']['values'][5]:.3g}, loss {data['losses'][5]:.3g} nats" in tokens.titles[5]
    assert "http" not in re.sub(r"http-equiv", "", source)


def test_a_memory_whose_gates_are_shut_answers_nothing() -> None:
    policy = _policy()
    for name, parameter in policy.model.named_parameters():
        if name.endswith("memory.gate"):
            torch.nn.init.zeros_(parameter)
    found = surprise_of(policy, row_of(policy, TEXT, QUESTION), "delta", question=True)
    assert found.answered is not None and found.answered.effects() == [0.0] * len(found.row.ids)
    assert "gates of the memory are 0" in render(found, None, [], "m")
