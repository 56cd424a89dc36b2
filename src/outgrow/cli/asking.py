"""Commands that ask a model: generate, chat."""

from typing import Annotated

import typer

from .app import app
from .shared import AskedAs, Model, console, errors, example, limit, ready, recipe_for

MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", min=1, help="Longest answer; left out, the recipe's, else 512 or half the model's context."),
]


@app.command(epilog=example('outgrow generate micro-base "27+58=?"', 'outgrow generate runs/first "roman XIV=?" --samples 4'))
def generate(
    model: Model,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1)] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: MaxTokens = None,
    recipe: AskedAs = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Ask a model one question and print what it writes."""
    from ..policy import Sampling

    said = recipe_for(model, recipe)
    policy, engine = ready(model, said)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or limit(said, policy))
    opener = "<think>" if policy.opens_think else ""
    for rollout in engine.generate([policy.prompt_ids(question)], samples, sampling, [seed])[0]:
        cut = "" if rollout.finished else "  … cut at --max-tokens"
        console.print(f"{opener}{rollout.text}{cut}", markup=False, highlight=False, soft_wrap=True)


@app.command(epilog=example("outgrow chat micro-base"))
def chat(
    model: Model,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")] = 0.0,
    max_tokens: MaxTokens = None,
    recipe: AskedAs = None,
) -> None:
    """Talk with a model; an empty line or Ctrl-D ends it. The conversation starts over where it outgrows the context."""
    from ..policy import Sampling

    said = recipe_for(model, recipe)
    policy, engine = ready(model, said)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens or limit(said, policy))
    opener = "<think>" if policy.opens_think else ""
    messages: list[dict[str, str]] = []
    while True:
        try:
            question = console.input("[bold]you[/] > ")
        except (EOFError, KeyboardInterrupt):
            question = ""
        if not question.strip():
            return
        messages.append({"role": "user", "content": question})
        if len(policy.chat_ids(messages)) + sampling.max_tokens > policy.context:
            errors.print("(starting over: the conversation no longer fits the model's context)", markup=False)
            messages = messages[-1:]
        rollout = engine.generate([policy.chat_ids(messages)], 1, sampling, [len(messages)])[0][0]
        console.print(f"{opener}{rollout.text}", markup=False, highlight=False, soft_wrap=True)
        messages.append({"role": "assistant", "content": rollout.text})
