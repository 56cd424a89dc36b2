"""Which chains of micro fields are practised, and which are only measured.

Four fields take a value (sum, difference, product, clock), and all eight give one. Seven of these come first in 28 pairs: each with
two seconds that are practised, and with two that are not. Letters are in no chain that is practised.
"""

ATOMS = ("sum", "difference", "product", "clock", "sequence", "roman", "binary")
SEEN = (
    "sum>difference",
    "sum>product",
    "difference>product",
    "difference>clock",
    "product>clock",
    "product>sum",
    "clock>sum",
    "clock>difference",
    "sequence>difference",
    "sequence>product",
    "roman>product",
    "roman>clock",
    "binary>clock",
    "binary>sum",
)
UNSEEN = (
    "sum>sum",
    "difference>difference",
    "product>product",
    "clock>clock",
    "sequence>sum",
    "sequence>clock",
    "roman>difference",
    "roman>sum",
    "binary>product",
    "binary>difference",
)
REVERSED = ("difference>sum", "product>difference", "clock>product", "sum>clock")
NEW_FIELD = ("letters>sum", "letters>product")
DEEPER = (
    "sum>difference>product",
    "difference>product>clock",
    "product>clock>sum",
    "sequence>product>sum",
    "roman>clock>difference",
)
MERGED = ("sum&product>sum", "difference&clock>difference", "roman&sum>difference", "sequence&difference>sum")
# Chains of three for a curriculum that goes on to them: none is among DEEPER, and both links of each are among SEEN.
CLIMB = ("clock>sum>difference", "binary>clock>sum", "sum>product>clock", "sequence>difference>product")
# The form of a chain, without a pair of two fields: `quote` does no arithmetic.
FORM = (
    "quote>sum",
    "quote>difference",
    "quote>product",
    "quote>clock",
    "sum>quote",
    "difference>quote",
    "product>quote",
    "clock>quote",
    "sequence>quote",
    "roman>quote",
    "binary>quote",
    "letters>quote",
    "quote>quote",
    "quote>quote>quote",
    "quote&quote>sum",
    "quote&quote>difference",
)
# The same of questions that stand side by side, for practice of these.
FORM_APART = FORM[:4]

SETS: dict[str, tuple[str, ...]] = {
    "atoms": ATOMS,
    "seen": SEEN,
    "unseen": UNSEEN,
    "reversed": REVERSED,
    "new-field": NEW_FIELD,
    "deeper": DEEPER,
    "merged": MERGED,
    "climb": CLIMB,
    "form": FORM,
    "form-apart": FORM_APART,
}
"""Named sets of chains, as the key `chains` of a source takes them."""
