"""llama.cpp's own server, from the package xllamacpp, in a process of its own: a file that it cannot load ends that process."""

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from tempfile import TemporaryFile

_SERVE = """
import sys
import xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_parallel = sys.argv[1], 4 * int(sys.argv[2]), 4
settings.cpuparams.n_threads = settings.n_gpu_layers = 1
settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
settings.warmup = False
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_server(file, context=200):
    """Yield the address of a server that holds a GGUF file. context: tokens of each of its four slots."""
    command = [sys.executable, "-c", _SERVE, str(file), str(context)]
    with (
        TemporaryFile("w+") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            address = process.stdout.readline().strip()
            if not address:
                log.seek(0)
                raise AssertionError(f"llama.cpp did not load the file:\n{log.read()[-2000:]}")
            yield address
        finally:
            process.kill()


def post(address, path, **body):
    request = urllib.request.Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())
