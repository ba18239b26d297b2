"""Calls to a running program, and waiting until something holds."""
import json
import time
import urllib.error
import urllib.request

import trail


def call(port, method, path, body=None):
    """Status and document of one call."""
    for name in ("password", "tokenValue"):
        trail.secret(str(body.get(name, "")) if isinstance(body, dict) else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            trail.answered(method, path, answer.status, answer.headers.items(), text)
            return answer.status, json.loads(text)
    except urllib.error.HTTPError as refused:
        text = refused.read()
        trail.answered(method, path, refused.code, refused.headers.items(), text)
        try:
            return refused.code, json.loads(text)
        except ValueError:
            return refused.code, text.decode()


def done(port, method, path, body=None):
    """The document of a call that must succeed."""
    status, said = call(port, method, path, body)
    assert status in (200, 201), f"{method} {path}: {status} {said}"
    return said


def until(what, probe, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def alert_at_once(port, window=1):
    """A processor above 80 % is an alert at once; alerts within so many seconds are told together; nothing is held back."""
    config = done(port, "GET", "/api/alerts/config")
    config["guestDefaults"] = {"cpu": {"trigger": 80, "clear": 75}}
    config["schedule"].update({"cooldown": 0, "groupingWindow": window, "maxAlertsHour": 0, "grouping": {"enabled": window > 0, "window": window}})
    done(port, "PUT", "/api/alerts/config", config)
