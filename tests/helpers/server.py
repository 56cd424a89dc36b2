"""A stub of an OpenAI-compatible server, which says what a test wants it to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from outgrow.evaluate.server_weights import QUESTIONS


def completion(content, reason="stop", tokens=3, **more):
    message = {"role": "assistant", "content": content, **more}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5},
    }


def echo(body):
    return 200, completion(f"{body['messages'][-1]['content']}/{body['seed']}")


class Stub(ThreadingHTTPServer):
    """answer: from a request's body to (status, what is sent), and headers where some are sent. models: what it says it serves."""

    daemon_threads = True

    def __init__(self, answer=echo, models=("m",)):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.bodies, self.headers = answer, [], []
        self.listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.host = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.host}/v1"

    @property
    def keys(self):
        """The key of each request that asks for an answer."""
        return [headers["authorization"] for headers in self.headers]

    @property
    def asked(self):
        """The bodies of requests, without those that ask which weights it holds."""
        return [body for body in self.bodies if body["messages"][-1]["content"] not in QUESTIONS]

    def handle_error(self, *_):
        """A client that hangs up is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send(200, self.server.listed)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.headers.append(self.headers)
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        try:
            status, sent, *more = self.server.answer(body)
        except Exception:
            if body["messages"][-1]["content"] not in QUESTIONS:
                raise
            status, sent, more = 200, completion("?"), []  # a server that fails is asked for 50 seconds
        if status is None:  # hang up
            self.close_connection = True
            self.connection.close()
            return
        with self.server.lock:
            self.server.now -= 1
        self.send(status, sent, *more)

    def send(self, status, sent, headers=()):
        text = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if isinstance(sent, bytes) else "application/json")
        self.send_header("retry-after-ms", "1")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
