"""The tables of a drafted recipe, in the order in which a person reads them."""

from .answer_form import AnswerForm
from .batch import measured
from .data import DataFindings
from .findings import Findings
from .machine import Machine
from .recipe_draft import Line, Table
from .settings import Settings


def tables(name: str, findings: Findings, settings: Settings) -> list[Table]:
    """Return all tables of the recipe called `name`."""
    return [
        Table("", [Line("name", name, f"its run goes to runs/{name}")]),
        *_policy(findings, settings),
        _problems(findings.data),
        Table("prompt", _prompt(findings.form)),
        Table("verify", [Line.of("extract", findings.form.extract)]),
        Table("sampling", _sampling(settings)),
        Table("learn", _learn(findings, settings)),
        Table("evaluate", _evaluate(findings, settings)),
        Table("run", _run(findings.machine)),
    ]


def _policy(findings: Findings, settings: Settings) -> list[Table]:
    model, weights = findings.model, settings.weights
    policy = [
        Line("model", model.name, f"{model.parameters:,} parameters, a context of {model.shape.context:,} tokens"),
        Line.of("dtype", weights.dtype),
    ]
    lora = [Table("policy.lora", [Line.of("rank", weights.lora)])] if weights.lora else []
    return [Table("policy", policy), *lora]


def _problems(data: DataFindings) -> Table:
    table, lines = data.table, [Line("type", "table", "a row a problem")]
    if table.path is not None:
        lines.append(Line("path", str(table.path), f"{data.problems:,} problems; a path from the folder where outgrow runs"))
    else:
        lines.append(Line("hub", table.hub, f"{data.problems:,} problems"))
    if table.config is not None:
        lines.append(Line("config", table.config, "the configuration of the set"))
    if table.path is None or table.path.is_dir():
        lines.append(Line("split", table.split, "the split to practise on"))
    columns = {
        "question": "column of the question",
        "answer": "column of the known answer",
        "solution": "column of the written-out solution",
        "level": "column of the difficulty, for results by level",
        "field": f"column of the subject, for results by field; there are {data.fields}",
    }
    lines += [Line(key, value, why) for key, why in columns.items() if (value := getattr(table, key)) is not None]
    return Table("problems", lines, repeated=True)


def _prompt(form: AnswerForm) -> list[Line]:
    question = form.user_template
    lines = [Line.of("user_template", question) if question.value else Line.comment(f"user_template is not set: {question.why}.")]
    lines += [Line("system", form.system, "the system turn of its training")] if form.system else []
    return lines + ([Line.of("template", form.template)] if form.template else [])


def _sampling(settings: Settings) -> list[Line]:
    lines = [Line.of("max_tokens", settings.max_tokens)]
    return lines + ([Line.of("temperature", settings.temperature)] if settings.temperature else [])


def _learn(findings: Findings, settings: Settings) -> list[Line]:
    batch = settings.batch
    keys = {"steps": batch.steps, "problems_per_step": batch.problems_per_step, "group_size": batch.group_size}
    lines = [Line.of(key, choice) for key, choice in keys.items()]
    if findings.machine.gpu:
        lines.append(Line("tokens_per_microbatch", 8192, "tokens of one pass; lowered where memory has no room"))
    unset = "lr, schedule, loss.kl_weight and clipping are not set: their defaults go by the model's size."
    return [*lines, Line.comment(unset)]


def _evaluate(findings: Findings, settings: Settings) -> list[Line]:
    held, lines = findings.held, []
    if held is not None:
        also = f"; {held.shared:,} of them are in the practice file too and are not practised" if held.shared else ""
        lines.append(Line("suite", held.name, f"{held.problems:,} held-out problems, measured before and after{also}"))
    if settings.samples:
        lines.append(Line.of("samples", settings.samples))
    if settings.temperature:
        lines.append(Line("temperature", settings.temperature.value, "as in training"))
    if held is None:
        count = measured(findings.data, held)
        lines += [
            Line.comment(f"suite is not set: about {count:,} of the problems are held out. They are measured and never practised."),
            Line.comment('To measure on problems of another file: suite = "FILE.jsonl"'),
        ]
    return lines


def _run(machine: Machine) -> list[Line]:
    lines = [Line("threads", machine.cores, f"this machine has {machine.cores} core{'s' * (machine.cores > 1)}")]
    if machine.dollars_per_hour:
        lines.append(Line("dollars_per_hour", machine.dollars_per_hour, f"typical rent of a {machine.gpu}; enter what you pay"))
    return lines
