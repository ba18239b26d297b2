#!/usr/bin/env python3
"""The metrics in the hands of the real programs: Prometheus, VictoriaMetrics, promtool and prometheus-pve-exporter.

One simulated installation; Pulse polls it, the exporter asks it itself, both time series databases scrape Pulse and get
its figures by remote-write. What they then answer must be what the simulated hosts say. Ends with `tests: N`.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import trail
from program import BINARY, environment, port_of
from prometheus_client.parser import text_string_to_metric_families

HERE = pathlib.Path(__file__).parent
ALERTS = HERE.parent.parent / "packaging" / "grafana" / "pulse-alerts.yml"
DAY = 86400
tests = 0

# What the exporter has and Pulse has not; docs/metrics.md says the same.
WHY_MISSING = "onboot of virtual machines and templates, which would cost a request for each"


def may_be_missing(key, theirs):
    name, labels = key[0], dict(key[1])
    template = any(k[0] == "pve_guest_info" and dict(k[1])["id"] == labels["id"] and dict(k[1])["template"] == "1" for k in theirs)
    return name == "pve_onboot_status" and (labels["type"] == "qemu" or template)


def check(name, holds, about=""):
    global tests
    tests += 1
    assert holds, f"{name} {about}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url, body=None, headers=None, method=None):
    unverified = ssl._create_unverified_context()
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=20, context=unverified if url.startswith("https") else None) as answer:
        text = answer.read().decode()
        trail.answered(request.get_method(), urllib.parse.urlsplit(url).path, answer.status, answer.headers.items(), text)
        return text


def until(what, probe, seconds=60):
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            found = probe()
            if found:
                return found
        except (OSError, KeyError, IndexError, AssertionError) as e:
            last = e
        time.sleep(0.3)
    raise AssertionError(f"waited in vain for {what}: {last}")


@contextlib.contextmanager
def running(log, *command, env=None, **more):
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=more.pop("stdout", out), stderr=out, env={**os.environ, **(env or {})}, **more)
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        trail.logged(pathlib.Path(log))


def series(text):
    """Every sample by name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for s in family.samples:
            key = (s.name, tuple(sorted(s.labels.items())))
            assert key not in found, f"a series stands twice: {key}"
            found[key] = s.value
    return found


def promql(base, query):
    answer = json.loads(fetch(f"{base}/api/v1/query?query={urllib.parse.quote(query)}"))
    return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in answer["data"]["result"]}


def compare_with_exporter(exporter, pulse, address):
    """Each member is asked: the exporter tells subscription, replication and onboot only of the one it asks. Figures
    move every ten seconds and Pulse sees them at its next cycle, which may come just before they move again: a series
    counts as equal once Pulse said a value, to the last digit, that the exporter said too."""
    equal, missing, real = set(), {}, {}
    theirs_ever, ours_ever, port = {}, {}, address.rsplit(":", 1)[1]
    end = time.monotonic() + 45
    while time.monotonic() < end:
        theirs = {}
        for member in (1, 2, 3):
            theirs |= series(fetch(f"{exporter}/pve?target=127.0.0.{member}:{port}&cluster=1&node=1"))
        ours = series(fetch(f"{pulse}/pve?target=lab"))
        for ever, now in ((theirs_ever, theirs), (ours_ever, ours)):
            for key, value in now.items():
                ever.setdefault(key, set()).add(value)
        equal = {key for key, values in theirs_ever.items() if values & ours_ever.get(key, set())}
        missing = {key: (value, ours.get(key)) for key, value in theirs.items() if key not in equal}
        real = {k: v for k, v in missing.items() if not may_be_missing(k, theirs)}
        if not real:
            break
        time.sleep(1)
    check("every series of the exporter is ours, with its labels and value", not real, list(real.items())[:10])
    names = {k[0] for k in theirs_ever}
    for name in ("pve_ha_state", "pve_replication_info", "pve_subscription_status", "pve_cluster_info", "pve_node_info",
                 "pve_version_info", "pve_not_backed_up_total", "pve_storage_info", "pve_disk_written_bytes_total"):
        check("the comparison covers", name in names, name)
    print(f"{len(equal)} series of the exporter equal ours in name, labels and value; {len(missing)} are left out: {WHY_MISSING}")


def compare_with_simulator(bases, host):
    """PromQL over what was scraped and over what was pushed, against the hosts' own answer."""
    def said():
        url = f"{host['host']}/api2/json/cluster/resources"
        auth = {"Authorization": f"PVEAPIToken={host['tokenName']}={host['tokenValue']}"}
        return json.loads(fetch(url, headers=auth))["data"]
    for name, base in bases.items():
        for job in ("scraped", "pulse"):
            left = None

            def equal():
                nonlocal left
                told = said()
                left = set()
                for metric, key in (("pve_memory_size_bytes", "maxmem"), ("pve_disk_size_bytes", "maxdisk"),
                                    ("pve_cpu_usage_limit", "maxcpu"), ("pve_storage_shared", "shared")):
                    got = {dict(k)["id"]: v for k, v in promql(base, f'{metric}{{job="{job}",instance="lab"}}').items()}
                    want = {r["id"]: float(r[key]) for r in told if key in r}
                    left |= {(metric, i, want.get(i), got.get(i)) for i in want.keys() | got.keys() if want.get(i) != got.get(i)}
                running_now = sum(r["type"] in ("qemu", "lxc") and r["status"] == "running" for r in told)
                got = promql(base, f'count(pve_up{{job="{job}",instance="lab",id=~"(qemu|lxc)/.+"}} == 1)')
                left |= {("running", running_now, v) for v in got.values() if v != running_now} or (set() if got else {"none"})
                used = sum(r.get("mem", 0) for r in told if r["type"] == "node")
                got = list(promql(base, f'sum(pve_memory_usage_bytes{{job="{job}",instance="lab",id=~"node/.+"}})').values())
                left |= set() if got and abs(got[0] - used) < used * 0.2 else {("memory", used, tuple(got))}
                return not left
            try:
                until("equal figures", equal, 30)
            except AssertionError:
                pass
            check(f"{name} has the simulator's figures, {job}", not left, list(left)[:5])


def year_of_samples(now, guest):
    rows = []
    for n in range(365 * 4, 2, -1):
        at = now - n * DAY // 4
        rows.append((at, (n // 4) / 1000))
    lines = "".join(f'pve_cpu_usage_ratio{{instance="lab",id="{guest}",job="pulse"}} {v} {at}\n' for at, v in rows)
    return "# TYPE pve_cpu_usage_ratio gauge\n" + lines + "# EOF\n"


def main():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        start = lambda name, *command, **more: stack.enter_context(running(folder / f"{name}.log", *command, **more))
        hosts = start("hosts", BINARY, "demo", "--hosts", "--nodes", "3", "--guests", "60",
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab, vault = json.loads(hosts.stdout.readline()), json.loads(hosts.stdout.readline())
        prometheus, victoria, exporter = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        data = folder / "data"
        data.mkdir()
        (data / "metrics.json").write_text(json.dumps({
            "push": [{"name": "prometheus", "url": f"{prometheus}/api/v1/write", "intervalSeconds": 2},
                     {"name": "victoria", "url": f"{victoria}/api/v1/write", "intervalSeconds": 2},
                     {"name": "influx", "format": "influx", "url": f"{victoria}/write?precision=ms", "intervalSeconds": 2,
                      "labels": {"job": "influx"}}],
            "history": {"source": prometheus}}))
        process = start("pulse", BINARY, "serve", env=environment(folder, DISABLE_AUTH="true"))
        pulse = f"http://127.0.0.1:{port_of(folder, process)}"
        for host, name in ((lab, "lab"), (vault, "vault")):
            node = {**{k: host[k] for k in ("type", "host", "tokenName", "tokenValue")}, "name": name}
            on = ("monitorVMs", "monitorContainers", "monitorStorage", "monitorBackups", "monitorDatastores")
            fetch(f"{pulse}/api/config/nodes", json.dumps({**node, **{key: True for key in on}}).encode(),
                  {"Content-Type": "application/json"})

        # A year before Pulse, in both databases, then the databases themselves.
        now = int(time.time())
        guest = until("guests", lambda: re.search(r'pve_guest_info{id="([^"]+)"', fetch(f"{pulse}/pve?target=lab")).group(1))
        (folder / "year.txt").write_text(year_of_samples(now, guest))
        made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "--max-block-duration=1440h", "openmetrics", folder / "year.txt", folder / "tsdb"],
                              capture_output=True, text=True)
        check("promtool makes the year", made.returncode == 0, made.stderr)
        address = pulse.removeprefix("http://")
        # JSON is YAML.
        job = lambda path, name: {"metrics_path": path, "params": {"target": [name]} if name != "pulse" else {},
                                  "job_name": f"scraped{path}", "static_configs": [{"targets": [address]}],
                                  "relabel_configs": [{"target_label": "job", "replacement": "scraped"},
                                                      {"target_label": "instance", "replacement": name}]}
        config = folder / "scrape.yml"
        config.write_text(json.dumps({"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": [
            job("/metrics", "pulse"), job("/metrics/pve", "lab"), job("/metrics/pbs", "vault")]}))
        start("prometheus", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
              f"--web.listen-address={prometheus.removeprefix('http://')}", "--web.enable-remote-write-receiver",
              "--storage.tsdb.retention.time=10y", "--log.level=warn")
        start("victoria", "victoria-metrics", f"-httpListenAddr={victoria.removeprefix('http://')}", "-retentionPeriod=10y",
              f"-storageDataPath={folder / 'victoria'}", f"-promscrape.config={config}", "-search.latencyOffset=1s",
              "-influxSkipSingleField", "-search.disableCache", "-loggerLevel=ERROR")
        until("VictoriaMetrics", lambda: fetch(f"{victoria}/health"))
        samples = re.sub(r" (\d+)\n", r" \g<1>000\n", (folder / "year.txt").read_text())
        fetch(f"{victoria}/api/v1/import/prometheus", samples.encode())

        account, secret = lab["tokenName"].split("!"), lab["tokenValue"]
        (folder / "pve.yml").write_text(json.dumps({"default": {
            "user": account[0], "token_name": account[1], "token_value": secret, "verify_ssl": False}}))
        start("exporter", pathlib.Path(sys.executable).parent / "pve_exporter", "--config.file", folder / "pve.yml",
              "--web.listen-address", exporter.removeprefix("http://"))
        until("the exporter", lambda: fetch(f"{exporter}/metrics"))
        # Slow lists follow within the first cycles.
        for name in ("pve_replication_info{", "pve_subscription_status{", "pve_not_backed_up_total{", "pve_version_info{"):
            until(name, lambda: name in fetch(f"{pulse}/pve?target=lab"))

        for path in ("/metrics", "/metrics/pve?target=lab", "/metrics/pbs?target=vault"):
            lint = subprocess.run(["promtool", "check", "metrics"], input=fetch(pulse + path), capture_output=True, text=True)
            check(f"promtool check metrics of {path}", lint.returncode == 0 and not lint.stderr.strip(), lint.stdout + lint.stderr)
            series(fetch(pulse + path))
        if ALERTS.exists():
            lint = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True)
            check("promtool check rules", lint.returncode == 0, lint.stdout + lint.stderr)
        compare_with_exporter(exporter, pulse, lab["host"].removeprefix("https://"))
        compare_with_simulator({"prometheus": prometheus, "victoria": victoria}, lab)
        check("the scrapes work", promql(prometheus, 'up{job="scraped"}').values() and
              all(v == 1 for v in promql(prometheus, 'up{job="scraped"}').values()))
        check("Influx line protocol arrives", until("influx", lambda: promql(victoria, 'pve_up{job="influx"}')))
        check("the datastores arrive", until("pbs", lambda: promql(prometheus, 'pbs_size{job="pulse",instance="vault"}')))

        for name, source in (("prometheus", prometheus), ("victoria", victoria)):
            document = json.loads((data / "metrics.json").read_text())
            document["history"]["source"] = source
            (data / "metrics.json").write_text(json.dumps(document))
            time.sleep(8 if name == "victoria" else 0)  # changes of files are looked for every three seconds
            vmid = guest.split("/")[1]
            charts = json.loads(fetch(f"{pulse}/api/charts?range=1y&metrics=cpu"))
            key = next(k for k in charts["data"] if k.endswith(f"-{vmid}"))
            charts = json.loads(fetch(f"{pulse}/api/charts?range=1y&metrics=cpu&ids={key}&points=365"))
            check(f"{name} gives the year", charts["stats"].get("historySource") == "remote", charts["stats"])
            points = charts["data"][key]["cpu"]
            days = [(now - p["timestamp"] / 1000) / DAY for p in points]
            check(f"{name} reaches back a year", len(points) > 350 and days[0] > 360, (len(points), days[:1]))
            wrong = [(d, p["value"]) for d, p in zip(days, points) if 3 < d < 360 and abs(p["value"] - d / 10) > 0.3]
            check(f"{name} gives the year's figures", not wrong, wrong[:5])
        shutil.rmtree(folder / "tsdb", ignore_errors=True)
    print(f"tests: {tests}")


main()
