"""Which chains of micro fields are practised, and which are only measured.

Four fields take a value (sum, difference, product, clock), and six give one. Of the practised pairs, each of the four comes second
twice, so that no place in a chain is learnt with one field only. Binary and letters are practised in no chain.
"""

# micro-synthesis-base learnt the form of a chain from these: each field first once, each field that takes a value second. No claim
# counts them.
FORMAT = ("sum>sum", "difference>difference", "product>product", "clock>clock", "sequence>sum", "roman>difference")

SEEN = (
    "sum>difference",
    "difference>product",
    "product>clock",
    "clock>sum",
    "sequence>difference",
    "sequence>product",
    "roman>sum",
    "roman>clock",
)
UNSEEN = ("sum>product", "product>sum", "difference>clock", "clock>difference", "sequence>clock", "roman>product")
REVERSED = ("difference>sum", "product>difference", "clock>product", "sum>clock")
NEW_FIELD = ("binary>sum", "binary>product", "binary>difference", "binary>clock", "letters>sum", "letters>product")
DEEPER = ("sum>difference>product", "product>clock>sum", "roman>clock>sum", "sequence>difference>product", "roman>sum>difference")
MERGED = ("sum&product>sum", "difference&clock>difference", "roman&sum>difference", "sequence&difference>sum")
# Chains of three for a curriculum that goes on to them: none is among DEEPER, and both links of each are among SEEN.
CLIMB = (
    "difference>product>clock",
    "clock>sum>difference",
    "sequence>product>clock",
)

ATOMS = ("sum", "difference", "product", "clock", "sequence", "roman")

SETS: dict[str, tuple[str, ...]] = {
    "atoms": ATOMS,
    "format": FORMAT,
    "seen": SEEN,
    "unseen": UNSEEN,
    "reversed": REVERSED,
    "new-field": NEW_FIELD,
    "deeper": DEEPER,
    "merged": MERGED,
    "climb": CLIMB,
}
"""Named sets of chains, as the key `chains` of a source takes them."""
