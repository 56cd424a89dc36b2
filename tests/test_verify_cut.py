r"""Answers that are cut short or have lost a piece, as models write them: compared, not raised about, and not the whole answer."""

import re

import pytest

from outgrow.verify.comparison.compare import same
from outgrow.verify.extraction.boxes import boxed

WHOLE = [
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
    r"\begin{cases} x = 1 \\ y = 2 \end{cases}",
    r"\left( -\infty, \frac{1}{2} \right] \cup [3, 5)",
    r"\{ 1, \sqrt[3]{2}, 2 \pm \sqrt{5} \}",
    r"x \equiv 3 \pmod 7",
    r"\frac{\sqrt{3}}{2} \approx 0.866",
    r"f(x) = \begin{vmatrix} x & 1 \\ 0 & x \end{vmatrix}",
    r"\sum_{k=1}^{n} \binom{n}{k} = 2^n - 1",
    r"1011_2",
    r"6\frac{3}{4} \text{ cm}^2",
    r"12:30 \text{ p.m.}",
    r"\log_{2} \left| x^{3} \right|",
]


@pytest.mark.parametrize("whole", WHOLE)
def test_a_piece_of_an_answer_raises_nothing(whole):
    """Every beginning, every end, and the answer without each command, sign or word."""
    cut = {whole[:index] for index in range(len(whole))} | {whole[index:] for index in range(1, len(whole))}
    lost = {whole[: piece.start()] + whole[piece.end() :] for piece in re.finditer(r"\\?[A-Za-z]+|\S", whole)}
    for text in cut | lost:
        for known, answer in ((whole, text), (text, whole), (text, text + " "), ("7", text), (text, "7")):
            assert same(known, answer) in (True, False)
    assert same(whole, f" {whole} ")
    assert not same(whole, whole[: len(whole) // 3])


@pytest.mark.parametrize("symbol", ["\ud800", "\x00", "\u202e", "\U0001d7d5"])
def test_odd_characters_are_symbols_like_others(symbol):
    """JSON may hold half a character; no text can be encoded with it."""
    for whole in (f"2{symbol} + 3", f"\\vec{{{symbol}}}", f"{symbol}^2 = 4", f"\\sqrt{{v{symbol}}}"):
        assert same(whole, f" {whole} ")
        assert not same(whole, "\\vec{v}") and not same("2x + 3", whole)


@pytest.mark.parametrize("content", [r"\\\{1\}", r"\begin{cases} 1 \\\{x\} \end{cases}", r"1 \\ {2}", r"a\\\\{b}\\", r"\{\}"])
def test_a_box_ends_where_its_braces_do(content):
    r"""A line break is two backslashes, and escapes no brace behind it; `\\boxed`, as JSON writes it, is a box."""
    assert boxed(rf"so \boxed{{{content}}} it is") == content
    assert boxed(rf"{{ \\\boxed{{{content}}} }} and \{{") == content
    assert boxed(rf"\\boxed{{{content}}}") == content
