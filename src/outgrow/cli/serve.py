"""The command `outgrow serve`."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import OutgrowError, UsageError
from .app import app
from .console import console
from .options import example


@app.command(
    epilog=example("outgrow serve", "outgrow serve /data/runs --port 9000", "OUTGROW_TOKEN=… outgrow serve --host 0.0.0.0")
)
def serve(
    folder: Annotated[Path, typer.Argument(help="The folder that holds runs.")] = Path("runs"),
    host: Annotated[str, typer.Option(help="The address to listen at; all but loopback ask for a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8300,
) -> None:
    """Show all runs in a browser, while they train: curves, problems won and lost, every rollout, runs side by side.

    From another machine a token is asked for: OUTGROW_TOKEN, or one made for this time and printed with the address.
    What is sent is not encrypted; over an open network use a tunnel: ssh -L 8300:localhost:8300 MACHINE
    """
    import os
    import secrets
    import socket

    import uvicorn

    from ..report.live import application
    from ..report.live.guard import is_loopback

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; runs are made by: outgrow train RECIPE")
    token = None if is_loopback(host) else os.environ.get("OUTGROW_TOKEN") or secrets.token_urlsafe(24)
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OutgrowError(
            f"cannot listen at {host}:{port} ({error.strerror or error}); choose another with --host or --port"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    console.print(
        f"{address}{f'?token={token}' if token else ''}   (Ctrl-C ends it)", highlight=False, markup=False, soft_wrap=True
    )
    config = uvicorn.Config(application(folder, token), log_level="warning", access_log=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
