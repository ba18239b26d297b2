#!/usr/bin/env python3
"""What 4.9 wrote opens in Pulse and what Pulse writes opens in 4.9's format, judged by data_of_4_9.py."""
import json
import os
import pathlib
import subprocess
import tempfile

import data_of_4_9 as theirs

BINARY = os.environ["PULSE_BINARY"]
DATA = pathlib.Path(__file__).parent.parent / "data" / "v49"
tests = 0


def pulse(folder, *words, passphrase=theirs.PASSPHRASE):
    env = {"PULSE_DATA_DIR": str(folder), "PULSE_PASSPHRASE": passphrase, "PATH": os.environ["PATH"]}
    return subprocess.run([BINARY, *words], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def check(name, holds):
    global tests
    tests += 1
    assert holds, name


def named(document):
    """Connections by name with the keys that both sides always write."""
    nodes = document["nodes"]["pveInstances"] + document["nodes"]["pbsInstances"]
    lower = [{k.lower(): v for k, v in n.items()} for n in nodes]
    return {n["name"]: (n["user"], n["password"], n["verifyssl"]) for n in lower}


with tempfile.TemporaryDirectory(prefix="pulse-check-") as folder:
    folder = pathlib.Path(folder)
    theirs.write(folder / "old")
    for name in sorted(p.name for p in DATA.iterdir()):
        check(f"tests/data/v49/{name} is what data_of_4_9.py writes", (folder / "old" / name).read_bytes() == (DATA / name).read_bytes())

    out = pulse(folder / "old", "config", "export", passphrase="pässphrase of ours")
    check(out.stderr, out.returncode == 0)
    (folder / "ours.txt").write_text(out.stdout)
    exported = theirs.open_export(folder / "ours.txt", "pässphrase of ours")
    want = theirs.documents()
    for part in ["system", "alerts", "email", "webhooks", "guestMetadata"]:
        check(f"{part} of our export", exported[part] == want[part])
    check("connections of our export", named(exported) == named(want))
    check("every member of a connection is there", set(want["nodes"]["pveInstances"][0]) <= set(exported["nodes"]["pveInstances"][1]))

    (folder / "new").mkdir()
    out = pulse(folder / "new", "config", "import", "-f", "-i", str(folder / "old" / "export.txt"))
    check(out.stderr, out.returncode == 0)
    found = theirs.read(folder / "new")
    for part in ["system", "alerts", "email", "webhooks", "guestMetadata"]:
        check(f"{part} after our import", found[part] == want[part])
    check("connections after our import", named(found) == named(want))
    check("files of ours are indented as 4.9's", (folder / "new" / "system.json").read_text().startswith('{\n  "'))
    check("JSON stays JSON", json.loads((folder / "new" / "alerts.json").read_text()) == want["alerts"])
print(f"tests: {tests}")
