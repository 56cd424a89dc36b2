"""Print every figure that stands in benchmarks/results, and put them into docs/results/speed.md.

python benchmarks/table.py
"""

import json
from pathlib import Path

from bench import RESULTS, Found, told

PAGE = Path(__file__).parent.parent / "docs" / "results" / "speed.md"
BEGINS, ENDS = "<!-- benchmarks/table.py writes from here -->\n", "<!-- to here -->\n"
NAMES = (
    "vs_trl_smollm2-135m",
    "vs_trl_micro",
    "time_to_target_micro",
    "time_to_target_smollm2-135m",
    "rollouts_05b",
    "vs_vllm",
    "growth",
    "scale",
)


def line(found: Found, name: str) -> str:
    """A row of the page's table."""
    spread = f"{found['median']:.3g}"
    if found["lowest"] < found["highest"]:
        spread += f" ({found['lowest']:.3g} to {found['highest']:.3g})"
    if found["must"] is None:
        return f"| {found['figure']} | | {spread} | | `{name}.json` |\n"
    aim = f"{'≥' if found['least'] else '≤'} {found['must']:g}"
    if "reach" in found:
        aim += f", reach for {found['reach']:g}"
    verdict = "met" if found["met"] else "falls short"
    return f"| {found['figure']} | {aim} | {spread} | {verdict} | `{name}.json` |\n"


def main() -> None:
    table = "| figure | aim | median (lowest to highest) | | in `benchmarks/results` |\n|---|---|---|---|---|\n"
    for name in NAMES:
        if not (RESULTS / f"{name}.json").exists():
            print(f"\n{name}: not measured yet")
            continue
        found = json.loads((RESULTS / f"{name}.json").read_text())
        print(f"\n{name}: {found['machine']['processor']}, {found['machine']['cores']} cores")
        print(*map(told, found["table"]), sep="\n")
        table += "".join(line(row, name) for row in found["table"])
    head, rest = PAGE.read_text().split(BEGINS)
    PAGE.write_text(head + BEGINS + table + ENDS + rest.split(ENDS)[1])


if __name__ == "__main__":
    main()
