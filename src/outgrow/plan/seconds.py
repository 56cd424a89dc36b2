"""Seconds that a step needs on a GPU: decoding by bandwidth, learning by arithmetic."""

import math
from dataclasses import dataclass

from .gpus import GPU
from .shape import Shape, head_parameters, key_value_bytes, layer_parameters
from .work import KL_ROLLOUTS, Work

# A forward and a backward pass start about three times as many kernels as a forward pass.
_LAUNCHES = 3


@dataclass(frozen=True)
class Seconds:
    """One step."""

    generation: float
    learning: float

    @property
    def total(self) -> float:
        return self.generation + self.learning


def seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> Seconds:
    """Seconds of one step whose completions have `completion` tokens on average."""
    return Seconds(generation_seconds(work, shape, gpu, completion), learning_seconds(work, shape, gpu, completion))


def generation_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """Each token step reads every weight once, and each row its keys and values so far; some row always runs to the limit.

    Where more rows are decoded than the bandwidth holds back, the arithmetic (2 operations a weight and token) takes longer.
    """
    token_steps = math.ceil(work.rollouts / work.decoded) * work.limit
    weights = token_steps * (layer_parameters(shape) + head_parameters(shape)) * work.width
    cache = work.rollouts * completion * (work.prompt + completion / 2) * key_value_bytes(shape, work.width)
    operations = _reading(work, shape, completion)
    slower = max((weights + cache) / (gpu.bandwidth_gb_s * 1e9 * gpu.bandwidth_efficiency), operations / _rate(gpu, work.width))
    return slower + token_steps * shape.layers * gpu.launch_ms / 1e3


def learning_seconds(work: Work, shape: Shape, gpu: GPU, completion: float) -> float:
    """A forward pass is 2 operations a weight and token; its backward pass 2 for the gradient of what came in and 2 for that
    of the weight (6 in all, arXiv 2001.08361, section 2.1). Frozen weights spare the last (4 in all); adapters take all 6 of
    their own. A pass of the reference policy is a forward pass, and so is one of a teacher. A group shares its prompt's pass.
    """
    forward = _reading(work, shape, completion)
    measured = min(KL_ROLLOUTS, work.rollouts) / work.rollouts
    tokens = work.problems * work.prompt + work.rollouts * completion
    forwards = (3 if work.adapter is None else 2) + measured + work.against_reference
    operations = forwards * forward + 6 * (work.adapter or 0) * tokens
    learning = operations / _rate(gpu, work.width) + work.passes * shape.layers * _LAUNCHES * gpu.launch_ms / 1e3
    return learning + _teaching_seconds(work, gpu, completion)


def _teaching_seconds(work: Work, gpu: GPU, completion: float) -> float:
    """Of the teacher's forward passes; where only the first steps distil, their share of them in every step."""
    if work.teacher is None:
        return 0
    shape = work.teacher.shape
    reading = _reading(work, shape, completion) / _rate(gpu, work.teacher.width)
    return work.teacher.share * (reading + work.passes * shape.layers * gpu.launch_ms / 1e3)


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
