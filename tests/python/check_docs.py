#!/usr/bin/env python3
"""The Python programs of the documents run against `pulse demo` and print what they promise: that of docs/api.md as it
stands there, and the calls of the public document's program; and what the
routes answer in the demonstration is as /api/openapi.json describes it."""
import os
import pathlib
import re
import subprocess
import sys
import time

import program
import requests
from jsonschema import Draft202012Validator

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
    (written,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    here = written.replace("http://localhost:7655", address)
    check("the page names the usual address", here != written)
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


def as_described(address):
    """What is answered when there is something to show is as the description says, too."""
    paths = requests.get(f"{address}/api/openapi.json", timeout=10).json()["paths"]
    described = 0
    for path, methods in paths.items():
        done = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "{" in path or "application/json" not in done or path == "/api/updates/check":
            continue
        answer = requests.get(f"{address}{path}", timeout=10)
        check(f"{path}: {answer.status_code}", answer.status_code == 200)
        errors = list(Draft202012Validator(done["application/json"]["schema"]).iter_errors(answer.json()))
        check(f"{path}: {errors}", not errors)
        described += 1
    check(f"{described} answers are described", described > 20)


with program.running("demo") as demo:
    address = f"http://127.0.0.1:{demo.port}"
    wait("figures", lambda: requests.get(f"{address}/api/state", timeout=10).json()["vms"])
    of_the_page(address)
    of_the_public_document(address)
    as_described(address)
print(f"tests: {tests}")
