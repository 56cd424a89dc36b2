"""Which chains of micro fields are practised, and which are only measured.

Four fields take a value (sum, difference, product, clock), and six give one. The practised pairs are balanced as in a Latin square:
each of the six comes first twice, and each of the four comes second three times, so that no place in a chain is learnt with one
field only. Binary and letters are practised in no chain.
"""

# micro-synthesis-base learnt the form of a chain from these. No claim counts them.
FORMAT = ("sum>sum", "difference>difference")

SEEN = (
    "sum>difference",
    "sum>product",
    "difference>product",
    "difference>clock",
    "product>clock",
    "product>sum",
    "clock>sum",
    "clock>difference",
    "sequence>sum",
    "sequence>product",
    "roman>difference",
    "roman>clock",
)
UNSEEN = ("product>product", "clock>clock", "sequence>difference", "sequence>clock", "roman>sum", "roman>product")
REVERSED = ("difference>sum", "product>difference", "clock>product", "sum>clock")
NEW_FIELD = ("binary>sum", "binary>product", "binary>difference", "binary>clock", "letters>sum", "letters>product")
DEEPER = ("sum>product>clock", "difference>clock>sum", "product>sum>difference", "clock>difference>product", "roman>clock>sum")
MERGED = ("sum&product>sum", "difference&clock>difference", "roman&sum>difference", "sequence&difference>sum")
# Chains of three for a curriculum that goes on to them: none is among DEEPER, and both links of each are among SEEN.
CLIMB = (
    "sum>difference>clock",
    "difference>product>sum",
    "product>clock>difference",
    "clock>sum>product",
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
