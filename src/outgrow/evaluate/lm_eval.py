"""Any task of lm-evaluation-harness, with a policy and its engine in the place of the harness's own models."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from ..core.callbacks import Answering, OnWritten, Written, untold, unwatched
from ..core.errors import UsageError, nearest
from ..core.estimate import Estimate
from ..core.rng import seed_from
from ..engines import GenerationRequest, LocalModel, Tally
from ..policy import Sampling
from ..policy.chat_template import rendered_chat
from ..policy.likelihood import likelihoods
from ..problems.limit import Limit, sample_places

_TOKENS_AT_ONCE = 8192  # of contexts and continuations
_PROMPTS_AT_ONCE = 256


@dataclass(frozen=True)
class Score:
    """One figure of one task."""

    task: str
    metric: str
    value: float
    error: float | None
    """Standard error; None where the harness gives none."""
    n: int
    """Documents; 0 where the harness does not say."""
    limit: Limit | None = None
    """How the documents were sampled from the task's; None where they are all of them, and for groups."""

    @property
    def estimate(self) -> Estimate | None:
        """The figure with its 95% interval, by the normal approximation; None without a standard error."""
        if self.error is None:
            return None
        half = 1.959964 * self.error
        return Estimate(self.value, self.value - half, self.value + half, self.n)


def run_tasks(
    local: LocalModel, tasks: Sequence[str], folder: Path | None = None, shots: int | None = None, limit: int | None = None,
    chat: bool = False, seed: int = 0, answering: Answering = unwatched,
) -> list[Score]:  # fmt: skip
    """Return the figures of these tasks and groups, as the harness has them.

    folder: more tasks, a YAML file each. shots: the harness's num_fewshot. limit: size of a sample of each task's documents, drawn
    with the seed (the harness's own limit takes the first ones). chat: put prompts through the chat template. answering: told how
    far the model is. Raises UsageError where a task is not known.
    """
    manager = _LoadedOnce(include_path=str(folder) if folder else None)
    for task in tasks:
        if not manager.match_tasks([task]):
            raise UsageError(f"lm-evaluation-harness has no task called {task!r}{nearest(task, manager.all_tasks)}")
    if not tasks:
        raise UsageError("name a task of lm-evaluation-harness; its own list: lm-eval ls tasks")
    names = manager.match_tasks(list(tasks))
    samples = _samples(manager, names, limit, seed)
    found = simple_evaluate(
        model=_Harnessed(local, seed, answering),
        tasks=names,
        task_manager=manager,
        num_fewshot=shots,
        samples=samples or None,
        apply_chat_template=chat,
        log_samples=False,
        bootstrap_iters=1000,  # for figures that are not means
        random_seed=seed,
        numpy_random_seed=seed,
        torch_random_seed=seed,
        fewshot_random_seed=seed,
    )
    return list(_scores(found, set(samples), seed))


class _LoadedOnce(TaskManager):  # type: ignore[misc]  # the harness has no types
    """A task manager that reads the data sets of its tasks once."""

    def load(self, task_list: list[str]) -> Any:
        """Return the tasks and groups. The list is the same in every call."""
        self._loaded = getattr(self, "_loaded", None) or super().load(task_list)
        return self._loaded


def _samples(manager: TaskManager, names: list[str], limit: int | None, seed: int) -> dict[str, list[int]]:
    """Return task -> places of its sampled documents, for each task that has more than `limit`."""
    if limit is None:
        return {}
    sizes = {name: len(task.eval_docs) for name, task in manager.load(names)["tasks"].items()}
    return {
        name: sample_places([f"{name} {place}" for place in range(size)], limit, seed)
        for name, size in sizes.items()
        if size > limit
    }


def _scores(found: dict[str, Any], sampled: Collection[str], seed: int) -> Iterator[Score]:
    """Yield the figures. sampled: the tasks of which a sample of documents was asked."""
    for task, figures in found["results"].items():
        for name, value in figures.items():
            metric, _, filtered = name.partition(",")
            if not isinstance(value, int | float) or not filtered or metric.endswith("_stderr"):
                continue
            error = figures.get(f"{metric}_stderr,{filtered}")
            counts = found.get("n-samples", {}).get(task, {})
            n = counts.get("effective", 0)
            label = metric if filtered == "none" else f"{metric} ({filtered})"
            limit = Limit(n, counts["original"], seed) if task in sampled else None
            yield Score(task, label, float(value), float(error) if isinstance(error, int | float) else None, n, limit)


class _Harnessed(TemplateLM):  # type: ignore[misc]  # the harness has no types
    """What the harness asks of a model: likelihoods of continuations, and texts until a stop string."""

    def __init__(self, local: LocalModel, seed: int, answering: Answering = unwatched) -> None:
        super().__init__()
        self.local, self.seed, self.answering = local, seed, answering
        self.policy, self.tokenizer = local.policy, local.policy.tokenizer

    @property
    def eot_token_id(self) -> int:
        return self.policy.end_id

    @property
    def prefix_token_id(self) -> int:
        begin = self.tokenizer.bos_token_id
        return self.eot_token_id if begin is None else int(begin)

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Return the conversation as the model reads it."""
        return rendered_chat(
            self.tokenizer,
            chat_history,
            add_generation_prompt=add_generation_prompt,
            through_last_turn=not add_generation_prompt,
        )

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Return the tokens of a text. A text that begins with the begin token, as a rendered chat, gets no second one."""
        begun = bool(self.tokenizer.bos_token) and string.startswith(str(self.tokenizer.bos_token))
        special = (not begun) if add_special_tokens is None else add_special_tokens
        return list(self.tokenizer.encode(string, add_special_tokens=special))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Return the log-likelihood of each continuation, and whether it is the greedy one. Without the harness's bar."""
        return list(super().loglikelihood(requests, disable_tqdm=True))

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        on_written: OnWritten | None = None,
        **_: Any,
    ) -> list[tuple[float, bool]]:
        """on_written: told how many are scored. Default: a work of its own is shown."""
        tell, tokens = on_written or self.answering("scoring continuations", len(requests)), 0
        room = self.policy.context
        pairs = []
        for _text, context, continuation in requests:
            kept = continuation[-(room - 1) :]
            pairs.append((context[-(room - len(kept)) :], kept))
        # The longest first: what does not fit in memory shows at once. Those that share a context come together.
        order = sorted(range(len(pairs)), key=lambda place: (-len(pairs[place][0]), pairs[place][0]))
        scores: dict[int, tuple[float, bool]] = {}
        for batch in _batches(order, [len(context) + len(continuation) for context, continuation in pairs]):
            prompts, continuations = zip(*(pairs[place] for place in batch), strict=True)
            scores |= dict(zip(batch, likelihoods(self.policy, prompts, continuations), strict=True))
            tokens += sum(map(len, (*prompts, *continuations)))
            tell(Written(len(scores), tokens))
        return [scores[place] for place in range(len(pairs))]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Return the log-likelihoods of whole texts, in windows of the model's context, each token scored once."""
        found: list[float] = []
        tell = self.answering("scoring texts", len(requests))
        for request in requests:
            [text] = request.args
            windows = get_rolling_token_windows(
                token_list=self.tok_encode(text, add_special_tokens=False),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.policy.context - 1,
                context_len=1,
            )
            parts = [(("", ""), *make_disjoint_window(window)) for window in windows]
            found.append(sum(logprob for logprob, _ in self._loglikelihood_tokens(parts, on_written=untold)))
            tell(Written(len(found)))
        return found

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return texts, each cut before the first of its stop strings."""
        answers: dict[int, str] = {}
        kinds: dict[Sampling, list[int]] = {}
        met: Counter[str] = Counter()
        seeds = []
        tally = Tally(self.answering("writing answers", len(requests)))
        for place, request in enumerate(requests):
            prompt, asked = request.args
            kinds.setdefault(self._sampling(asked), []).append(place)
            seeds.append(seed_from(self.seed, "harness", prompt, met[prompt]))  # repeats of one prompt are draws of their own
            met[prompt] += 1
        for asked_for, places in kinds.items():
            # The limit gives way before a prompt is cut, down to half of the context.
            widest = max(len(self.tok_encode(requests[place].args[0])) for place in places)
            longest = min(asked_for.max_tokens, max(self.policy.context - widest, self.policy.context // 2))
            sampling = asked_for.model_copy(update={"max_tokens": longest})
            room = self.policy.context - longest
            for start in range(0, len(places), _PROMPTS_AT_ONCE):
                part = places[start : start + _PROMPTS_AT_ONCE]
                prompts = [self.tok_encode(requests[place].args[0])[-room:] for place in part]
                tell = tally.call()
                asked = GenerationRequest(prompts, 1, sampling, [seeds[place] for place in part], tell)
                groups = self.local.engine.generate(asked)
                tell(Written(len(part), sum(len(rollout.completion_ids) for [rollout] in groups)))
                for place, [rollout] in zip(part, groups, strict=True):
                    answers[place] = _cut(rollout.text, requests[place].args[1].get("until", []))
        return [answers[place] for place in range(len(requests))]

    def _sampling(self, asked: dict[str, Any]) -> Sampling:
        """Return the sampling that a request asks for: greedy unless do_sample."""
        asked = normalize_gen_kwargs(dict(asked), default_max_gen_toks=256)
        temperature = float(asked.get("temperature") or 0) if asked.get("do_sample") else 0.0
        top_p, top_k = float(asked.get("top_p") or 1), max(0, int(asked.get("top_k") or 0))
        return Sampling(temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max(1, int(asked["max_gen_toks"])))


def _batches(order: Sequence[int], tokens: Sequence[int]) -> Iterator[list[int]]:
    """Yield consecutive places whose tokens together fit in a pass; at least one place."""
    batch: list[int] = []
    for place in order:
        if batch and sum(tokens[other] for other in batch) + tokens[place] > _TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _cut(text: str, until: str | Sequence[str]) -> str:
    stops = [until] if isinstance(until, str) else until
    return text[: min((found for stop in stops if stop and (found := text.find(stop)) >= 0), default=len(text))]
