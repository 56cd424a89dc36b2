#!/usr/bin/env bash
# transformers 5.23.0: an `eos_token` that is a typing error in tokenizer_config.json becomes a new token with an id that no row of
# the model belongs to.
#
# Expected of a name that the vocabulary does not hold: an error, or the unknown token. Seen: no word of it; eos_token_id is the size
# of the vocabulary (3 of the tokens 0, 1, 2), so the end token of the model ends nothing, and whoever pads or appends by
# `tokenizer.eos_token_id` reads past the embedding's last row. Compare eos_token_id with the embedding's rows before training.
# Exit code 0 while this is so, 1 when it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check transformers==5.23.0
cat > "$place/end.py" <<'PYTHON'
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

folder = Path(sys.argv[1])
tokenizer = Tokenizer(WordLevel({"<unk>": 0, "hello": 1, "</s>": 2}, unk_token="<unk>"))
tokenizer.pre_tokenizer = Whitespace()
tokenizer.save(str(folder / "tokenizer.json"))


def end_id(name):
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": name, "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return transformers.AutoTokenizer.from_pretrained(folder).eos_token_id


right, wrong = end_id("</s>"), end_id("<s/>")
print(f"transformers {transformers.__version__}, 3 tokens: eos_token </s> has id {right}, eos_token <s/> has id {wrong}")
raise SystemExit(0 if (right, wrong) == (2, 3) else 1)
PYTHON
mkdir "$place/model"
HF_HUB_OFFLINE=1 "$place/venv/bin/python" "$place/end.py" "$place/model"
