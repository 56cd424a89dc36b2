#!/usr/bin/env bash
# atheris 3.0.0: `-timeout=0` does not switch the limit of an input's time off, as it does in libFuzzer. Its own handler of the alarm
# ends the process (exit code 77) at the first input that takes longer than a second of wall time, and says "timeout=0s". So a fuzzer
# that is meant to be patient ends on a busy machine at inputs that take milliseconds of processor time. `-timeout=600` is patient.
# Tried: Python 3.11, Linux. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q atheris==3.0.0
cat > "$folder/slow.py" <<'PY'
import sys, time
import atheris

def one(data):
    time.sleep(3)

atheris.Setup(sys.argv, one)
atheris.Fuzz()
PY
cd "$folder"
for limit in 0 600; do
    code=0
    "$folder/venv/bin/python" slow.py "-timeout=$limit" -runs=2 > "log$limit" 2>&1 || code=$?
    echo "-timeout=$limit: exit code $code; $(grep -c 'timeout=0s' "log$limit" || true) times 'timeout=0s'"
    echo "$code" > "code$limit"
done
test "$(cat code0)" = 77
grep -q "timeout=0s" log0
test "$(cat code600)" = 0
