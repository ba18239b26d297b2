#!/usr/bin/env python3
"""Looks for every secret that the checks used in everything the programs logged and answered meanwhile.

  secrets.py FOLDER   where the checks kept their trail (PULSE_TRAIL)

`*.secrets`: a JSON array on each line, the secret and the one route that may say it, or null. `*.answers`: a JSON array
on each line, route, status, headers, body. `*.log`: text. A secret is looked for as it is, in base64, percent-encoded
and escaped as JSON does. Before it looks it plants secrets and has to find them.
"""
import base64
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

MOST_BYTES = 200_000_000


def forms(secret):
    """How a secret may look in an answer or a log."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    found = {secret, urllib.parse.quote(secret, safe=""), escaped, json.dumps(escaped)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    # Base64 of it wherever it stands in the encoded text: the part that does not depend on what is around it.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        middle = coded[4 if shift else 0:-1 if (shift + len(raw)) % 3 else None]
        if len(middle) >= 12:
            found.add(middle)
    return found


def secrets_of(folder):
    """Each secret with the routes that may say it."""
    found = collections.defaultdict(set)
    for path in folder.glob("*.secrets"):
        for line in path.read_text().splitlines():
            secret, route = json.loads(line)
            found[secret] |= {route} if route else set()
    return found


def found_in(folder):
    """`(file, secret, route)` of each place that holds a secret it may not hold."""
    secrets = secrets_of(folder)
    owner = {form: secret for secret in secrets for form in forms(secret) if "\n" not in form}
    if not owner:
        return []
    files = sorted([*folder.glob("*.answers"), *folder.glob("*.log")])
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("".join(form + "\n" for form in owner))
        patterns.flush()
        command = ["grep", "-aHnoF", "-f", patterns.name, "--", *files, "/dev/null"]
        done = subprocess.run(command, capture_output=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
    assert done.returncode in (0, 1), done.stderr.decode()
    places = collections.defaultdict(lambda: collections.defaultdict(set))
    for hit in done.stdout.decode().splitlines():
        name, number, form = hit.split(":", 2)
        places[pathlib.Path(name)][int(number)].add(owner[form])
    found = []
    for path, lines in places.items():
        with open(path, errors="replace") as file:
            for number, line in enumerate(file, 1):
                for secret in lines.get(number, ()):
                    route = json.loads(line)[0] if path.suffix == ".answers" else None
                    # Printed at the start for whoever sets Pulse up from elsewhere.
                    printed = route is None and f"the code {secret} is needed" in line
                    if not printed and (route is None or route not in secrets[secret]):
                        found.append((path.name, secret, route or line[:160]))
    return found


def planted():
    """The search finds what it has to, and lets the one route say its secret."""
    secret = 'pl"anted-säcret/42'
    sealed = base64.b64encode(f"admin:{secret}".encode()).decode()
    places = {
        "a.log": f"x {secret} y\n", "b.log": f"Basic {sealed}\n", "c.log": f"GET /?token={urllib.parse.quote(secret, safe='')}\n",
        "d.answers": json.dumps(["GET /api/x", 200, [], json.dumps({"a": secret})]) + "\n",
        "e.answers": json.dumps(["GET /api/x", 200, [f"Location: /{secret}"], ""], ensure_ascii=False) + "\n",
        "f.answers": json.dumps(["POST /api/once", 200, [], json.dumps({"token": secret})]) + "\n",
        "g.log": "nothing\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "x.secrets").write_text(json.dumps([secret, "POST /api/once"]) + "\n")
        for name, text in places.items():
            (folder / name).write_text(text)
        seen = {name for name, *_ in found_in(folder)}
    assert seen == {"a.log", "b.log", "c.log", "d.answers", "e.answers"}, f"the search itself is broken: {sorted(seen)}"


planted()
trail = pathlib.Path(sys.argv[1])
files = [p for p in trail.iterdir() if p.is_file()]
size = sum(p.stat().st_size for p in files)
known = secrets_of(trail)
answers = sum(text.count(b"\n") for text in (p.read_bytes() for p in trail.glob("*.answers")))
logs = [p for p in trail.glob("*.log") if p.stat().st_size]
print(f"searched: {len(known)} secrets in {answers} answers and {len(logs)} logs, {size / 1e6:.0f} MB")
leaks = found_in(trail)
for name, secret, where in leaks[:40]:
    print(f"{name}: {where} holds {secret!r}")
assert size < MOST_BYTES, "too much is kept"
assert known and answers and logs, "nothing was kept: the search would have proved nothing"
print(f"tests: {1 + len(known)}")
sys.exit(1 if leaks else 0)
