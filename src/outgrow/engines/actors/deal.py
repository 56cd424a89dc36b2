"""How the prompts of a request become calls of an engine.

What a rollout's last bits depend on is the rows that stand beside it (a product of 3 rows rounds otherwise than one of 64). So a
request is cut into calls by its own prompts only, never by how many actors there are: whoever gets a call writes the same tokens.
"""

from collections.abc import Sequence


def deal(costs: Sequence[float], hands: int, most: int) -> list[list[int]]:
    """Deal items to hands, the largest first, each to the hand that has least and still has room.

    costs: of each item. most: items that a hand has room for. Returns the items of each hand, by their places in `costs`, in order;
    the hand with most comes first. Ties go to the item and to the hand that come first.
    (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969: the fullest hand has at most 4/3 of what
    the best dealing would give it, where room is no limit.)

    >>> deal([5, 9, 4, 6], hands=2, most=2)
    [[1, 2], [0, 3]]
    """
    assert len(costs) <= hands * most, "every item needs a place"
    items: list[list[int]] = [[] for _ in range(hands)]
    loads = [0.0] * hands
    for item in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
        hand = min((hand for hand in range(hands) if len(items[hand]) < most), key=lambda hand: (loads[hand], hand))
        items[hand].append(item)
        loads[hand] += costs[item]
    order = sorted(range(hands), key=lambda hand: (-loads[hand], hand))
    return [sorted(items[hand]) for hand in order if items[hand]]


def calls_of(prompt_tokens: Sequence[int], completion_tokens: Sequence[float], n: int, rows: int) -> list[list[int]]:
    """Cut a request into calls of at most `rows` rollouts (one group at least), about as long as each other, the longest first.

    prompt_tokens: of each prompt. completion_tokens: expected of one rollout of each. n: rollouts of each prompt.
    Returns the prompts of each call.
    """
    groups = max(1, rows // n)
    costs = [prompt + n * completion for prompt, completion in zip(prompt_tokens, completion_tokens, strict=True)]
    return deal(costs, -(-len(costs) // groups), groups)
