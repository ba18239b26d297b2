#!/usr/bin/env python3
"""`/api/openapi.json` in the hands of schemathesis: whatever is sent, with a token that may do everything and without one,
nothing fails inside, every status is described, and every answer is as described.

It runs in a network of its own, where only this machine is: bodies may name any host. Where that is not allowed, the
operations that reach out are left out.
"""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.request

import program
import trail

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = os.environ.get("PULSE_API_EXAMPLES", "6")
MOST_SECS = 35
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
REACHING_OUT = r"/api/(config/nodes|nodes|notifications/.*test|discover|auto-register|updates/check|config/import)"
TOKEN = "a-token-for-the-fuzzer"


def inside():
    """Starts itself again in a network namespace; says whether this is one."""
    if os.environ.get("PULSE_OWN_NETWORK"):
        return True
    alone = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        return False
    up = 'ip link set lo up && exec "$@"'
    environment = {**os.environ, "PULSE_OWN_NETWORK": "1"}
    sys.exit(subprocess.run([*alone, "sh", "-c", up, "sh", sys.executable, "-B", __file__], env=environment).returncode)


class Releases(http.server.BaseHTTPRequestHandler):
    """The release server: one old release."""

    def do_GET(self):
        release = {"tag_name": "v0.0.1", "name": "v0.0.1", "prerelease": False, "published_at": "2025-01-01T00:00:00Z"}
        body = json.dumps([release] if "?" in self.path or self.path.endswith("releases") else release).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def named_token(url):
    """One that outlives the replacement of the main token."""
    body = json.dumps({"name": "fuzzer", "scopes": ["read", "manage", "export", "scrape"]}).encode()
    headers = {"X-API-Token": TOKEN, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/security/tokens", body, headers), timeout=10) as answer:
        token = json.load(answer)["token"]
    trail.secret(token, "POST /api/security/tokens")
    return token


def fuzz(folder, url, isolated, headers):
    command = [pathlib.Path(sys.executable).with_name("schemathesis"), "run", f"{url}/api/openapi.json", "--checks", CHECKS,
               "--phases", "examples,coverage,fuzzing", "-n", EXAMPLES, "--max-time", str(MOST_SECS), "--continue-on-failure",
               "--generation-deterministic", "--request-timeout", "20", "--no-color",
               "--suppress-health-check", "all", "--warnings", "off", *headers]
    if not isolated:
        command += ["--exclude-path-regex", REACHING_OUT]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks_api", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "generated" in line or "passed" in line]


isolated = inside()
releases = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Releases)
threading.Thread(target=releases.serve_forever, daemon=True).start()
variables = {"PULSE_UPDATE_SERVER": f"http://127.0.0.1:{releases.server_port}", "API_TOKEN": TOKEN, "PULSE_AUTH_USER": "admin",
             "PULSE_AUTH_PASS": "a password for the fuzzer", "PULSE_TRUSTED_PROXIES": "127.0.0.1", "CONNECTION_TIMEOUT": "2"}
with program.running("serve", **variables) as pulse:
    url = f"http://127.0.0.1:{pulse.port}"
    for who, headers in [("with a token", ["-H", f"X-API-Token: {named_token(url)}"]), ("without", [])]:
        began = time.monotonic()
        print(who, *fuzz(pulse.folder, url, isolated, headers), f"{time.monotonic() - began:.0f} s")
    assert pulse.process.poll() is None, "the program ended"
print("tests: 2")
