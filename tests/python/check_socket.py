#!/usr/bin/env python3
"""`/ws` in the hands of another implementation: it stays open with pings both ways, and a close is answered at once.

PULSE_HOLD_SECS says for how long it is held (30 by default; 600 is the figure of a long run).
"""
import json
import logging
import os
import time

import program
from websockets.sync.client import connect

HOLD_SECS = float(os.environ.get("PULSE_HOLD_SECS", "30"))
tests = 0


def check(name, holds):
    global tests
    tests += 1
    assert holds, name


class Frames(logging.Handler):
    """Counts what the library says that it sent and received: pings and pongs never reach its caller."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(record.getMessage())

    def count(self, mark):
        return sum(line.startswith(mark) for line in self.seen)


def hold(port):
    frames = Frames()
    log = logging.getLogger("frames")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addHandler(frames)
    kinds, states, asked, pongs = [], [], 0, 0
    with connect(f"ws://127.0.0.1:{port}/ws", ping_interval=5, ping_timeout=5, max_size=1 << 26, logger=log) as socket:
        end = time.monotonic() + HOLD_SECS
        next_word = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() >= next_word:
                socket.send(json.dumps({"type": "ping"}))
                asked += 1
                next_word = time.monotonic() + 5
            try:
                message = json.loads(socket.recv(timeout=1))
            except TimeoutError:
                continue
            kinds.append(message["type"])
            pongs += message["type"] == "pong"
            if message["type"] == "rawData":
                states.append(message["data"]["lastUpdate"])
        closing = time.monotonic()
        socket.close()
        took = time.monotonic() - closing
    check(f"welcome and state come first: {kinds[:3]}", kinds[:2] == ["welcome", "initialState"])
    check(f"a state each cycle: {len(states)}", len(states) >= HOLD_SECS // 10 - 1 and len(set(states)) == len(states))
    check(f"our pings are answered: {pongs} of {asked} in JSON", asked > 1 and pongs >= asked - 1)
    sent = frames.count("> PING")
    check(f"and as frames: {frames.count('< PONG')} of {sent}", sent > 1 and frames.count("< PONG") >= sent - 1)
    check(f"we are asked: {frames.count('< PING')}", frames.count("< PING") >= HOLD_SECS // 27)
    check(f"a close is answered at once: {took:.3f} s", took < 0.5)
    print(f"held {HOLD_SECS:.0f} s: {len(states)} states, {frames.count('< PING')} pings to us, close answered in {took * 1000:.1f} ms")


with program.running("demo") as demo:
    hold(demo.port)
print(f"tests: {tests}")
