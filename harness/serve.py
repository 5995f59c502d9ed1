"""`harness serve`: shows the scoreboard, the reports and what trains now in a browser."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of

PORT = 8008


def serve(
    *,
    results: cli_options.Results = Path("results"),
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="the port to listen on; 0: one that is free", rich_help_panel="Server"),
    ] = PORT,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="a loopback address of this machine: 127.0.0.1, ::1", rich_help_panel="Server"),
    ] = "127.0.0.1",
) -> None:
    """Show the scoreboard, all reports and what trains now in a browser, kept current as runs finish.

    Reports that somebody looks at are drawn again in the background. The
    server only reads: it changes no run, plan, report or ledger. It can be
    reached from this machine alone; from another one, through SSH, with the
    command that it prints. Ctrl-C ends it, and no training.

    Examples:
      harness serve
      harness serve --results /scratch/results --port 8010

    Exit codes:
      0   ended by Ctrl-C or SIGTERM
      2   bad input or usage, no such results folder, or a port that is taken
    """
    from harness.common import patience
    from harness.errors import InputError
    from harness.serving.app import App
    from harness.serving.folder import Folder
    from harness.serving.reports import Reports
    from harness.serving.server import Server
    from harness.store.served import address, announced
    from harness.terminal import shell

    if (known := address(results)) is not None and known.endswith(f":{port}/"):
        raise InputError(f"--port {port}: this results folder is served there already: open {known}")
    folder = Folder(results)
    reports = Reports(results, lambda: folder.store, folder.stamps)
    with Server(App(folder, reports), host, port) as server, patience.waiting_up_to(0.0):
        url = f"http://{server.host}:{server.port}"
        tunnel = f"ssh -N -L {server.port}:{server.host}:{server.port} {socket.gethostname()}"
        shell.say(f"serving {results} at {url}/  (Ctrl-C ends the server, and no training)")
        shell.say(f"from another machine: {tunnel}\nand open http://127.0.0.1:{server.port}/ there")
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with reports, announced(results, url):
                server.serve_forever()
        except KeyboardInterrupt:
            shell.say("the server has ended")
        finally:
            signal.signal(signal.SIGTERM, before)


main = main_of(serve)


if __name__ == "__main__":
    sys.exit(main())
