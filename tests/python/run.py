#!/usr/bin/env python3
"""Runs every check_*.py of this folder against the program that PULSE_BINARY names; each ends with 0 when all is well.

A check is a program of its own that prints `tests: N` last. The sum is printed here the same way.
"""
import os
import pathlib
import re
import subprocess
import sys

here = pathlib.Path(__file__).parent
total, failed = 0, []
for check in sorted(here.glob("check_*.py")):
    done = subprocess.run([sys.executable, "-B", check], capture_output=True, text=True, timeout=300 + float(os.environ.get("PULSE_HOLD_SECS", "30")))
    count = re.search(r"tests: (\d+)\s*\Z", done.stdout)
    total += int(count.group(1)) if count else 0
    if done.returncode or not count:
        failed.append(check.name)
        print(f"{check.name}:\n{done.stdout}{done.stderr}")
print(f"tests: {total}")
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
