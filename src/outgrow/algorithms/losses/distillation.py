"""On-policy distillation: for every token that the student wrote, how much likelier the teacher would have made it.

The student learns from its own samples, not on paths that only the teacher takes (GKD, arXiv 2306.13649, section 3, with the
reverse KL divergence). ∇KL(π ‖ π_T) at one token is E_π[∇log π · (log π − log π_T)], so log π_T − log π is the advantage whose
policy gradient lowers it (Thinking Machines, On-Policy Distillation, 2025). A token answers only for its own place, not for the
divergence of the tokens behind it.
"""

from torch import Tensor


def distillation_advantage(teacher_logprobs_BT: Tensor, old_logprobs_BT: Tensor, clip: float) -> Tensor:
    """Return log π_T − log π_old of each token (B, T) in nats, clipped to ±clip; no gradient.

    old_logprobs_BT: what the ratio of the loss starts from. Both are of the distribution that the tokens were drawn from, with
    its temperature and truncation. A drawn token that the teacher's own truncation would drop stays in its support: it is
    unlikely there, not impossible.
    """
    return (teacher_logprobs_BT - old_logprobs_BT).detach().clamp(-clip, clip)


def reverse_kl(teacher_logprobs_BT: Tensor, old_logprobs_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Return Σ w · (log π_old − log π_T), an estimate of KL(π_old ‖ π_T) on tokens that π_old drew (a scalar, nats, not clipped).

    It is unbiased, and so may fall below 0 where the two policies are close.
    """
    return (weights_BT * (old_logprobs_BT - teacher_logprobs_BT)).sum().detach()
