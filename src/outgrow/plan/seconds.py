"""The seconds of a step on a GPU: decoding by bandwidth, learning by arithmetic."""

import math
from dataclasses import dataclass

from ..config.sections import KL_SHARE
from .gpus import GPU
from .shape import Shape, cache_bytes, head_parameters, layer_parameters
from .work import Judge, Work

# A forward and a backward pass start about three times as many kernels as a forward pass.
_LAUNCHES = 3


@dataclass(frozen=True)
class Seconds:
    """The seconds of one step, by phase."""

    generation: float
    judging: float
    """Time of the judges, on servers too: the learner waits for them."""
    learning: float
    handing_over: float = 0.0
    """Time in which what was learned goes to the GPUs that write."""
    hidden: float = 0.0
    """Time of writing or learning, whichever is less, that passes while the other is done."""

    @property
    def total(self) -> float:
        """Seconds of the whole step."""
        return self.generation + self.judging + self.learning + self.handing_over - self.hidden


@dataclass(frozen=True)
class Written:
    """Sequences that an engine writes."""

    rows: int
    """Number of sequences."""
    at_once: int
    """Sequences written at the same time."""
    prompt: float
    """Tokens of a prompt."""
    limit: int
    """Tokens of the longest sequence."""
    length: float
    """Tokens of the mean sequence."""


def seconds(work: Work, shape: Shape, gpu: GPU, completion: float, reply_share: float = 1.0) -> Seconds:
    """Return the seconds of one step. completion: its mean tokens. reply_share: a judge's mean reply over its limit."""
    return Seconds(
        generation_seconds(work, shape, gpu, completion),
        sum(judge.share * judging_seconds(judge, gpu, completion, reply_share * judge.limit) for judge in work.judges),
        learning_seconds(work, shape, gpu, completion),
    )


def generation_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """Return the seconds of writing a step's rollouts and, after them, the answers to the judge's held-out problems."""
    own = Written(work.rollouts, work.decoded, work.prompt, work.limit, completion)
    rollouts = _decoding(own, shape, work.width, gpu, _reading(work, shape, completion, work.rollouts))
    if not work.held_out:
        return rollouts
    held_out = Written(work.held_out, min(work.held_out, work.max_sequences), work.prompt, work.limit, completion)
    return rollouts + writing_seconds(held_out, work.held_out, shape, work.width, gpu)


def writing_seconds(written: Written, prompts: int, shape: Shape, width: int, gpu: GPU) -> float:
    """Return the seconds of writing sequences after `prompts` different prompts."""
    operations = _forward(prompts, written.prompt, 0, shape) + _writing(written, shape)
    return _decoding(written, shape, width, gpu, operations)


def judging_seconds(judge: Judge, gpu: GPU, completion: float, reply: float) -> float:
    """Return the seconds of scoring once: a judge reads answers of `completion` tokens and writes replies of `reply` tokens.

    It reads long texts, so the arithmetic of reading does not hide behind the bandwidth of writing. A server replays a token step
    as a whole (CUDA graphs), without kernel launches.
    """
    shape, prompt = judge.shape, judge.prompt(completion)
    written = Written(judge.replies, judge.decoded, prompt, judge.limit, reply)
    reading = _forward(judge.answers, prompt, 0, shape) / _rate(gpu, judge.width)
    engine = gpu if judge.local else gpu.model_copy(update={"launch_ms": 0.0})
    return reading + _decoding(written, shape, judge.width, engine, _writing(written, shape))


def _decoding(written: Written, shape: Shape, width: int, gpu: GPU, operations: float) -> float:
    """Return the seconds of decoding: each token step reads every weight once, and each sequence its keys and values so far.

    Some sequence always runs to the limit; where there are more sequences than are written at once, the next one takes the place of
    one that ends. Where many sequences are decoded at once, the arithmetic (2 operations per weight and token) takes longer than
    the reading.
    """
    token_steps = math.ceil((written.rows / written.at_once - 1) * written.length + written.limit)
    weights = token_steps * (layer_parameters(shape) + head_parameters(shape)) * width
    cache = written.rows * written.length * cache_bytes(shape, written.prompt + written.length / 2, width)
    slower = max((weights + cache) / (gpu.bandwidth_gb_s * 1e9 * gpu.bandwidth_efficiency), operations / _rate(gpu, width))
    return slower + token_steps * shape.layers * gpu.launch_ms / 1e3


def _writing(written: Written, shape: Shape) -> float:
    """Return the operations of decoding sequences whose prompts are in the cache."""
    return _forward(written.rows, written.length, written.length, shape, written.prompt)


def learning_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """Return the seconds of a step's updates.

    A forward pass takes 2 operations per weight and token; its backward pass 2 for the gradient of the input and 2 for that of the
    weight (6 in total, arXiv 2001.08361, section 2.1). Frozen weights need no gradient of the weight (4 in total), a memory next to
    them does; adapters take 6 for their own parameters. The reference policy and a distilled teacher take a forward pass. A group
    shares its prompt's pass.
    """
    learned = work.problems * work.learned
    forward = _reading(work, shape, completion, learned)
    measured = KL_SHARE * (_reading(work, shape, completion, work.rollouts) + 2 * forward)
    tokens = work.problems * work.prompt + learned * completion
    operations = _moving(forward, tokens, work.adapter, work.memory) + work.against_reference * forward + measured
    learning = operations / _rate(gpu, work.width) + work.microbatches * shape.layers * _LAUNCHES * gpu.launch_ms / 1e3
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
    memory: int = 0,
) -> float:
    """Return the seconds of a step of supervised fine-tuning on `batch` examples; counted as in `learning_seconds`."""
    forward = _forward(batch, prompt, 0, shape) + _forward(batch, completion, completion, shape, prompt)
    tokens = batch * (prompt + completion)
    launches = math.ceil(tokens / (tokens_per_microbatch or tokens)) * shape.layers * _LAUNCHES
    return _moving(forward, tokens, adapter, memory) / _rate(gpu, width) + launches * gpu.launch_ms / 1e3


def _moving(forward: float, tokens: float, adapter: int | None, memory: int) -> float:
    """Return the operations of a forward and a backward pass.

    forward: those of the forward pass. adapter, memory: parameters that learn next to frozen weights; `forward` has the memory's.
    """
    return (3 if adapter is None else 2) * forward + (6 * (adapter or 0) + 2 * memory) * tokens


def _distilling_seconds(work: Work, gpu: GPU, completion: float) -> float:
    """Return the seconds of the teacher's forward passes, averaged over all steps where only the first steps distil."""
    if work.distilled is None:
        return 0
    shape = work.distilled.shape
    reading = _reading(work, shape, completion, work.problems * work.learned) / _rate(gpu, work.distilled.width)
    return work.distilled.share * (reading + work.microbatches * shape.layers * gpu.launch_ms / 1e3)


def _reading(work: Work, shape: Shape, completion: float, rollouts: int) -> float:
    """Return the operations of a forward pass over `rollouts` of a step's rollouts, which are of all its problems."""
    return _forward(work.problems, work.prompt, 0, shape) + _forward(rollouts, completion, completion, shape, work.prompt)


def _forward(rows: int, length: float, predicted: float, shape: Shape, before: float = 0) -> float:
    """Return the operations of a forward pass over sequences of `length` tokens that attend to `before` earlier tokens too.

    predicted: tokens of each that go through the output layer. Attention's two products are counted over the whole square: the mask
    hides half of it, but does not save the work.
    """
    attention = 4 * shape.layers * shape.attention * length * (before + length)
    return rows * (2 * layer_parameters(shape) * length + 2 * head_parameters(shape) * predicted + attention)


def _rate(gpu: GPU, width: int) -> float:
    """Return the operations per second reached with numbers of `width` bytes."""
    return (gpu.bfloat16_tflops if width == 2 else gpu.float32_tflops) * 1e12 * gpu.rate_efficiency
