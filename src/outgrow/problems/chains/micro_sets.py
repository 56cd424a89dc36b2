"""Which chains of micro fields are practised, and which are only measured.

Four fields take a value (sum, difference, product, clock), and all eight give one. Of the practised pairs, each of the four comes
second twice, so that no place in a chain is learnt with one field only. Letters are practised in no chain.
"""

# micro-synthesis-base learnt the form of a chain from these. No claim counts them.
FORMAT = (
    "binary>sum",
    "binary>difference",
    "binary>product",
    "binary>clock",
    "sum>difference",
    "difference>sum",
    "product>clock",
    "clock>product",
    "sequence>sum",
    "roman>product",
)

SEEN = (
    "sum>product",
    "product>difference",
    "difference>clock",
    "clock>sum",
    "sequence>difference",
    "sequence>product",
    "roman>sum",
    "roman>clock",
)
UNSEEN = ("sum>sum", "difference>difference", "product>product", "clock>clock", "sequence>clock", "roman>difference")
REVERSED = ("product>sum", "difference>product", "clock>difference", "sum>clock")
NEW_FIELD = ("letters>sum", "letters>product")
DEEPER = ("sum>product>difference", "difference>clock>sum", "roman>sum>product", "sequence>product>difference", "roman>clock>sum")
MERGED = ("sum&product>sum", "difference&clock>difference", "roman&sum>difference", "sequence&difference>sum")
# Chains of three for a curriculum that goes on to them: none is among DEEPER, and both links of each are among SEEN.
CLIMB = ("product>difference>clock", "clock>sum>product", "sequence>difference>clock")

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
