"""Write docs/results/qwen2.5-0.5b-gsm8k.md from benchmarks/results/qwen2.5-0.5b-gsm8k.json, which reasoner.py makes.

python benchmarks/reasoner_page.py
"""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from bench import RESULTS, Found
from reasoner import NAME

from outgrow.core.amounts import duration, money
from outgrow.core.counted import counted
from outgrow.core.estimate import Estimate
from outgrow.report import words

PAGE = Path(__file__).parent.parent / "docs" / "results" / f"{NAME}.md"
_HUB = "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"
_FILE = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
_SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
_GRADED = {"right": "right", "wrong": "wrong", "truncated": "cut at the limit", "no_answer": "no final answer"}


_CHANCE = {"arc-easy": 0.25, "commonsenseqa": 0.2, "coin_flip": 0.5}
"""Share of the right answers by guessing one of a problem's choices."""


def page(found: Found) -> str:
    """The whole page."""
    parts = [
        _head(found), _levels(found), _failures(found), _lengths(found), _journeys(found), _course(found), _control(found),
        _suites(found), _harness(found), _texts(found),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _measures(found: Found) -> str:
    """What was measured before and after, as a table."""
    measured = {name: found["measures"][name] for name in ("pass@1", "greedy", "truncated", "no_answer", "length")}
    labels = {
        "pass@1": "pass@1", "greedy": "pass@1, greedy", "truncated": "cut at the limit", "no_answer": "no final answer",
        "length": "tokens",
    }  # fmt: skip
    rows = [
        (
            labels[name],
            *(_shown(each[end], name == "length") for end in ("before", "after")),
            _moved(each["change"], name == "length"),
        )
        for name, each in measured.items()
    ]
    return _table(("", "before", "after", "change, paired"), rows)


def _head(found: Found) -> str:
    seconds = found["seconds"]
    longest = sorted(seconds.items(), key=lambda pair: -pair[1])
    spent = ", ".join(f"{name.replace('_', ' ')} {duration(each)}" for name, each in longest if each >= 1)
    taken_over = (
        ""
        if "evaluation_before" in seconds
        else (" The measurement before training is not in it: it was taken over from another run of the same base, measured alike.")
    )
    told = "\n".join(f"- {sentence}" for sentence in found["found"])
    return f"""# Qwen2.5-Coder-0.5B on GSM8K

<!-- Written by benchmarks/reasoner_page.py from benchmarks/results/{NAME}.json; do not edit. -->

```
outgrow train {NAME} --set policy.model=FILE.gguf --set policy.dtype=bfloat16
outgrow report runs/{NAME}
```

The starting experiment (R1-Distill-Qwen-1.5B on GSM8K) at 0.5B. FILE.gguf is
[Qwen2.5-Coder-0.5B-Instruct in 4 bits]({_HUB}), `{_FILE}`, sha256 `{_SHA256}`.
{_settings(tomllib.loads(found["recipe"]))}

{found["steps"]} steps, {found["rollouts"]:,} rollouts, one seed, on {found["machine"]["cores"]} cores
({found["machine"]["processor"]}). Wall-clock {duration(sum(seconds.values()))} in {counted(found["sessions"], "session")}
({spent}).{taken_over} By the rule-of-thumb efficiencies of `outgrow plan`, which were not tried, it takes
{duration(found["gpu"]["seconds"])} and {money(found["gpu"]["dollars"])} on an {found["gpu"]["name"]}.
The figures are collected by `python benchmarks/reasoner.py runs/{NAME}`.

{found["n"]} held-out problems (the first of GSM8K's test set) × {counted(found["samples"], "sample")}, 95% intervals over problems:

{_measures(found)}

What the report says of it:

{told}

![The run's report](../{NAME}.png)"""


def _settings(recipe: Found) -> str:
    """What decides the result, in a sentence or two."""
    learn, sampling, lora = recipe["learn"], recipe["sampling"], recipe["policy"]["lora"]
    [length] = [reward for reward in recipe["rewards"] if reward["type"] == "length_kimi"]
    return f"""Each step writes {learn["group_size"]} rollouts of {learn["problems_per_step"]} problems, of at most
{sampling["max_tokens"]} tokens, at temperature {sampling["temperature"]:g}, and learns from the {learn["keep"]} of each group whose
rewards vary most (LoRA of rank {lora["rank"]}, {recipe["advantage"]["type"]}, learning rate {learn["lr"]:g}). The reward is
accuracy, and from step {length["warmup_steps"]} on {length["weight"]:g} times the length reward, in groups of which a share of
{length["min_solve_rate"]:g} is right. Answers are measured at temperature {recipe["evaluate"]["temperature"]:g}."""


def _levels(found: Found) -> str:
    rows = [
        (str(row["steps"]), str(row["before"]["n"]), *(_shown(row[end]) for end in ("before", "after")), _moved(row["change"]))
        for row in found["levels"]
    ]
    return f"## By number of solution steps\n\n{_table(('steps', 'problems', 'before', 'after', 'change, points'), rows)}"


def _failures(found: Found) -> str:
    rows = [(row["kind"], *(_shown(row[end]) for end in ("before", "after")), _moved(row["change"])) for row in found["failures"]]
    moved = found["transitions"]
    return f"""## Where it fails

Shares of all sampled answers:

{_table(("kind of failure", "before", "after", "change, points"), rows)}

By the greedy answer, {moved["won"]} problems were won and {moved["lost"]} lost; {moved["kept"]} were right both times,
{moved["never"]} neither time."""


def _lengths(found: Found) -> str:
    def side(row: Found, end: str) -> tuple[str, str]:
        return (str(row[end]["n"]), _shown(row[end])) if row[end] else ("0", "")

    rows = [(row["tokens"], *side(row, "before"), *side(row, "after")) for row in found["lengths"]]
    head = ("tokens", "answers before", "right", "answers after", "right")
    return f"## Length and correctness\n\n{_table(head, rows)}"


def _journeys(found: Found) -> str:
    from outgrow.report.journeys import FATES

    rows = [(fate, str(count), FATES[fate]) for fate, count in found["fates"].items()]  # type: ignore[index]
    return f"## What became of the problems practised\n\n{_table(('fate', 'problems', 'meaning'), rows)}"


def _course(found: Found) -> str:
    rows = [
        (
            f"{row['from']} to {row['to']}",
            words.percent(row["rollouts/pass_rate"]),
            words.percent(row["groups/mixed_frac"]),
            words.percent(row["rollouts/truncated_frac"]),
            f"{row['rollouts/mean_tokens']:.0f}",
            f"{row['policy/kl_to_reference']:.4f}",
        )
        for row in found["course"]
    ]
    head = ("steps", "rollouts right", "groups with right and wrong", "cut", "tokens", "KL to the base, nats a token")
    return f"""## While it trained

The curriculum chooses problems, so the share of right rollouts is not a measurement.

{_table(head, rows)}"""


def _control(found: Found) -> str:
    if "control" not in found:
        return "## Control\n\nNot measured yet: `outgrow train qwen2.5-0.5b-gsm8k-control` gives a random reward for as many steps."
    control = found["control"]
    delta = control["run_less_control"]
    less = words.point_change(Estimate(delta["pass@1"], *delta["ci95"], delta["n"]))
    twice = control["base_twice"]
    return f"""## Control

`outgrow train {NAME}-control` gives a random reward for {control["steps"]} steps. The first {control["n"]} of these problems
(`--set evaluate.suite=gsm8k-{control["n"]}`) × {counted(control["samples"], "sample")}:

{_measures(control)}

On these problems pass@1 of the run after training, less that of its control, is {less} points, paired, n = {delta["n"]}. With
the random reward answers became longer, until most were cut.

The base was measured for each of the two runs: {twice["same"]} of {twice["n"]} greedy answers are the same text, and
{twice["right"][1]} and {twice["right"][0]} are right. In bfloat16 the last bits of sums depend on how many answers are
written at the same time."""


def _suites(found: Found) -> str:
    if "suites" not in found:
        return "## Other suites\n\nNot measured yet."
    rows = [
        (
            row["suite"],
            f"{row['before']['n']} × {row['samples']}",
            *(_shown(row[end]) for end in ("before", "after")),
            words.point_change(Estimate(row["paired_delta"]["pass@1"], *row["paired_delta"]["ci95"], row["paired_delta"]["n"])),
            "not worse" if row["not_worse"] else "not shown",
        )
        for row in found["suites"]
    ]
    margin = -found["suites"][0]["margin"]
    measured = {row["suite"] for row in found["suites"]}
    chance = ", ".join(f"{share:.0%} on {suite}" for suite, share in _CHANCE.items() if suite in measured)
    told = "\n\nSo few answers leave wide intervals: *not shown* is no loss, and no proof of the contrary."
    told += f" Guessing is right in {chance}; a base no better than that has little to lose." if chance else ""
    return f"""## Other suites

`outgrow eval runs/{NAME} --on SUITES --limit 100 --samples 1 --out after`, and of the base
`outgrow eval FILE.gguf --recipe runs/{NAME}/recipe.toml --on SUITES --limit 100 --samples 1 --out before`.
Not worse: the whole interval of the change lies above −{100 * margin:.0f} points.

{_table(("suite", "n", "before", "after", "change, points", ""), rows)}{told}"""


def _harness(found: Found) -> str:
    if "harness" not in found:
        return "## Second opinion\n\nNot measured yet: the base's GSM8K figure by lm-evaluation-harness."
    told = found["harness"]
    return f"""## Second opinion

The base on the first {told["n"]} of these problems, greedy: {_shown(told["ours"])} in the run's measurement,
{_shown(told["harness"])} by lm-evaluation-harness, in float32 instead of bfloat16:
`outgrow harness FILE.gguf {told["task"]} --folder benchmarks/tasks --chat`."""


def _texts(found: Found) -> str:
    parts = ["## The first five problems, greedy answers in full", *map(_text, found["examples"])]
    parts += ["## Most surprising wins", *map(_text, found["wins"]), "## Most surprising losses", *map(_text, found["losses"])]
    return "\n\n".join(parts)


def _text(pair: Found) -> str:
    sides = "\n\n".join(
        f"{name.capitalize()} ({_GRADED.get(pair[name]['verdict'], pair[name]['verdict'])}, {pair[name]['tokens']} tokens):\n\n"
        f"{_fenced(pair[name]['text'])}"
        for name in ("before", "after")
    )
    return f"**{_plain(pair['question'])}** Known answer: {_plain(pair['answer'])}; {pair['steps']} steps.\n\n{sides}"


def _fenced(text: str) -> str:
    """The text in a fence that it cannot close."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.strip()}\n{fence}"


def _plain(text: str) -> str:
    """The text as one line of Markdown that shows it as it is."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-.!|$~" else c for c in " ".join(text.split()))


def _shown(estimate: Found, number: bool = False) -> str:
    one = Estimate(**estimate)
    return words.token_estimate(one) if number else words.share_estimate(one)


def _moved(estimate: Found, number: bool = False) -> str:
    one = Estimate(**estimate)
    return words.token_change(one) if number else words.point_change(one)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def main() -> None:
    PAGE.write_text(page(json.loads((RESULTS / f"{NAME}.json").read_text())))
    print(PAGE)


if __name__ == "__main__":
    main()
