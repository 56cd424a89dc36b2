"""Which chains of micro fields are practised, and which are only measured.

Four fields take a value (sum, difference, product, clock), and all eight give one. Seven come first: each with two seconds as form,
with one that is practised and with one that is not. So neither a field nor its place tells which field follows. Letters are in no
chain that is practised.
"""

# micro-synthesis-base learnt the form of a chain from these. No claim counts them.
FORMAT = (
    "sum>sum",
    "sum>product",
    "difference>difference",
    "difference>clock",
    "product>product",
    "product>sum",
    "clock>clock",
    "clock>difference",
    "sequence>sum",
    "sequence>product",
    "roman>difference",
    "roman>clock",
    "binary>difference",
    "binary>product",
)

SEEN = (
    "sum>difference",
    "difference>product",
    "product>clock",
    "clock>sum",
    "sequence>difference",
    "roman>product",
    "binary>clock",
)
UNSEEN = ("sequence>clock", "roman>sum", "binary>sum")
REVERSED = ("difference>sum", "product>difference", "clock>product", "sum>clock")
NEW_FIELD = ("letters>sum", "letters>product")
DEEPER = (
    "sum>difference>product",
    "difference>product>clock",
    "product>clock>sum",
    "sequence>difference>product",
    "roman>product>clock",
)
MERGED = ("sum&product>sum", "difference&clock>difference", "roman&sum>difference", "sequence&difference>sum")
# Chains of three for a curriculum that goes on to them: none is among DEEPER, and both links of each are among SEEN.
CLIMB = ("clock>sum>difference", "binary>clock>sum")

ATOMS = ("sum", "difference", "product", "clock", "sequence", "roman", "binary")

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
