"""Print every figure that stands in benchmarks/results, and put them into docs/results/speed.md.

python benchmarks/table.py
"""

import json
from collections import Counter
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


def line(found: Found, processor: str, name: str) -> str:
    """A row of the page's table."""
    spread = f"{found['median']:.3g}"
    if found["lowest"] < found["highest"]:
        spread += f" ({found['lowest']:.3g} to {found['highest']:.3g})"
    aim, verdict = "", ""
    if found["must"] is not None:
        aim = f"{'≥' if found['least'] else '≤'} {found['must']:g}"
        verdict = "met" if found["met"] else "falls short"
    if "reach" in found:
        aim += f", reach for {found['reach']:g}"
    cells = (found["figure"], aim, spread, verdict, processor, f"`{name}`")
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


def kept(name: str, folder: Path = RESULTS) -> dict[str, Found]:
    """What was measured on each kind of processor, by the file's name."""
    return {file.name: json.loads(file.read_text()) for file in sorted(folder.glob(f"{name}.*.json"))}


def merged(found: dict[str, Found]) -> str:
    """The rows of some files, in the order of the first; of one figure those of each file together."""
    rows: dict[tuple[str, int], str] = {}
    for name, of_file in found.items():
        counts = Counter[str]()
        for each in of_file["table"]:
            key = each["figure"], counts[each["figure"]]
            counts[each["figure"]] += 1
            rows[key] = rows.get(key, "") + line(each, of_file["machine"]["processor"].rsplit(", ", 1)[-1], name)
    return "".join(rows.values())


def main() -> None:
    table = "| figure | aim | median (lowest to highest) | | processor | in `benchmarks/results` |\n|---|---|---|---|---|---|\n"
    for name in NAMES:
        found = kept(name)
        if not found:
            print(f"\n{name}: not measured yet")
        for file, of_file in found.items():
            print(f"\n{file}: {of_file['machine']['processor']}, {of_file['machine']['cores']} cores")
            print(*map(told, of_file["table"]), sep="\n")
        table += merged(found)
    head, rest = PAGE.read_text().split(BEGINS)
    PAGE.write_text(head + BEGINS + table + ENDS + rest.split(ENDS)[1])


if __name__ == "__main__":
    main()
