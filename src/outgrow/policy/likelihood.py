"""How likely given continuations are, which multiple-choice benchmarks ask, and how far two policies differ on them."""

from collections.abc import Sequence

import torch

from .chunked_logprobs import tokens_at_once
from .logprobs import distinct_prompts, output_weight
from .packed_forward import hidden_states, pack
from .policy import Policy


def likelihoods(
    policy: Policy, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[int]]
) -> list[tuple[float, bool]]:
    """Return each continuation's log-probability (nats, at temperature 1), and whether each of its tokens is the likeliest.

    prompts, continuations: B lists of token ids, none of them empty. A prompt that several rows share is run once.
    """
    with torch.no_grad():
        branches = pack(*distinct_prompts(prompts), continuations, policy.model.device)
        before_MD = hidden_states(policy.model, branches).index_select(0, branches.predictor_M)
        targets_M = torch.tensor([token for row in continuations for token in row], device=before_MD.device)
        weight_VD = output_weight(policy)
        logprobs, likeliest = [], []
        for hidden_YD, targets_Y in zip(
            *(part.split(tokens_at_once(len(weight_VD))) for part in (before_MD, targets_M)), strict=True
        ):
            logprobs_YV = (hidden_YD @ weight_VD.T).float().log_softmax(-1)
            logprobs.append(logprobs_YV.gather(-1, targets_Y.unsqueeze(-1)).squeeze(-1))
            likeliest.append(logprobs_YV.argmax(-1) == targets_Y)
        lengths = list(map(len, continuations))
        rows = zip(torch.cat(logprobs).split(lengths), torch.cat(likeliest).split(lengths), strict=True)
        return [(float(logprobs_T.sum()), bool(likeliest_T.all())) for logprobs_T, likeliest_T in rows]


def forward_kl(base: Policy, policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> list[float]:
    """Return KL(base ‖ policy) of each completion: the mean over its tokens (nats, at temperature 1), exact over the vocabulary.

    On completions that the base wrote, forgetting grows with it (RL's Razor, arXiv 2509.04259). Both must have the same vocabulary.
    """
    with torch.no_grad():
        branches = pack(*distinct_prompts(prompts), completions, base.model.device)
        both = (base, policy)
        hidden = [hidden_states(side.model, branches).index_select(0, branches.predictor_M) for side in both]
        weights = [output_weight(side) for side in both]
        kl = []
        for parts in zip(*(states_MD.split(tokens_at_once(len(weights[0]))) for states_MD in hidden), strict=True):
            first_YV, second_YV = ((part @ weight.T).float().log_softmax(-1) for part, weight in zip(parts, weights, strict=True))
            kl.append((first_YV.exp() * (first_YV - second_YV)).sum(-1))
        return [float(kl_T.mean()) for kl_T in torch.cat(kl).split(list(map(len, completions)))]
