"""Asking the live pages over a real socket."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from outgrow.report.live import application
from outgrow.report.live.server import server_config


@contextmanager
def servers() -> Iterator:
    """Give what starts a server for (folder, token) and returns its port; all of them stop at the end of the block."""
    running = []

    def start(folder, token=None):
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(application(folder, token)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        return listening.getsockname()[1]

    try:
        yield start
    finally:
        for server, thread in running:
            server.should_exit = True
            thread.join(20)


def ask(port, path, **headers):
    """Return status, page and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers
