"""The scripts that questions are written in."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

_FEWEST = 0.05  # share of the letters below which a script is not named
_NAMES = {"CJK": "Chinese characters", "HIRAGANA": "Japanese kana", "KATAKANA": "Japanese kana", "HANGUL": "Korean"}


def scripts_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the scripts that hold at least a twentieth of the letters, the most frequent first.

    The first word of a letter's Unicode name is the name of its script. Single letters count as mathematics, not as a script.

    >>> scripts_of(["How many?", "Сколько яблок?"]), scripts_of(["27+58=?"])
    (('Cyrillic', 'Latin'), ())
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for word in text.split():
            letters = [letter for letter in word if letter.isalpha()]
            script = [unicodedata.name(letter, "?").split()[0] for letter in letters]
            if len(letters) > 1 or script in (["CJK"], ["HANGUL"]):
                counts.update(script)
    total = counts.total()
    named = (_NAMES.get(name, name.capitalize()) for name, count in counts.most_common() if count >= _FEWEST * total)
    return tuple(dict.fromkeys(named))
