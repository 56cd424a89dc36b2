"""Seconds that a step needs on a GPU: decoding by bandwidth, learning by arithmetic."""

import math
from dataclasses import dataclass

from ..config.schema import KL_ROLLOUTS
from .gpus import GPU
from .shape import Shape, head_parameters, key_value_bytes, layer_parameters
from .work import Judge, Work

# A forward and a backward pass start about three times as many kernels as a forward pass.
_LAUNCHES = 3


@dataclass(frozen=True)
class Seconds:
    """One step."""

    generation: float
    judging: float  # also where the judge has a GPU of its own: the learner waits for it
    learning: float

    @property
    def total(self) -> float:
        return self.generation + self.judging + self.learning


@dataclass(frozen=True)
class Written:
    """Rows that an engine writes, `at_once` of them at the same time. Lengths in tokens."""

    rows: int
    at_once: int
    prompt: float
    limit: int
    length: float  # mean


def seconds(work: Work, shape: Shape, gpu: GPU, completion: float, reply_share: float = 1.0) -> Seconds:
    """Seconds of one step. completion: mean tokens of a completion. reply_share: mean tokens of a judge's reply over its limit."""
    return Seconds(
        generation_seconds(work, shape, gpu, completion),
        sum(judge.share * judging_seconds(judge, gpu, completion, reply_share * judge.limit) for judge in work.judges),
        learning_seconds(work, shape, gpu, completion),
    )


def generation_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """Of a step's rollouts, and of the answers to a teacher's held-out slice, which are written behind them."""
    own = Written(work.rollouts, work.decoded, work.prompt, work.limit, completion)
    rollouts = _decoding(own, shape, work.width, gpu, _reading(work, shape, completion))
    if not work.held_out:
        return rollouts
    slice = Written(work.held_out, min(work.held_out, work.rows), work.prompt, work.limit, completion)
    return rollouts + writing_seconds(slice, work.held_out, shape, work.width, gpu)


def writing_seconds(written: Written, prompts: int, shape: Shape, width: int, gpu: GPU) -> float:
    """Of rows that an engine writes behind so many different prompts."""
    operations = _forward(prompts, written.prompt, 0, shape) + _writing(written, shape)
    return _decoding(written, shape, width, gpu, operations)


def judging_seconds(judge: Judge, gpu: GPU, completion: float, reply: float) -> float:
    """Of a judge's scores, once: it reads each answer of `completion` tokens, then writes its replies, of `reply` tokens each.

    What it reads is long, so that its arithmetic is not hidden behind the bandwidth that writing takes. A server replays a token
    step as a whole (CUDA graphs), and launches no kernel by itself.
    """
    shape, prompt = judge.shape, judge.prompt(completion)
    written = Written(judge.replies, judge.decoded, prompt, judge.limit, reply)
    reading = _forward(judge.answers, prompt, 0, shape) / _rate(gpu, judge.width)
    engine = gpu if judge.here else gpu.model_copy(update={"launch_ms": 0.0})
    return reading + _decoding(written, shape, judge.width, engine, _writing(written, shape))


def _decoding(written: Written, shape: Shape, width: int, gpu: GPU, operations: float) -> float:
    """Each token step reads every weight once, and each row its keys and values so far; some row always runs to the limit.

    Where more rows are decoded than the bandwidth holds back, the arithmetic (2 operations a weight and token) takes longer.
    """
    token_steps = math.ceil(written.rows / written.at_once) * written.limit
    weights = token_steps * (layer_parameters(shape) + head_parameters(shape)) * width
    cache = written.rows * written.length * (written.prompt + written.length / 2) * key_value_bytes(shape, width)
    slower = max((weights + cache) / (gpu.bandwidth_gb_s * 1e9 * gpu.bandwidth_efficiency), operations / _rate(gpu, width))
    return slower + token_steps * shape.layers * gpu.launch_ms / 1e3


def _writing(written: Written, shape: Shape) -> float:
    """Operations of decoding rows whose prompts are read already."""
    return _forward(written.rows, written.length, written.length, shape, written.prompt)


def learning_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """A forward pass is 2 operations a weight and token; its backward pass 2 for the gradient of what came in and 2 for that
    of the weight (6 in all, arXiv 2001.08361, section 2.1). Frozen weights spare the last (4 in all); adapters take all 6 of
    their own. A pass of the reference policy, or of what is distilled, is a forward pass. A group shares its prompt's pass.
    """
    forward = _reading(work, shape, completion)
    measured = min(KL_ROLLOUTS, work.rollouts) / work.rollouts
    tokens = work.problems * work.prompt + work.rollouts * completion
    operations = _moving(forward, tokens, work.adapter) + (measured + work.against_reference) * forward
    learning = operations / _rate(gpu, work.width) + work.passes * shape.layers * _LAUNCHES * gpu.launch_ms / 1e3
    return learning + _distilling_seconds(work, gpu, completion)


def tuning_seconds(
    batch: int,
    prompt: int,
    completion: float,
    tokens_per_microbatch: int | None,
    shape: Shape,
    adapter: int | None,
    width: int,
    gpu: GPU,
) -> float:
    """Of a step of supervised fine-tuning, on as many examples; counted as in `learning_seconds`."""
    forward = _forward(batch, prompt, 0, shape) + _forward(batch, completion, completion, shape, prompt)
    tokens = batch * (prompt + completion)
    launches = math.ceil(tokens / (tokens_per_microbatch or tokens)) * shape.layers * _LAUNCHES
    return _moving(forward, tokens, adapter) / _rate(gpu, width) + launches * gpu.launch_ms / 1e3


def _moving(forward: float, tokens: float, adapter: int | None) -> float:
    """Operations of a forward and a backward pass, from those of the forward pass. adapter: parameters, None without one."""
    return (3 if adapter is None else 2) * forward + 6 * (adapter or 0) * tokens


def _distilling_seconds(work: Work, gpu: GPU, completion: float) -> float:
    """Of the forward passes of what is distilled; where only the first steps distil, their share of them in every step."""
    if work.distilled is None:
        return 0
    shape = work.distilled.shape
    reading = _reading(work, shape, completion) / _rate(gpu, work.distilled.width)
    return work.distilled.share * (reading + work.passes * shape.layers * gpu.launch_ms / 1e3)


def _reading(work: Work, shape: Shape, completion: float) -> float:
    """Operations of a forward pass over a step's rollouts."""
    return _forward(work.problems, work.prompt, 0, shape) + _forward(work.rollouts, completion, completion, shape, work.prompt)


def _forward(rows: int, length: float, predicted: float, shape: Shape, before: float = 0) -> float:
    """Operations of a forward pass over rows of `length` tokens, `predicted` of which go through the output layer, and which
    attend to `before` tokens more.

    Attention's two products are counted over the whole square, since the mask hides half of it without saving it.
    """
    attention = 4 * shape.layers * shape.attention * length * (before + length)
    return rows * (2 * layer_parameters(shape) * length + 2 * head_parameters(shape) * predicted + attention)


def _rate(gpu: GPU, width: int) -> float:
    """Operations a second that are reached with numbers of `width` bytes."""
    return (gpu.bfloat16_tflops if width == 2 else gpu.float32_tflops) * 1e12 * gpu.rate_efficiency
