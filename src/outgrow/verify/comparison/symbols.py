r"""Names in answers: functions, constants, letters and signs, and the one form that each synonym becomes (\leq, ≤ → <=)."""

FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot", "sinh", "cosh", "tanh", "coth"),
    *("arcsinh", "arccosh", "arctanh", "asin", "acos", "atan", "log", "ln", "lg", "exp", "abs", "sqrt", "max", "min", "gcd", "lcm"),
}
CIRCULAR = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
"""Functions of an angle."""
CONSTANTS = {"pi", "e", "i"}
GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "ϵ": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "µ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
    "ϕ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
GREEK_NAMES = frozenset(GREEK.values())
DECORATIONS = frozenset(
    {"vec", "hat", "bar", "tilde", "dot", "ddot", "overline", "widehat", "widetilde", "overrightarrow", "underline"}
)
SHAPES = frozenset({"angle", "triangle", "measuredangle"})

TEXT_WRAPPERS = frozenset(
    {"text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "textup", "emph", "mbox", "hbox", "bf"}
)
UPRIGHT_WRAPPERS = frozenset(
    {"mathrm", "mathbf", "mathit", "mathsf", "mathcal", "mathbb", "mathnormal", "boldsymbol", "bm", "operatorname", "rm", "boxed"}
)

IGNORED_COMMANDS = frozenset(
    {"left", "right", "middle", "displaystyle", "textstyle", "limits", "nolimits", "big", "Big", "bigg", "Bigg", "bigl", "bigr"}
    | {"Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "!", "$", "it", "(", ")", "[", "]", "pounds", "euro"}
)
BLANK_COMMANDS = frozenset({",", ";", ":", " ", "quad", "qquad", ">", "enspace", "thinspace", "space", "nobreakspace", "\n", "\t"})
BLANKS = frozenset(" ~\t\n\r\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u205f")

_SYNONYMS = {
    "frac": "dfrac tfrac cfrac",
    "binom": "dbinom tbinom",
    "*": "cdot times ast cdotp × · ⋅ ∙ ∗",
    "/": "div slash ÷ ∕ ⁄",
    "-": "− – — ‐ ‑ ‒ ﹣ －",
    "+": "＋",
    "<=": "le leq leqslant leqq ≤ ⩽",
    ">=": "ge geq geqslant geqq ≥ ⩾",
    "!=": "ne neq ≠",
    "<": "lt",
    ">": "gt",
    "=": "equiv == ＝",
    "~=": "approx simeq thickapprox doteq approxeq ≈",
    "pm": "±",
    "mp": "∓",
    "in": "∈",
    "cup": "∪",
    "cap": "∩",
    "setminus": "∖ backslash",
    "infty": "∞ inf infinity oo",
    "emptyset": "varnothing ∅",
    "deg": "circ degree ° º",
    "|": "lvert rvert vert mid lVert rVert Vert",
    "'": "prime ′ ’",
    "^": "**",
    "sqrt": "√",
    r"\{": "lbrace",
    r"\}": "rbrace",
    "(": "langle lparen ⟨",
    ")": "rangle rparen ⟩",
    "[": "lbrack",
    "]": "rbrack",
    "and": "land wedge",
    "or": "lor vee",
    ":": "colon",
    "angle": "∠",
    "hbar": "hslash",
    "l": "ell",
    "epsilon": "varepsilon",
    "phi": "varphi",
    "theta": "vartheta",
    "rho": "varrho",
    "sigma": "varsigma",
    "kappa": "varkappa",
}
_FORM = {synonym: form for form, synonyms in _SYNONYMS.items() for synonym in synonyms.split()}
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))


def form(name: str) -> str:
    r"""Return the one form of a command's name (without the backslash) or of a character.

    >>> form("leqslant"), form("≤"), form("tfrac"), form("sqrt")
    ('<=', '<=', 'frac', 'sqrt')
    """
    return _FORM.get(name, GREEK.get(name, name))
