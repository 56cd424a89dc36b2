"""The rules of memory, against the same rules written token by token, with gradients by autograd."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from outgrow.policy.memory.delta import Delta, LinearAttention
from outgrow.policy.memory.rule import Reading, Rule
from outgrow.policy.memory.titans import Titans

WIDTH, HIDDEN, HEADS = 6, 5, 2


def _titans(depth: int = 2, chunk: int = 1, momentum: bool = True, decay: bool = True) -> Titans:
    torch.manual_seed(0)
    rule = Titans(HEADS, WIDTH, HIDDEN, depth, chunk, momentum, decay).double()
    for matrix in rule.first:
        torch.nn.init.normal_(matrix, std=0.4)
    return rule


RULES = [_titans(), _titans(chunk=4), _titans(1, 5), _titans(3, 4), Delta(True), Delta(False), LinearAttention()]
_EXACT = {Delta: 1e-5}  # transformers' function computes in float32


def _reading(lengths: list[int], seed: int = 0, step: float = 0.3) -> Reading:
    draw = torch.Generator().manual_seed(seed)
    rows, longest = len(lengths), max(lengths)

    def normal(width: int) -> Tensor:
        return torch.randn(rows, HEADS, longest, width, generator=draw, dtype=torch.float64)

    def share(largest: float) -> Tensor:
        return largest * torch.rand(rows, HEADS, longest, generator=draw, dtype=torch.float64)

    query, key = F.normalize(normal(WIDTH), dim=-1), F.normalize(normal(WIDTH), dim=-1)
    return Reading(query, key, normal(WIDTH), share(step), share(0.2), share(0.9), torch.tensor(lengths))


def _part(reading: Reading, rows: slice, tokens: slice) -> Reading:
    """Return some rows and tokens, all of which are real."""
    parts = [getattr(reading, name)[rows, :, tokens] for name in list(Reading.__dataclass_fields__)[:-1]]
    return Reading(*parts, torch.full((len(parts[0]),), parts[0].shape[2]))


def _by_token(rule: Titans, reading: Reading, row: int, head: int, chunk: int = 1) -> list[Tensor]:
    """Titans as the paper writes it: a step of gradient descent for each token, with the gradient at the start of its chunk."""
    matrices = [each[head].detach() for each in rule.first]
    surprise = [torch.zeros_like(each) for each in matrices]

    def network(x: Tensor, weights: list[Tensor]) -> Tensor:
        for matrix in weights[:-1]:
            x = F.silu(matrix @ x) / (0.356 * len(matrix)) ** 0.5
        return weights[-1] @ x

    answers = []
    for token in range(int(reading.lengths_B[row])):
        if token % chunk == 0:
            start = matrices
        leaves = [each.detach().requires_grad_() for each in start]
        at = (row, head, token)
        loss = (network(reading.key_BHTd[at], leaves) - reading.value_BHTd[at]).square().sum()
        gradients = torch.autograd.grad(loss, leaves)
        norm = torch.sqrt(sum(each.square().sum() for each in gradients))
        gradients = [each * min(1.0, 10 / float(norm)) for each in gradients]
        momentum = reading.momentum_BHT[at] if rule.momentum else 0.0
        kept = 1 - reading.decay_BHT[at] if rule.decay else 1.0
        surprise = [momentum * s - reading.step_BHT[at] * g for s, g in zip(surprise, gradients, strict=True)]
        matrices = [kept * m + s for m, s in zip(matrices, surprise, strict=True)]
        answers.append(network(reading.query_BHTd[at], matrices))
    return answers


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(("momentum", "decay"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("chunk", [1, 4])
def test_titans_is_the_paper_s_rule(depth: int, momentum: bool, decay: bool, chunk: int) -> None:
    """Token by token at chunk 1; at a larger chunk with the gradients of its start, which is what the paper trains."""
    rule, reading = _titans(depth, chunk, momentum, decay), _reading([11, 7])
    answer_BHTd, _, _ = rule(reading, None)
    for row, head in [(0, 0), (0, 1), (1, 1)]:
        expected = torch.stack(_by_token(rule, reading, row, head, chunk))
        assert torch.allclose(answer_BHTd[row, head, : len(expected)], expected, atol=1e-9)


@pytest.mark.parametrize(("chunk", "bound"), [(16, 0.25), (32, 0.4), (64, 0.5)])
def test_larger_chunks_stay_near_the_rule_by_token(chunk: int, bound: float) -> None:
    """With small steps, whose gradients change little within a chunk: the bound is a share of the answers' size."""
    reading = _reading([128, 128], step=0.02)
    by_token, by_chunk = (_titans(chunk=size)(reading, None)[0].detach() for size in (1, chunk))
    assert 0 < float((by_chunk - by_token).norm() / by_token.norm()) < bound


@pytest.mark.parametrize(
    "rule", [_titans(), _titans(chunk=4), _titans(1, 4), Delta(True), Delta(False), LinearAttention()], ids=str
)
def test_no_token_changes_what_was_answered_before_it(rule: Rule) -> None:
    reading = _reading([12, 9])
    before, *_ = rule(reading, None)
    reading.key_BHTd[:, :, 6] *= -1
    reading.value_BHTd[:, :, 6] += 3
    reading.step_BHT[:, :, 6] = 0.9
    reading.decay_BHT[:, :, 6] = 0.5
    reading.momentum_BHT[:, :, 6] = 0.1
    after, *_ = rule(reading, None)
    assert torch.equal(before[:, :, :6], after[:, :, :6])
    assert not torch.allclose(before[:, :, 6:9], after[:, :, 6:9])


@pytest.mark.parametrize(
    "rule", [_titans(), _titans(chunk=4), _titans(1, 4), Delta(True), Delta(False), LinearAttention()], ids=str
)
def test_rows_do_not_see_each_other_and_padding_does_not_count(rule: Rule) -> None:
    reading = _reading([11, 5, 8])
    together, _, state = rule(reading, None)
    for row, length in enumerate([11, 5, 8]):
        single, _, its_state = rule(_part(reading, slice(row, row + 1), slice(length)), None)
        assert torch.allclose(together[row, :, :length], single[0], atol=_EXACT.get(type(rule), 1e-12))
        later = _part(_reading([4], seed=9), slice(1), slice(4))
        from_batch, *_ = rule(later, state.rows(torch.tensor([row])))
        assert torch.allclose(from_batch, rule(later, its_state)[0], atol=_EXACT.get(type(rule), 1e-12))


@pytest.mark.parametrize("cuts", [(1, 2, 3, 5), (4, 8), (7,), tuple(range(1, 13))])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_row_that_is_cut_anywhere_is_read_on(rule: Rule, cuts: tuple[int, ...]) -> None:
    reading = _reading([13, 13])
    whole, whole_surprise, _ = rule(reading, None)
    state, parts, surprises = None, [], []
    for first, end in zip((0, *cuts), (*cuts, 13), strict=True):
        answer, surprise, state = rule(_part(reading, slice(2), slice(first, end)), state)
        parts.append(answer)
        surprises.append(surprise)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=_EXACT.get(type(rule), 1e-9))
    if whole_surprise is not None:
        assert torch.allclose(torch.cat(surprises, 2), whole_surprise, atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 4])
def test_pairs_that_come_again_surprise_less_each_time(chunk: int) -> None:
    torch.manual_seed(0)
    rule = Titans(1, 16, 32, 2, chunk, momentum=True, decay=True)
    rule.reset()
    keys, values = F.normalize(torch.randn(1, 1, 8, 16), dim=-1).repeat(1, 1, 5, 1), torch.randn(1, 1, 8, 16).repeat(1, 1, 5, 1)
    ones = torch.ones(1, 1, 40)
    _, surprise, _ = rule(Reading(keys, keys, values, 0.2 * ones, 0.001 * ones, 0.1 * ones, torch.tensor([40])), None)
    passes = surprise.detach().flatten().view(5, 8).mean(1).tolist()
    assert passes == sorted(passes, reverse=True) and passes[4] < 0.6 * passes[0]


@pytest.mark.parametrize("depth", [1, 2])
def test_gradients_of_titans(depth: int) -> None:
    rule, reading = _titans(depth, 3), _reading([5, 4])
    names = list(Reading.__dataclass_fields__)[:-1]
    tensors = [getattr(reading, name).requires_grad_() for name in names]

    def answers(*values: Tensor) -> Tensor:
        answer, *_ = rule(Reading(*values, reading.lengths_B), None)
        return torch.cat([answer[0, :, :5].flatten(), answer[1, :, :4].flatten()])

    assert torch.autograd.gradcheck(answers, tensors)
    answers(*tensors).square().sum().backward()
    assert all(matrix.grad is not None and matrix.grad.abs().sum() > 0 for matrix in rule.first)


def test_the_memory_stays_bounded_over_a_long_text() -> None:
    """10⁵ tokens whose values never agree, with the largest steps."""
    torch.manual_seed(0)
    rule = Titans(1, 8, 8, 2, 64, momentum=True, decay=True)
    rule.reset()
    state, largest = None, []
    with torch.no_grad():
        for _ in range(25):
            keys = F.normalize(torch.randn(1, 1, 4000, 8), dim=-1)
            ones = torch.ones(1, 1, 4000)
            _, _, state = rule(
                Reading(keys, keys, 5 * torch.randn_like(keys), ones, 0.01 * ones, 0.9 * ones, torch.tensor([4000])), state
            )
            largest.append(max(float(each.abs().max()) for each in state.matrices))
    assert max(largest) < 1e4 and max(largest[12:]) < 2 * max(largest[:12])
    assert all(torch.isfinite(each).all() for each in state.matrices)


@pytest.mark.parametrize("gated", [True, False])
def test_the_delta_rules_token_by_token(gated: bool) -> None:
    reading = _reading([9])
    answer, *_ = Delta(gated)(reading, None)
    matrix = torch.zeros(WIDTH, WIDTH, dtype=torch.float64)
    for token in range(9):
        at = (0, 1, token)
        key, kept = reading.key_BHTd[at], 1 - reading.decay_BHT[at] if gated else 1.0
        matrix = kept * matrix
        matrix = matrix + reading.step_BHT[at] * torch.outer(key, reading.value_BHTd[at] - matrix.T @ key)
        assert torch.allclose(answer[at], (matrix.T @ reading.query_BHTd[at]), atol=1e-5)  # the function computes in float32


def test_linear_attention_token_by_token() -> None:
    reading = _reading([70])
    answer, *_ = LinearAttention()(reading, None)
    matrix = torch.zeros(WIDTH, WIDTH, dtype=torch.float64)
    for token in range(70):
        at = (0, 1, token)
        matrix = (1 - reading.decay_BHT[at]) * matrix + reading.step_BHT[at] * torch.outer(
            reading.key_BHTd[at], reading.value_BHTd[at]
        )
        assert torch.allclose(answer[at], matrix.T @ reading.query_BHTd[at], atol=1e-9)


def test_a_memory_without_decay_and_momentum_is_deltanet_at_chunk_1() -> None:
    """‖Mk − v‖² has the gradient 2(Mk − v)kᵀ, so that the step of the delta rule is twice that of Titans."""
    rule, reading = _titans(1, 1, momentum=False, decay=False), _reading([10, 10])
    torch.nn.init.zeros_(rule.first[0])
    answer, *_ = rule(reading, None)
    assert torch.allclose(answer, Delta(False)(replace(reading, step_BHT=2 * reading.step_BHT), None)[0], atol=1e-5)
