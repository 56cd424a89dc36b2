#!/usr/bin/env bash
# lm-evaluation-harness drops stop strings over a chat: local-chat-completions sends the first four of a task's `until` and no more,
# says nothing of it, and does not cut the reply either. local-completions sends all. So one task stops at one place over one address
# and goes on over the other, on the same server. (Four is the limit of OpenAI's own service; it is kept for every server.)
# Tasks with five: humaneval and humaneval_64 (lost: "\nprint"), kormedmcqa (the blank line), acpbench's gen_2shot ("Q:"),
# gsm8k_cot_llama, gsm8k_platinum_cot_llama and asdiv_cot_llama ("<|im_end|>"). With an end-of-text token, which comes last, a task
# with four loses that. In humaneval what follows the function is then run with it: a right function fails by its own example.
# Expected: all stop strings, or a warning, or the reply cut at those that were not sent, as is done for models that lm-eval loads.
# Seen, a server that keeps to `stop`, and humaneval's own list: over /v1/completions it gets 5 and the program passes its test; over
# /v1/chat/completions it gets 4, the kept answer holds "\nprint(add(int(input()), 1))", and the program ends with EOFError.
# Tried: lm_eval 0.4.13. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "lm_eval[api]==0.4.13" datasets==5.2.0 numpy==2.4.1
cat > "$folder/stops.py" <<'PY'
import json
import logging
import pathlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import lm_eval
import yaml
from lm_eval.tasks import TaskManager

folder = pathlib.Path(sys.argv[1])
PROMPT, TEST = 'def add(a, b):\n    """Return the sum."""\n', "\nassert add(2, 3) == 5\n"
WRITES = "    return a + b\n\nprint(add(int(input()), 1))\n"
logging.getLogger("lm_eval").setLevel(logging.ERROR)


class Unread(yaml.SafeLoader):
    """Reads the tasks' files without the functions that they name."""


Unread.add_multi_constructor("!", lambda loader, suffix, node: None)


class Server(BaseHTTPRequestHandler):
    """Writes the same text always, up to the first of the stop strings of the request."""

    stops = None

    def do_POST(self):
        Server.stops = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["stop"]
        text = WRITES[: min((WRITES.find(stop) for stop in Server.stops if stop in WRITES), default=None)]
        choice = {"index": 0, "text": text, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def until(name):
    place = pathlib.Path(lm_eval.__file__).parent / "tasks" / name
    return yaml.load(place.read_text(), Unread)["generation_kwargs"]["until"]


def kept(address, kind, stops):
    """Return the answer that lm-eval kept."""
    chat = kind == "local-chat-completions"
    task = {
        "task": "tiny", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "questions.jsonl")}},
        "test_split": "test", "output_type": "generate_until", "doc_to_text": "{{prompt}}", "doc_to_target": "{{test}}",
        "generation_kwargs": {"do_sample": False, "until": stops, "max_gen_toks": 64}, "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    found = lm_eval.simple_evaluate(
        model=kind,
        model_args={
            "base_url": f"{address}/v1/{'chat/' if chat else ''}completions", "model": "tiny", "tokenizer_backend": None,
            "tokenized_requests": False,
        },
        tasks=[task], task_manager=TaskManager(include_defaults=False), log_samples=True, apply_chat_template=chat, bootstrap_iters=0,
        torch_random_seed=None,
    )  # fmt: skip
    [sample] = found["samples"]["tiny"]
    return sample["resps"][0][0]


(folder / "questions.jsonl").write_text(json.dumps({"prompt": PROMPT, "test": TEST}) + "\n")
server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
stops = until("humaneval/humaneval.yaml")
changed = len(stops) != 5 or len(until("kormedmcqa/_template_yaml")) != 5 or len(until("acpbench/gen_2shot/_gen_yaml_2shot")) != 5
print("humaneval's list:", stops)
for kind, sent, passes in (("local-completions", 5, True), ("local-chat-completions", 4, False)):
    answer = kept(f"http://127.0.0.1:{server.server_port}", kind, stops)
    ran = subprocess.run(
        [sys.executable, "-c", PROMPT + answer + TEST], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    ends = ran.stderr.strip().splitlines()[-1:] or ["passes"]
    print(f"{kind}: the server got {len(Server.stops)} stop strings; kept {answer!r}; the program: {ends[0]}", flush=True)
    changed |= Server.stops != stops[:sent] or (ran.returncode == 0) != passes
server.shutdown()
raise SystemExit(1 if changed else 0)
PY
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" -W ignore "$folder/stops.py" "$folder" 2>"$folder/log" ||
    { tail -5 "$folder/log"; exit 1; }
