"""The command `outgrow serve`."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import OutgrowError, UsageError
from .app import LOOK, command
from .console import say
from .options import Runs

if TYPE_CHECKING:
    import socket


@command(LOOK, "outgrow serve", "outgrow serve /data/runs --port 9000", "OUTGROW_TOKEN=… outgrow serve --host 0.0.0.0")
def serve(
    folder: Runs = Path("runs"),
    host: Annotated[str, typer.Option(help="Address to listen at. Any address but a loopback one requires a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes any free port.")] = 8300,
) -> None:
    """Show all runs in a browser while they train: curves, problems won and lost, every rollout, runs side by side.

    From another machine a token is required: OUTGROW_TOKEN if it is set, else a new one, printed with the address. The connection
    is not encrypted; over an open network, use a tunnel: ssh -L 8300:localhost:8300 MACHINE
    """
    import os
    import secrets

    import uvicorn

    from ..core.addresses import is_loopback
    from ..core.memory import return_large_buffers
    from ..report.live import application
    from ..report.live.server import server_config

    if not folder.is_dir():
        raise UsageError(f"{folder}: this folder does not exist; train a run with: outgrow train RECIPE")
    token = None if is_loopback(host) else os.environ.get("OUTGROW_TOKEN") or secrets.token_urlsafe(24)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    say(f"{address}{f'?token={token}' if token else ''}   (Ctrl-C to stop)")
    return_large_buffers()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(server_config(application(folder, token, looking=0.01, rendering=0.1))).run(sockets=[listening])


def _listen(host: str, port: int) -> "socket.socket":
    """Return a listening socket. Raises OutgrowError if the address cannot be used."""
    import socket

    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or error
        raise OutgrowError(f"cannot listen at {host}:{port} ({reason}); choose another --host or --port") from error
