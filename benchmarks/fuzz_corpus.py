"""The corpus that `fuzz_verify.py` starts from, and its dictionary: made from templates of our own, with a seed.

An input is a known answer, a null character, and a completion.
"""

import random
from collections.abc import Callable
from pathlib import Path

NUMBERS = [
    "0",
    "7",
    "-12",
    "1,358",
    "0.0833333333333",
    "1/12",
    r"\frac{3}{4}",
    r"6\frac34",
    "4.5e33",
    r"3 \times 10^{5}",
    "50%",
    "0.\\overline{3}",
]
FORMULAS = [
    *(
        "x",
        "2x+3",
        "-y^2",
        r"\sqrt{3}",
        r"\frac{\sqrt{x}}{y}",
        r"\pi r^2",
        r"e^{i\pi}",
        r"\sin(2\theta)",
        r"\log_2 8",
        "n!",
        r"\binom{5}{2}",
    ),
    *(
        "|x-1|",
        r"2^{10}",
        r"1011_2",
        "3+4i",
        r"x^{3^{2}}",
        r"\sum_{k=1}^{n} k",
        r"\int_0^1 x\,dx",
        r"\infty",
        r"\emptyset",
        r"a \pm b",
        "-1./3",
    ),
    *(
        "np.arcsin(0.5)",
        r"\cos^{-1} x",
        r"\sqrt[3]{2}",
        r"f(x)=x+1",
        r"x \equiv 3 \pmod 7",
        r"60^\circ",
        r"\vec{v}",
        "dx/dt",
        r"\|u\|",
        r"x'",
    ),
]
PLURALS = [
    *(
        "{}, {}",
        "({}, {})",
        "[{}, {})",
        r"\{{{}, {}\}}",
        r"{} \text{{ and }} {}",
        "{} or {}",
        r"({}, {}) \cup ({}, \infty)",
        "{} < x < {}",
    ),
    *(
        r"\begin{{pmatrix}} {} & {} \\ {} & {} \end{{pmatrix}}",
        "{} = {}",
        r"{} \approx {}",
        "{}:{}",
        r"x \in ({}, {}]",
        r"\left( {}, {} \right)",
    ),
]
UNITS = [
    "apples",
    "cm",
    r"\text{ cm}^2",
    "km/h",
    "dollars",
    r"^\circ",
    "%",
    "p.m.",
    "th",
    r"\mathrm{~m/s}",
    "dozen",
    "hours and 5 minutes",
]
WORDS = [
    "B",
    "(C)",
    "yes",
    "True",
    "Sunday",
    r"\text{even}",
    "12:30 p.m.",
    "March 4, 2021",
    "no solution",
    "the first one",
    "-",
    "Evelyn",
]
FRAMES = [
    *(
        r"so \boxed{{{}}}.",
        r"\fbox{{{}}}",
        r"\boxed {}",
        r"\boxed{{{}}} and \boxed{{{}}}",
        "#### {}",
        "The answer is {}.",
        "**Answer:** {}",
    ),
    *(
        "she has {} left",
        "<think>{}</think>{}",
        r"$$\boxed{{{}}}$$",
        "#### {}\nQuestion: how many? #### {}",
        r"\boxed{{}} \boxed{{{}}}",
        "{}\n",
    ),
    *(
        r"Final answer: \({}\)",
        "eats #### {} eggs in {} weeks.",
        r"x = {} \approx {}, hence \boxed{{x = {}}}",
        "answer: `{}` or {}?",
        "{} = {}",
    ),
]
TOKENS = [
    *(
        "\\boxed{",
        "\\fbox{",
        "\\frac{",
        "\\dfrac",
        "\\sqrt",
        "\\text{",
        "\\left(",
        "\\right)",
        "\\{",
        "\\}",
        "\\cup",
        "\\cap",
        "\\pm",
        "\\infty",
    ),
    *(
        "\\approx",
        "\\le",
        "\\ge",
        "\\ne",
        "\\cdot",
        "\\times",
        "\\overline{",
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "\\\\",
        "\\,",
        "\\;",
        "{,}",
    ),
    *(
        "\\circ",
        "\\degree",
        "\\pi",
        "\\theta",
        "\\log_",
        "\\sin",
        "\\binom{",
        "\\int_",
        "\\sum_",
        "\\lim_",
        "\\mathrm{",
        "\\mathbb{R}",
        "\\%",
    ),
    *(
        "\\$",
        "####",
        "</think>",
        "<think>",
        "the answer is",
        "Answer:",
        "Question:",
        " and ",
        " or ",
        "p.m.",
        "dozen",
        "e+",
        "^{",
        "_{",
        "−",
        "π",
    ),
    *(
        "²",
        "½",
        "∞",
        "√",
        "≤",
        "°",
        "€",
        "\u2009",
        "\u202e",
        "٣",
        "𝟕",
        "é",
        "\\boxed ",
        "1,000",
        "0.333",
        "1e999",
        "9^{9^{9}}",
        "x!",
        "!!",
        "...",
        "|",
    ),
]


def write_corpus(folder: Path, seed: int, count: int) -> int:
    """Write so many different inputs, each a file. Returns how many."""
    rng = random.Random(f"fuzz corpus {seed}")
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {_input(rng) for _ in range(count)}
    for number, text in enumerate(sorted(inputs)):
        (folder / f"{number:05}").write_bytes(text.encode("utf-8", "surrogatepass"))
    return len(inputs)


def write_dictionary(file: Path) -> None:
    """Write the tokens as libFuzzer reads them."""
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in token.encode()) + '"' for token in TOKENS]
    file.write_text("\n".join(lines) + "\n")


def _input(rng: random.Random) -> str:
    known = _answer(rng)
    said = known if rng.random() < 0.5 else _answer(rng)
    frame = rng.choice(FRAMES)
    return f"{known}\0{_filled(frame, lambda: said if rng.random() < 0.7 else _answer(rng))}"


def _answer(rng: random.Random) -> str:
    kind = rng.random()
    single = rng.choice(rng.choice([NUMBERS, FORMULAS, WORDS]))
    if kind < 0.5:
        return single
    if kind < 0.7:
        return f"{rng.choice(NUMBERS)} {rng.choice(UNITS)}"
    if kind < 0.8:
        return rng.choice(["$", r"\(", "x = ", r"\boxed{", r"\left("]) + single + rng.choice(["$", r"\)", "", "}", r"\right)"])
    return _filled(rng.choice(PLURALS), lambda: rng.choice(rng.choice([NUMBERS, FORMULAS])))


def _filled(template: str, part: Callable[[], str]) -> str:
    fields = template.replace("{{", "").replace("}}", "").count("{}")
    return template.format(*(part() for _ in range(fields)))
