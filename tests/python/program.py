"""The program that PULSE_BINARY names, at work on a free port of this machine with a folder of its own."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time
import typing

import trail

BINARY = os.environ["PULSE_BINARY"]


class Running(typing.NamedTuple):
    port: int
    folder: pathlib.Path
    process: subprocess.Popen


def environment(folder, **more):
    """What it is started with: no traffic but on loopback, its port written to a file."""
    return {"PATH": os.environ["PATH"], "PORT": "0", "BIND_ADDRESS": "127.0.0.1", "PULSE_PORT_FILE": str(folder / "port"),
            "PULSE_DATA_DIR": str(folder / "data"), "DISCOVERY_ENABLED": "false", "PULSE_UPDATE_SERVER": "http://127.0.0.1:9",
            **({"LOG_LEVEL": "debug"} if trail.FOLDER else {}), **more}


def port_of(folder, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        text = (folder / "port").read_text() if (folder / "port").exists() else ""
        if text.strip():
            return int(text)
        time.sleep(0.05)
    raise AssertionError("the program did not open its port")


@contextlib.contextmanager
def running(command, **more):
    """Runs `pulse COMMAND` with these variables beside the usual ones."""
    with tempfile.TemporaryDirectory(prefix="pulse-check-") as folder:
        folder = pathlib.Path(folder)
        for name in trail.SECRET_VARIABLES:
            trail.secret(more.get(name, ""))
        with open(folder / "log", "wb") as log, subprocess.Popen(
                [BINARY, command], env=environment(folder, **more), stdout=subprocess.DEVNULL, stderr=log) as process:
            try:
                yield Running(port_of(folder, process), folder, process)
            finally:
                process.terminate()
                trail.logged(folder / "log")
