"""Where the support gate closes, and why there."""

from ..ledger.bands import EASY

CUT = 0.25
"""Share of answers that the token limit cuts. A cut answer pays nothing however good it was. From a quarter on, the policy first
learns to be short, and what it loses in thought is not seen."""

UNREAD = 0.5
"""Share of finished answers without an answer that the recipe's extractors find. From a half on, the policy mainly learns the form,
which another extractor, a prompt or a short fine-tuning gives for less."""

MIXED = 0.1
"""Share of groups with both right and wrong answers. Only these teach: where all rewards of a group are equal, its advantages are
0. Below a tenth, nine of ten tokens are paid for nothing."""

GUESS = 0.2
"""Share of problems with the most frequent known answer, from which on it is named where the policy is worse than always giving it.
Below a fifth, few models are worse."""

SOLID = EASY
"""Share of right answers to the parts of chains, each asked by itself. Below four of five, more than a third of chains of two fail
for a part, and their reward says little of how parts are put together. As in the sampler `climb`."""

ALL_RIGHT = EASY
"""Share of groups with right answers only. From four of five on, the problems are easy, as in the ledger's bands."""
