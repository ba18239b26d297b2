#!/usr/bin/env python3
"""Runs every check_*.py of this folder against the program that PULSE_BINARY names; each ends with 0 when all is well.

A check is a program of its own that prints `tests: N` last. The sum is printed here the same way. Two run at a time, since
they wait more than they work.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

here = pathlib.Path(__file__).parent
patience = 300 + float(os.environ.get("PULSE_HOLD_SECS", "30"))


def run(check):
    return subprocess.run([sys.executable, "-B", check], capture_output=True, text=True, timeout=patience)


# The longest first.
checks = sorted(here.glob("check_*.py"), key=lambda check: (check.name != "check_storm.py", check.name))
total, failed = 0, []
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for check, done in zip(checks, pool.map(run, checks)):
        count = re.search(r"tests: (\d+)\s*\Z", done.stdout)
        total += int(count.group(1)) if count else 0
        if done.returncode or not count:
            failed.append(check.name)
            print(f"{check.name}:\n{done.stdout}{done.stderr}")
print(f"tests: {total}")
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
