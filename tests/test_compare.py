"""Answers by kinds: known, written, right or wrong. Every kind has both, so that none can pass by saying always the same."""

import doctest
import importlib
import pkgutil

import pytest

import outgrow.verify
from outgrow.verify.compare import same

RIGHT = {
    "complex numbers": [
        (r"\dfrac{11}{5}-\dfrac{2}{5}i", r"\frac{11-2i}{5}"),
        (r"-\frac34i", "-0.75i"),
        ("3+2i", r"3+2\mathrm{i}"),
        ("1+2i", "2i+1"),
        ("-2-3i", "-(2+3i)"),
        (r"1-\frac{1}{\mathrm{e}}", r"1-\frac{1}{e}"),
        (r"e^{i\pi/3}", r"\frac12+\frac{\sqrt3}{2}i"),
    ],
    "thousands": [
        ("8000", r"8\,000"),
        ("8000", r"8\;000"),
        ("8000", "8 000"),
        ("8000", "8\u2009000"),
        ("1000", "1~000"),
        ("9500", "9{,}500"),
        ("9500", r"\$9,500."),
        ("1000000", r"1\,000\,000"),
        ("1234567", r"1,\!234,\!567"),
        ("10000,2000", "2,000, 10,000"),
    ],
    "units and words": [
        ("18", r"18\ \mathrm{m/s^2}"),
        ("18", r"18\,\mathrm{cm^3}"),
        ("18", r"18 \mathrm{~km} / \mathrm{h}"),
        ("18", r"18\ \mathrm{kg\cdot m/s^2}"),
        ("18", "18 m/s"),
        ("25", "25 m^2"),
        ("5", r"5 \text{ m}/\text{s}"),
        ("5", r"5 \textbf{cm}"),
        ("18", r"18^{\text{th}}"),
        ("3", r"3\text{rd}"),
        ("18", r"\approx 18"),
        ("18", "The sum is $18$"),
        ("18", r"\text{The answer is } 18"),
        ("18", "Total: 18"),
        ("18", "18 is the answer"),
        (r"\frac{8}{25}", r"\frac{8}{25} dollars"),
        (r"\frac{8}{25}", r"\frac{8}{25} cm"),
        (r"18\pi", r"18\pi\text{ cm}^2"),
        (r"\frac{11}{15}\text{ days}", r"\frac{11}{15}"),
        (r"120^\circ", "120"),
    ],
    "signs and quotients": [
        (r"-\frac12", r"\frac{1}{-2}"),
        (r"-\frac12", r"\frac{-1}{2}"),
        (r"-\frac12", r"{-0.5}"),
        ("-3", "–3"),
        ("-3", "−3"),
        ("-3", "(-3)"),
        (r"6 \frac34", "6.75"),
        (r"\frac13", r"0.\overline{3}"),
        (r"0.\overline{6}", r"\frac23"),
        (r"\frac16", r"0.1\bar6"),
        (r"\frac{1}{12}", "0.0833333333333333"),
        (r"\frac{2}{3}", "0.666666666667"),
        (r"\frac{37}{11}", "3.3636363636363638"),  # as Python prints it
        (r"-\frac{31}{8}", r"-\frac{31}{8} \approx -3.88"),
        (r"\frac{\pi}{4}", "0.785398163397448"),
        (r"3 \times 10^{8}", "3e8"),
        (r"2021 \cdot 505 \cdot 337", "343943885"),
    ],
    "lists, sets, tuples, intervals": [
        (r"\{1,2,3\}", r"\{3,2,1\}"),
        (r"\{1,2,3\}", "3,2,1"),
        ("1,2", "2 and 1"),
        ("(2,2), (6,2)", r"(6,2) \text{ and } (2,2)"),
        (r"\text{A, B}", "B, A"),
        (r"\text{(A), (C)}", "C, A"),
        (r"\pm 2", "2, -2"),
        ("-2,2", r"x=\pm2"),
        (r"\frac{-1\pm\sqrt5}{2}", r"\frac{-1-\sqrt5}{2}, \frac{-1+\sqrt5}{2}"),
        (r"\emptyset", r"\varnothing"),
        (r"\emptyset", r"\{\}"),
        (r"(-\infty,3]", r"x\le 3"),
        (r"x\le 3", r"(-\infty,3]"),
        ("(2,5]", r"2 < x \le 5"),
        ("[2,5)", r"5 > x \ge 2"),
        (r"(-\infty,1)\cup(3,\infty)", r"x<1 \text{ or } x>3"),
        (r"x\in[-2,7]", r"\left[-2,7\right]"),
        ("8$,$4", "4,8"),
    ],
    "equations": [
        (r"\sqrt{2}", r"x=\sqrt{2}"),
        ("x=5", "5"),
        ("y=2x+3", "2x+3"),
        ("y=2x+3", "2x-y+3=0"),
        ("f(x)=x-1", "f(x) = -1+x"),
        ("5x-11y+z-17=0", "-5x+11y-z+17=0"),
        ("12", r"x = 3\cdot 4 = 12"),
        (r"\frac13", r"x = 1/3 \approx 0.33"),
        ("0.33", r"x = 1/3 \approx 0.33"),
        ("(2,3)", "(x,y)=(2,3)"),
        ("25", r"\angle ABC = 25^\circ"),
    ],
    "dates and times": [
        ("3:45", "03:45"),
        ("3:30 p.m.", r"3:30 \text{ p.m.}"),
        (r"8:34 \text{ p.m.}", "8:34 PM"),
        ("15:30", "3:30 p.m."),
        (r"9\text{ a.m.}", "9:00 AM"),
        ("3:30 p.m.", "15:30"),
        ("06/10/2021", "6/10/2021"),
        ("3:2", "6:4"),  # a ratio
    ],
    "formulas": [
        (r"\frac{1}{\sqrt n}", r"\sqrt{1/n}"),
        (r"\frac{\pi}{3}", r"60^\circ"),
        ("|x|", r"\sqrt{x^2}"),
        ("(-1)^n", r"\cos(n\pi)"),
        ("n!", "n(n-1)!"),
        (r"\log_2 3", r"\frac{\ln 3}{\ln 2}"),
        (r"\sin 2x", r"2\sin x\cos x"),
        (r"c e^{-t/RC}", r"c\,e^{-\frac{t}{R C}}"),
        ("-1./3", r"-\frac{1}{3}"),
        ("np.arcsin(10/13)", r"\arcsin(10/13)"),
        ("np.sqrt(3)/2", r"\frac{\sqrt{3}}{2}"),
        ("4.5e33", r"4.5 \times 10^{33}"),
        ("ab", "ba"),
        ("7p+4e", "4e + 7p"),
    ],
    "bases": [("1011_2", r"1011_{\text{two}}"), ("1011_2", "1011"), ("52", "52_{10}"), (r"\text{A5}_{11}", "A5_{11}")],
}
WRONG = {
    "a base": [("1011_2", "1011_3"), ("4210_{7}", "4210_{9}"), ("52_8", "52_{10}"), ("52", "52_8"), ("1011_2", "11")],
    "letter case": [
        (r"\frac{M}{R}", r"\frac{m}{r}"),
        ("2N", "2n"),
        ("v_0 t", "V_0 T"),
        ("x", "X"),
        ("ab", "AB"),
        ("S", "s"),
        ("Brand B", "Brand b"),
    ],
    "an equation with another left side": [
        (r"\sqrt{2}", r"0=\sqrt{2}"),
        (r"\sqrt{2}", r"a+b=\sqrt{2}"),
        (r"\sqrt{2}", r"2x+z=\sqrt{2}"),
        ("2", "2=a+b"),
        ("5", "2x=10"),
        ("x=5", "2x=10"),
        ("x=5", "y=5"),
        ("f(x)=x", "g(x)=x"),
    ],
    "steps that do not agree": [("7", "3+4=8=7"), ("7", "7=8"), (r"\frac13", r"\frac13\approx 0.4"), (r"\frac13", "0.33")],
    "dates and times": [
        ("06/10/2021", "12/20/2021"),
        ("06/10/2021", "10/06/2021"),
        ("3:45", "1:15"),
        ("14:10", "7:05"),
        ("3:30 p.m.", "3:30 a.m."),
        ("3:30 p.m.", "3:30"),
        ("9 a.m.", "9 p.m."),
        ("3:45", r"\frac{3}{45}"),
    ],
    "tiny and huge values": [
        (r"6.6 \times 10^{-34} \mathrm{~J} \cdot \mathrm{s}", r"1.1 \times 10^{-30}"),
        (r"\frac{1}{2^{98}}", r"\frac{1}{2^{99}}"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        (r"\frac{2^{2005}+1}{3\cdot 2^{2006}}", r"\frac{1}{3\cdot 2^{2006}}"),
        ("2^{2005}+1", "2^{2005}+2"),
        ("10^{-30}", "0"),
        ("0", "10^{-50}"),
        (r"\sqrt{2}\cdot 10^{-40}", r"\sqrt3\cdot10^{-40}"),
    ],
    "order and brackets": [
        ("(3,1,2)", r"\{3,1,2\}"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "1,2"),
        ("(1,2)", "[1,2]"),
        ("[0,1)", "[0,1]"),
        ("x<3", r"x\le3"),
        ("1,2", "1,2,3"),
        ("1,2,2", "1,2"),
        (r"\pm2", "2"),
        (r"\emptyset", "0"),
        ("0", r"\emptyset"),
    ],
    "names with a meaning elsewhere": [
        (r"(\gamma-1)mc^2", r"(\gamma-2)mc^2"),
        (r"\gamma^{2}-1", r"\gamma^{2}-4"),
        (r"\zeta", r"\eta"),
        (r"\beta^2", r"\beta^3"),
        ("S", "N"),
        ("E", "e"),
    ],
    "i": [("2", r"2\mathrm{i}"), (r"2\mathrm{i}", "2"), ("1+2i", "1-2i"), ("3+2i", "2+3i")],
    "thousands": [("235", "1 234"), ("235", r"1\,234"), ("1000", "1.000"), ("1.5", "1,5")],
    "words that change the value": [
        ("12", r"\text{not }12"),
        ("12", "at least 12"),
        ("12", r"\text{less than } 12"),
        ("12", "The answer is not $12$"),
        ("2", r"2 \text{ to } 3"),
        ("5", r"5 \text{ million}"),
        ("C", r"\text{A or C}"),
    ],
    "formulas": [("|x|", "x"), ("x", r"\sqrt{x^2}"), ("x^2", "2^x"), (r"\sin x", r"\cos x"), (r"\pi", "3.14159"), (r"18\pi", "18")],
}


def cases(table):
    return [pytest.param(*pair, id=f"{kind}: {pair[0]} | {pair[1]}") for kind, pairs in table.items() for pair in pairs]


@pytest.mark.parametrize(("known", "written"), cases(RIGHT))
def test_the_same_answer_written_another_way_is_right(known, written):
    assert same(known, written)


@pytest.mark.parametrize(("known", "written"), cases(WRONG))
def test_another_answer_is_wrong(known, written):
    assert not same(known, written)


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(outgrow.verify.__path__)])
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(importlib.import_module(f"outgrow.verify.{module}")).failed == 0
