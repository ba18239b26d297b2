"""What the programs logged and answered and which secrets were used, kept for tests/secrets.py when PULSE_TRAIL says where."""
import json
import os
import pathlib
import shutil
import uuid

SECRET_VARIABLES = ("PULSE_AUTH_PASS", "API_TOKEN", "PROXY_AUTH_SECRET")
FOLDER = pathlib.Path(os.environ["PULSE_TRAIL"]) if os.environ.get("PULSE_TRAIL") else None
NAME = f"python-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def keep(ending, line):
    if FOLDER:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open(FOLDER / f"{NAME}.{ending}", "a") as file:
            file.write(json.dumps(line) + "\n")


def secret(text, by=None):
    """Something that nothing may say but this route."""
    if len(text) >= 8:
        keep("secrets", [text, by])


def answered(method, path, status, headers, body):
    kept = [f"{k}: {v}" for k, v in headers if k.lower() != "set-cookie"]
    keep("answers", [f"{method} {path.split('?')[0]}", status, kept, body if isinstance(body, str) else body.decode(errors="replace")])


def logged(path):
    if FOLDER and path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, FOLDER / f"{NAME}-{uuid.uuid4().hex[:8]}.log")
