#!/usr/bin/env python3
"""The Python programs of the documents run against `pulse demo` and print what they promise: that of docs/api.md as it
stands there, and the calls of the public document's program."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import requests

BINARY = os.environ["PULSE_BINARY"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api.md"
tests = 0


def check(name, holds):
    global tests
    tests += 1
    assert holds, name


def wait(what, probe):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def of_the_page(address):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    here = program.replace("http://localhost:7655", address)
    check("the page names the usual address", here != program)
    done = subprocess.run([sys.executable, "-c", here], env={**os.environ, "TOKEN": "any"}, capture_output=True, text=True)
    check(f"it runs: {done.stderr}", done.returncode == 0)
    check(f"it prints nodes: {done.stdout}", re.search(r"^\S+: online, memory \d+ %$", done.stdout, re.M))
    check("it prints guests", re.search(r": at most \d+ % of its processors$", done.stdout, re.M))


def of_the_public_document(address):
    api, headers = f"{address}/api", {"X-API-Token": "your-secure-token"}
    check("health", requests.get(f"{api}/health", headers=headers, timeout=10).json()["status"] == "healthy")
    state = requests.get(f"{api}/state", headers=headers, timeout=10).json()
    lines = [f"Node: {node['name']} - {node['status']}" for node in state.get("nodes", [])]
    check(f"nodes: {lines}", any(line.endswith("- online") for line in lines))


with tempfile.TemporaryDirectory(prefix="pulse-check-") as folder:
    folder = pathlib.Path(folder)
    env = {"PATH": os.environ["PATH"], "PORT": "0", "BIND_ADDRESS": "127.0.0.1", "PULSE_PORT_FILE": str(folder / "port"),
           "PULSE_DATA_DIR": str(folder / "data"), "DISCOVERY_ENABLED": "false", "PULSE_UPDATE_SERVER": "http://127.0.0.1:9"}
    with subprocess.Popen([BINARY, "demo"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = folder / "port"
            number = wait("the port", lambda: port.exists() and port.read_text().strip())
            address = f"http://127.0.0.1:{number}"
            wait("figures", lambda: requests.get(f"{address}/api/state", timeout=10).json()["vms"])
            of_the_page(address)
            of_the_public_document(address)
        finally:
            process.terminate()
print(f"tests: {tests}")
