#!/usr/bin/env bash
# transformers 5.23.0, tokenizers 0.23.3: tokenizer_config.json depends on how the tokenizer came into memory. One that was made there is
# saved without `is_local` and `local_files_only`; loaded from that folder and saved again it has both, and `local_files_only` is true
# or false by HF_HUB_OFFLINE of the process that loaded it. So the same tokenizer, saved before and after a restart or on and off the
# network, gives files with other bytes, and a digest over a checkpoint's files changes.
# Tried: Python 3.11, Linux. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.23.0 tokenizers==0.23.3
cat > "$folder/made.py" <<'PY'
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

model = models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")
PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), unk_token="[UNK]").save_pretrained("made")
PY
cat > "$folder/again.py" <<'PY'
import sys
from transformers import AutoTokenizer

AutoTokenizer.from_pretrained("made").save_pretrained(sys.argv[1])
PY
cat > "$folder/look.py" <<'PY'
import json

found = {name: json.load(open(f"{name}/tokenizer_config.json")) for name in ("made", "online", "offline")}
for name, values in found.items():
    print(f"{name:8}", {key: values.get(key, "absent") for key in ("is_local", "local_files_only")})
first, *others = found.values()
assert "is_local" not in first and "local_files_only" not in first
assert [values["local_files_only"] for values in others] == [False, True]
rest = [{key: value for key, value in values.items() if key not in ("is_local", "local_files_only")} for values in found.values()]
assert rest[0] == rest[1] == rest[2]
PY
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python made.py 2>/dev/null
HF_HUB_OFFLINE=0 venv/bin/python again.py online 2>/dev/null
HF_HUB_OFFLINE=1 venv/bin/python again.py offline 2>/dev/null
venv/bin/python look.py
