"""Rows of the public data sets whose known answer cannot be verified against their own solution, and why."""

# (file, row counted from 0) -> reason
EXCEPTIONS = {
    ("math/train", 1655): r"the solution ends in \boxed 2, a box without braces",
    ("math/train", 1707): r"the solution ends in \boxed 9, a box without braces",
    ("math/train", 5529): "the box is empty: the author leaves the answer, none, to the reader",
    ("math/train", 5531): "the box is empty: the author leaves the answer, none, to the reader",
}
