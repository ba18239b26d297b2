#!/usr/bin/env python3
"""A thousand alerts within a minute, from the host to the receivers: as few messages as grouping allows, in which every
alert is counted, and what it costs the real program beside watching as many quiet containers.
"""
import contextlib
import email
import email.policy
import http.server
import json
import os
import pathlib
import re
import tempfile
import threading
import time

import client
import host
import mail_server
import program

ALERTS, SECONDS, QUIET = 1000, 60, 20
WINDOW = 30


@contextlib.contextmanager
def webhook(told):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()


def cpu(pid):
    """Seconds of a processor that the program has used, as the kernel counts them."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counted(subject):
    return sum(int(number) for number in re.findall(r"(\d+) (?:Critical|Warning|more)", subject))


def main():
    told = []
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulse-check-")))
        lab = stack.enter_context(host.serving(folder))
        lab.guests.update({1000 + n: (f"guest{n}", 0.2) for n in range(ALERTS)})
        mail = stack.enter_context(mail_server.serving(mail_server.Server()))
        url = stack.enter_context(webhook(told))
        pulse = stack.enter_context(program.running("serve", DISABLE_AUTH="true", TZ="UTC"))
        client.done(pulse.port, "PUT", "/api/notifications/email", {"enabled": True, "server": "127.0.0.1", "port": mail.port, "tls": False,
                                                                    "from": "pulse@example.org", "to": ["ops@example.org"]})
        client.done(pulse.port, "POST", "/api/notifications/webhooks", {"name": "hook", "url": url, "enabled": True})
        client.alert_at_once(pulse.port, WINDOW)
        client.done(pulse.port, "POST", "/api/config/nodes", host.connection(lab))
        client.until("all containers", lambda: len(client.done(pulse.port, "GET", "/api/state")["containers"]) == ALERTS)
        time.sleep(5)
        before = cpu(pulse.process.pid)
        time.sleep(QUIET)
        quiet = (cpu(pulse.process.pid) - before) / QUIET
        began, before = time.monotonic(), cpu(pulse.process.pid)
        for n in range(ALERTS):
            lab.guests[1000 + n] = (f"guest{n}", 0.95)
            time.sleep(max(0, began + SECONDS * n / ALERTS - time.monotonic()))
        client.until("all alerts to be told", lambda: sum(t["count"] for t in told) >= ALERTS and len(mail.got) == len(told), 90)
        took, used = time.monotonic() - began, cpu(pulse.process.pid) - before
        mails = [email.message_from_bytes(got.content, policy=email.policy.SMTP) for got in mail.got]
        records = client.done(pulse.port, "GET", "/api/notifications/history")
    subjects = [str(m["Subject"]) for m in mails]
    more = (used / took - quiet) * 100
    print(f"{ALERTS} alerts in {SECONDS} s: {len(mails)} mails {subjects}, {len(told)} webhook messages; "
          f"{more:.2f} % of a core more than {quiet * 100:.2f} % while all is quiet (a build for tests)")
    at_most = SECONDS // WINDOW + 2
    assert len(mails) <= at_most and len(told) <= at_most, (subjects, [t["count"] for t in told])
    assert sum(map(counted, subjects)) == ALERTS, subjects
    names = {a["resourceName"] for t in told for a in t["alerts"]}
    unlisted = sum(t.get("notListed", 0) for t in told)
    assert len(names) + unlisted == ALERTS, (len(names), unlisted)
    for m, subject in zip(mails, subjects):
        text = m.get_body(("plain",)).get_content()
        listed = len(set(re.findall(r"\bguest\d+\b", text)))
        said = re.search(r"(\d+) more", text)
        assert listed + (int(said.group(1)) if said else 0) == counted(subject), (subject, listed, said)
    assert all(r["success"] and r["attempts"] == 1 for r in records), records
    return more


cost = main()
# The bound is the product's; a build for tests on a busy machine gets five times as much.
assert cost < 5, f"{cost:.2f} % of a core"
print("tests: 6")
