#!/usr/bin/env python3
"""kill -9 of the real program at many moments between an alert and its delivery: by mail and by webhook each alert arrives
after the next start at the latest, its copies carry one key, and what was delivered and written down comes once.

Each lane has a data directory that lives through all of its kills. In each round a container is busy that was not there
before, the program starts, is killed at the moment of the round, starts again and is left in peace until it has told.
"""
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import typing

import client
import host
import mail_server
import program
import trail


class Copy(typing.NamedTuple):
    """What came of one alert, by which channel and under which key."""
    alert: str
    channel: str
    key: str
    accepted: bool


class Inbox:
    """Both receivers of a lane. `moment` is set when what it names happens: `asked` and `mailed` before the answer,
    `answered` and `accepted` after it. So many `refusals` are given to the next webhook requests."""

    def __init__(self):
        self.copies, self.refusals = [], 0
        self.moment, self.happened = None, threading.Event()

    def expect(self, moment, refusals=0):
        self.moment, self.refusals = moment, refusals
        self.happened.clear()

    def reached(self, moment):
        if self.moment == moment:
            self.happened.set()

    def of(self, alert):
        return [copy for copy in self.copies if copy.alert == alert]


class Mailbox(mail_server.Server):
    def __init__(self, inbox):
        super().__init__()
        self.inbox = inbox

    async def handle_DATA(self, speaker, session, envelope):
        text = envelope.original_content
        key = re.search(rb"^Message-ID: (\S+)", text, re.M).group(1).decode()
        self.inbox.reached("mailed")
        answer = await super().handle_DATA(speaker, session, envelope)
        # A container's name has its number and stands in both parts as it is.
        for number in set(re.findall(rb"busy-(\d+)", text)):
            self.inbox.copies.append(Copy(number.decode(), "email", key, True))
        self.inbox.reached("accepted")
        return answer


@contextlib.contextmanager
def webhook(inbox):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            inbox.reached("asked")
            time.sleep(0.2)
            accepted = inbox.refusals == 0
            inbox.refusals -= not accepted
            for alert in told["alerts"]:
                number = re.search(r"busy-(\d+)", alert["resourceName"]).group(1)
                inbox.copies.append(Copy(number, "webhook", self.headers["X-Pulse-Delivery"], accepted))
            with contextlib.suppress(OSError):
                self.send_response(200 if accepted else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()
            inbox.reached("answered")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def started(folder):
    """The program over a folder that may have been used before; ends it in peace when it is still there."""
    (folder / "port").unlink(missing_ok=True)
    with open(folder / "log", "ab") as log, subprocess.Popen(
            [program.BINARY, "serve"], env=program.environment(folder, DISABLE_AUTH="true", TZ="UTC"), stdout=subprocess.DEVNULL, stderr=log) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(20)
    trail.logged(folder / "log")


@contextlib.contextmanager
def disk(folder, works):
    """Where the queue cannot be written while the rest can, as on a full disk; what was there before is there afterwards."""
    queue = folder / "data" / "notify-queue"
    if works:
        yield
        return
    aside = queue.rename(folder / "aside") if queue.exists() else None
    queue.mkdir()
    yield
    queue.rmdir()
    if aside:
        aside.rename(queue)


def active(port, number):
    with contextlib.suppress(OSError):
        return any(f"busy-{number}" in a["resourceName"] for a in client.done(port, "GET", "/api/alerts/active"))


def kill_at(folder, inbox, number, moment):
    """Starts the program and kills it at this moment: (`start` or `alert`, seconds after it), or what the inbox sees and
    seconds after that. With `full` before it the queue cannot be written until then."""
    what, seconds = moment[0].removeprefix("full "), moment[1]
    inbox.expect(what.removeprefix("refused "), refusals=1 if what.startswith("refused ") else 0)
    with started(folder) as process:
        port = program.port_of(folder, process)
        with disk(folder, moment[0] == what):
            if what == "alert":
                client.until("the alert", lambda: active(port, number))
            elif what != "start":
                assert inbox.happened.wait(30), f"never {what}"
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait(20)
    inbox.expect(None, inbox.refusals)


def told(port, inbox, number):
    """Whether both channels have it and nothing is on its way."""
    channels = {copy.channel for copy in inbox.of(number) if copy.accepted}
    return channels == {"email", "webhook"} and all(r["status"] != "waiting" for r in client.done(port, "GET", "/api/notifications/history"))


def lane(lab, first, moments):
    """Kills at these moments; gives how many copies each alert had by each channel."""
    inbox, counts = Inbox(), []
    with tempfile.TemporaryDirectory(prefix="pulse-check-") as folder, mail_server.serving(Mailbox(inbox)) as mail, webhook(inbox) as url:
        folder = pathlib.Path(folder)
        with started(folder) as process:
            port = program.port_of(folder, process)
            client.done(port, "PUT", "/api/notifications/email", {"enabled": True, "server": "127.0.0.1", "port": mail.port, "tls": False,
                                                                  "from": "pulse@example.org", "to": ["ops@example.org"], "retryDelay": 1})
            client.done(port, "POST", "/api/notifications/webhooks", {"name": "hook", "url": url, "enabled": True})
            client.alert_at_once(port)
            client.done(port, "POST", "/api/config/nodes", host.connection(lab))
        for n, moment in enumerate(moments):
            number = str(first + n)
            lab.guests[first + n] = (f"busy-{number}", 0.95)
            kill_at(folder, inbox, number, moment)
            before = len(inbox.of(number))
            with started(folder) as process:
                port = program.port_of(folder, process)
                client.until(f"alert {number}, killed at {moment}", lambda: told(port, inbox, number), 45)
            copies = inbox.of(number)
            keys = {channel: {c.key for c in copies if c.channel == channel} for channel in ("email", "webhook")}
            assert all(len(k) == 1 for k in keys.values()), (moment, keys)
            accepted = [sum(c.accepted and c.channel == channel for c in copies) for channel in ("email", "webhook")]
            assert max(accepted) <= 2, f"one kill repeats at most what was on its way: {moment} {copies}"
            counts.append((moment, before, accepted))
        for number in range(first, first + len(moments)):
            # Also what later starts made of it.
            last = [sum(c.accepted and c.channel == channel for c in inbox.of(str(number))) for channel in ("email", "webhook")]
            assert last == counts[number - first][2], f"{number} was told again by a later start: {last} {inbox.copies}"
    return counts


LANES = [
    [("start", step * 0.35) for step in range(8)],
    [("alert", step * 0.25) for step in range(8)],
    [("asked", 0), ("answered", 0), ("mailed", 0), ("accepted", 0), ("answered", 1), ("accepted", 1), ("answered", 3)],
    [("refused asked", 0), ("refused answered", 0), ("refused answered", 1), ("refused answered", 3)],
    [("full alert", 1), ("full refused answered", 0), ("full refused answered", 1), ("full refused answered", 3)],
]


def main():
    with contextlib.ExitStack() as stack:
        labs = []
        for _ in LANES:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pulse-check-"))
            labs.append(stack.enter_context(host.serving(pathlib.Path(folder))))
        with concurrent.futures.ThreadPoolExecutor(len(LANES)) as threads:
            running = [threads.submit(lane, lab, 200 + 100 * n, moments) for n, (lab, moments) in enumerate(zip(labs, LANES))]
            concurrent.futures.wait(running)
            wrong = [str(made.exception()) for made in running if made.exception()]
            assert not wrong, "\n".join(wrong)
            counts = [count for made in running for count in made.result()]
    early = sum(before == 0 for _, before, _ in counts)
    twice = sum(max(accepted) > 1 for _, _, accepted in counts)
    print(f"{len(counts)} kills, {early} before anything arrived; no alert lost, {twice} told twice under one key")
    assert 5 <= early < len(counts), "the moments must lie before and after the first delivery"
    print(f"tests: {len(counts)}")


main()
