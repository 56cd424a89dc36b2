#!/usr/bin/env bash
# openai 3.54.0: a reply with status 200 that holds an error, as some servers and gateways send it, is neither raised nor retried.
#
# Expected: an exception that holds the server's message, after the client's own retries (max_retries=2 is the default). Seen: one
# request, and a ChatCompletion whose `choices` is None; the message is in the extra field `error`. The caller's next line,
# `completion.choices[0]`, is a TypeError that names no cause. The same body with status 500 is asked 3 times and then raised.
# Exit code 0 while this is so, 1 when it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check openai==3.54.0
cat > "$place/errors.py" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai

BODY = json.dumps({"error": {"message": "the model is loading", "type": "server_error", "code": 503}}).encode()


class Server(BaseHTTPRequestHandler):
    requests = 0
    status = 200

    def do_POST(self):
        Server.requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1")
seen = {}
for Server.status in (200, 500):
    Server.requests = 0
    try:
        completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
        seen[Server.status] = (Server.requests, f"a completion with choices={completion.choices}")
    except openai.APIError as error:
        seen[Server.status] = (Server.requests, type(error).__name__)
    print(f"openai {openai.__version__}, status {Server.status}: {seen[Server.status][0]} requests, then {seen[Server.status][1]}")
server.shutdown()
raise SystemExit(0 if seen == {200: (1, "a completion with choices=None"), 500: (3, "InternalServerError")} else 1)
PYTHON
"$place/venv/bin/python" "$place/errors.py"
