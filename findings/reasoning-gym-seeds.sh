#!/usr/bin/env bash
# reasoning-gym gives other problems for the same seed. create_dataset(NAME, seed=42, size=N) is fixed by its seed in most tasks, but:
# - isomorphic_strings, ransom_note and polynomial_multiplication draw from a set of texts or go by its order, which Python changes in
#   every process. So two processes with one seed have few or no problems in common: the ranks of one training, a run before and after
#   a restart, a test set that is made anew for the second model. word_ladder (and knight_swap, which is slow and not run here) asks
#   the same and names another answer. PYTHONHASHSEED=0 in each process makes all of them equal.
# - acre deals its problems out by the size of the whole set: problem i of 40 is not problem i of 50, so a set that is made larger later
#   holds none of its former problems in their places.
# Nothing is said of either; the package's own page gives seed and size as all that a set depends on.
# Expected: what basic_arithmetic, family_relationships, letter_jumble and quantum_lock do: equal in all processes and sizes.
# Seen, 20 problems with seed 42, in two processes with PYTHONHASHSEED=1 and 2 (unset, Python draws a number for each process): 20 of
# 20 questions differ in each of the first three; word_ladder has 20 equal questions and 11 other answers; with PYTHONHASHSEED=0 in
# both all are equal. acre: 20 of 20 questions differ between sizes 40 and 50.
# Tried: reasoning-gym 0.1.25, Python 3.11. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reasoning-gym==0.1.25
cat > "$folder/draw.py" <<'PY'
import json
import sys

import reasoning_gym

KEPT = ("basic_arithmetic", "family_relationships", "letter_jumble", "quantum_lock")
MOVED = ("isomorphic_strings", "ransom_note", "polynomial_multiplication", "word_ladder", "acre")
drawn = {}
for name in KEPT + MOVED:
    for size in (40, 50):
        items = reasoning_gym.create_dataset(name, seed=42, size=size)
        drawn[f"{name} {size}"] = [(items[place]["question"], str(items[place]["answer"])) for place in range(20)]
with open(sys.argv[1], "w") as file:
    json.dump(drawn, file)
PY
cat > "$folder/compare.py" <<'PY'
import json
import sys

one, other, fixed, again = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("one", "other", "fixed", "again"))


def differ(first, second):
    """Return how many of the questions and how many of the answers differ."""
    return tuple(sum(row[part] != also[part] for row, also in zip(first, second)) for part in (0, 1))


changed = fixed != again
print(f"with PYTHONHASHSEED=0 two processes draw the same: {fixed == again}")
for key in (key for key in one if key.endswith(" 40")):
    name = key.split()[0]
    (questions, answers), (by_size, _) = differ(one[key], other[key]), differ(fixed[key], fixed[f"{name} 50"])
    print(f"{name}: of 20, in two processes {questions} questions and {answers} answers differ; {by_size} questions by size")
    if name == "acre":
        changed |= questions > 0 or by_size < 15
    elif name == "word_ladder":
        changed |= questions > 0 or answers < 3 or by_size > 0
    elif name in ("isomorphic_strings", "ransom_note", "polynomial_multiplication"):
        changed |= questions < 15 or by_size > 0
    else:
        changed |= questions > 0 or answers > 0 or by_size > 0
raise SystemExit(1 if changed else 0)
PY
for name in one:1 other:2; do
    PYTHONHASHSEED=${name#*:} "$folder/venv/bin/python" -W ignore "$folder/draw.py" "$folder/${name%:*}.json" 2>"$folder/log" >"$folder/out" ||
        { tail -5 "$folder/log"; exit 1; }
done
for name in fixed again; do
    PYTHONHASHSEED=0 "$folder/venv/bin/python" -W ignore "$folder/draw.py" "$folder/$name.json" 2>"$folder/log" >"$folder/out" ||
        { tail -5 "$folder/log"; exit 1; }
done
"$folder/venv/bin/python" "$folder/compare.py" "$folder"
