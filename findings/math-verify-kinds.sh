#!/usr/bin/env bash
# math-verify 0.9.0: four kinds of wrong answers are called equal, and four kinds of right ones are not.
#
# Expected of a grader of answers: a number in base 3 is not the same digits in base 2; an equation with another left side is not the
# value; M/R is not m/r; (gamma - 2) is not (gamma - 1); a repeating decimal is its fraction; 8\,000 is 8000; an interval is its
# inequality; a root of a quotient is the quotient of roots. Seen: the opposite for all eight, by parse and verify with their defaults,
# each answer in a box and each known answer between dollar signs. Who trains with it rewards the first four and not the last four.
# Exit code 0 while this is so, 1 when it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check math-verify==0.9.0 latex2sympy2_extended==1.11.0 \
    antlr4-python3-runtime==4.13.2 sympy==1.14.0 mpmath==1.3.0
cat > "$place/kinds.py" <<'PYTHON'
import logging
from math_verify import parse, verify

logging.disable()
WRONG = {
    "another base": (r"1011_2", r"1011_3"),
    "another left side": (r"\sqrt{2}", r"a+b=\sqrt{2}"),
    "letter case": (r"\frac{M}{R}", r"\frac{m}{r}"),
    "a Greek letter that SymPy has a number for": (r"(\gamma-1)mc^2", r"(\gamma-2)mc^2"),
}
RIGHT = {
    "a repeating decimal": (r"\frac13", r"0.\overline{3}"),
    "thousands with a thin space": ("8000", r"8\,000"),
    "an interval as an inequality": (r"(-\infty,3]", r"x\le 3"),
    "the root of a quotient": (r"\frac{1}{\sqrt n}", r"\sqrt{1/n}"),
}
changed = 0
for title, pairs, seen in (("wrong answers", WRONG, True), ("right answers", RIGHT, False)):
    for kind, (known, written) in pairs.items():
        equal = verify(parse(f"${known}$"), parse(f"\\boxed{{{written}}}"))
        print(f"{title}: {kind}: {known} and {written}: {'equal' if equal else 'not equal'}")
        changed += equal is not seen
raise SystemExit(1 if changed else 0)
PYTHON
"$place/venv/bin/python" "$place/kinds.py"
