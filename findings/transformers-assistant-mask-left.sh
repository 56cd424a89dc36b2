#!/usr/bin/env bash
# transformers marks no token of the assistant in a chat whose start was cut off: apply_chat_template(return_assistant_tokens_mask=True,
# truncation=True, max_length=N) of a tokenizer with truncation_side="left", which keeps the newest turns. As soon as the cut is past
# the start of the first answer, the mask is 0 in all places, also in later answers that are there in full, and nothing is said of it:
# who trains on marked tokens trains on none of the long chats. Cut on the right, the mask is right.
# And where a marked part ends in a letter of several tokens, as letters that are not ASCII are in an alphabet of bytes, only the first
# of these is marked, so what was marked is no text; the last word is then never trained to its end. A template that marks the end
# token too is not touched by this.
# Expected: the mask of the whole chat, cut as its tokens are; and all tokens of what was marked.
# Seen, a chat of 43 tokens, of which 27 are the assistant's: the newest 34 hold 26 of these and 0 are marked, the newest 16 hold 14
# and 0 are marked; the oldest 34 and 16 are marked right. Of "ja ✓", 6 tokens, 4 are marked, which decode to "ja �".
# Tried: transformers 5.23.0, tokenizers 0.23.3, jinja2 3.1.6. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
cat > "$folder/mask.py" <<'PY'
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

END = "<|end|>"
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}INSIDE{% endgeneration %}AFTER"
    "{% else %}U:{{ m.content }}<|end|>{% endif %}{% endfor %}"
)
CHAT = [
    {"role": "user", "content": "one"}, {"role": "assistant", "content": "first answer"},
    {"role": "user", "content": "two"}, {"role": "assistant", "content": "second answer"},
]  # fmt: skip
LAST = len("second answer") + 1  # its letters, one token each, and the end token

alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
letters = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
letters.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token=END, pad_token=END)


def marked(chat, end_is_marked, **settings):
    template = TEMPLATE.replace("INSIDE", END if end_is_marked else "").replace("AFTER", "" if end_is_marked else END)
    found = tokenizer.apply_chat_template(
        chat, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **settings
    )
    return found["input_ids"], found["assistant_masks"]


changed = False
ids, mask = marked(CHAT, True)
for side in ("right", "left"):
    tokenizer.truncation_side = side
    for size in (len(ids), len(ids) - 4, len(ids) - 9, LAST + 2):
        kept = slice(len(ids) - size, None) if side == "left" else slice(size)
        cut, got = marked(CHAT, True, truncation=True, max_length=size)
        print(f"{size} of {len(ids)} tokens, cut on the {side}: {sum(got)} are marked, {sum(mask[kept])} are the assistant's")
        assert cut == ids[kept]
        changed |= got != ([0] * size if side == "left" and size <= len(ids) - 9 else mask[kept])
for text in ("yes", "ja ✓"):
    for end_is_marked in (True, False):
        ids, mask = marked([CHAT[0], {"role": "assistant", "content": text}], end_is_marked)
        got, wanted = sum(mask), len(text.encode()) + end_is_marked
        shown = tokenizer.decode([token for token, bit in zip(ids, mask) if bit])
        print(f"{text!r}, end token marked {end_is_marked}: {got} of {wanted} tokens, {shown!r}")
        changed |= (got != wanted - 2) if (text != "yes" and not end_is_marked) else (got != wanted)
raise SystemExit(1 if changed else 0)
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore "$folder/mask.py" 2>"$folder/log" || { tail -5 "$folder/log"; exit 1; }
