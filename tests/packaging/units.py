#!/usr/bin/python3
"""Starts and watches services from their unit files where systemd does not run: `units.py daemon`, asked by
`systemctl` (a link to this file). Knows what Pulse's units use: Type=simple/notify/oneshot, ExecStartPre, User,
Environment(File), RuntimeDirectory, UMask, drop-ins, Restart, WatchdogSec; unit files count from `daemon-reload` on.
Waiting times are cut short: see SCALE. `systemctl power-cut` kills every service at once and boots anew."""
import ctypes, glob, json, os, pwd, re, resource, shlex, shutil, signal, socket, subprocess, sys, threading, time

DOOR = "/run/units.sock"
FOLDERS = ["/etc/systemd/system", "/lib/systemd/system"]
LOGS = "/var/log/units"
SCALE = {"RestartSec": 0.3, "TimeoutStartSec": 4.0, "TimeoutStopSec": 5.0, "WatchdogSec": 3.0}
NO_NAMESPACES = "/run/units-no-namespaces"
lock = threading.RLock()
loaded = {}
running = {}


def read(name):
    """The unit's directives with its drop-ins: key -> list of values; an empty value clears."""
    path = next((p for p in (f"{d}/{name}" for d in FOLDERS) if os.path.exists(p)), None)
    if path is None:
        return None
    found = {}
    for file in [path] + sorted(sum((glob.glob(f"{d}/{name}.d/*.conf") for d in FOLDERS), [])):
        for line in open(file):
            line = line.strip()
            if "=" in line and line[0] not in "#;[":
                key, value = line.split("=", 1)
                found.setdefault(key, [])
                if value == "":
                    found[key] = []
                else:
                    found[key].append(value)
    return found


def unit_of(name):
    with lock:
        if name not in loaded:
            loaded[name] = read(name)
        return loaded[name]


def full(name):
    return name if re.search(r"\.(service|timer)$", name) else name + ".service"


class Service(threading.Thread):
    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_ = name
        self.main = None
        self.status = 0
        self.restarts = 0
        self.wanted = True
        self.ready = threading.Event()
        self.failed = threading.Event()
        self.start()

    def one(self, key, default=""):
        values = (unit_of(self.name_) or {}).get(key) or [default]
        return values[-1]

    def environment(self):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "INVOCATION_ID": "0" * 32}
        env.update((k, v) for k, v in os.environ.items() if k in ("CURL_CA_BUNDLE", "PULSE_HEALTH_SECS"))
        unit = unit_of(self.name_) or {}
        for value in unit.get("Environment", []):
            env.update(word.split("=", 1) for word in shlex.split(value))
        for file in unit.get("EnvironmentFile", []):
            path = file.lstrip("-")
            if os.path.exists(path):
                env.update(line.strip().split("=", 1) for line in open(path) if "=" in line and line[0] != "#")
        return env

    def run(self):
        while True:
            code = self.once()
            again = self.one("Restart") in ("always", "on-failure") and self.one("Type", "simple") != "oneshot"
            if not self.wanted or not again:
                return
            self.failed.set()
            time.sleep(SCALE["RestartSec"])
            if not self.wanted:
                return
            self.restarts += 1
            self.status = code

    def once(self):
        """One life of the main process; its exit status."""
        unit = unit_of(self.name_)
        if unit is None or not unit.get("ExecStart"):
            self.failed.set()
            self.wanted = False
            return 5
        os.makedirs(LOGS, exist_ok=True)
        log = open(f"{LOGS}/{self.name_}.log", "ab", buffering=0)
        for pre in unit.get("ExecStartPre", []):
            command = pre.lstrip("-+@!")
            done = subprocess.run(shlex.split(command), stdout=log, stderr=log, env=self.environment()) if shutil.which(shlex.split(command)[0]) else None
            if "-" not in pre[: len(pre) - len(command)] and (done is None or done.returncode):
                self.failed.set()
                return 1
        unit = unit_of(self.name_)
        if os.path.exists(NO_NAMESPACES) and self.one("ProtectSystem", "no") not in ("no", "false"):
            self.status = 226
            self.failed.set()
            return 226
        user = pwd.getpwnam(self.one("User", "root"))
        env = self.environment()
        env.update(HOME=user.pw_dir, USER=user.pw_name)
        runtime = self.one("RuntimeDirectory")
        if runtime:
            shutil.rmtree(f"/run/{runtime}", ignore_errors=True)
            os.mkdir(f"/run/{runtime}", 0o700)
            os.chown(f"/run/{runtime}", user.pw_uid, user.pw_gid)
            env["RUNTIME_DIRECTORY"] = f"/run/{runtime}"
        notify = self.one("Type", "simple") == "notify"
        hears = None
        if notify:
            path = f"/run/notify-{self.name_}"
            if os.path.exists(path):
                os.unlink(path)
            hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            hears.bind(path)
            os.chmod(path, 0o777)
            env["NOTIFY_SOCKET"] = path
        watchdog = SCALE["WatchdogSec"] if self.one("WatchdogSec") else None
        if watchdog:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        umask = int(self.one("UMask", "0022"), 8)
        strict = self.one("NoNewPrivileges") == "yes"

        def become():
            os.setsid()
            os.umask(umask)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            if strict:
                ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)

        try:
            child = subprocess.Popen(shlex.split(unit["ExecStart"][-1]), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env, preexec_fn=become, cwd="/")
        except (OSError, subprocess.SubprocessError) as e:
            log.write(f"failed to execute: {e}\n".encode())
            self.status = 203
            self.failed.set()
            return 203
        self.main = child
        if not notify and self.one("Type", "simple") != "oneshot":
            self.ready.set()
        began = fed = time.monotonic()
        told = not notify
        while child.poll() is None:
            if not self.wanted and child.returncode is None and self.main is child and not getattr(child, "asked", False):
                child.asked = True  # stopped while it was being started
                child.terminate()
            if hears is None:
                time.sleep(0.05)
                continue
            hears.settimeout(0.1)
            try:
                message = hears.recv(4096).decode()
                if "READY=1" in message.split("\n"):
                    told = True
                    self.ready.set()
                fed = time.monotonic()
            except socket.timeout:
                pass
            now = time.monotonic()
            if not told and now - began > SCALE["TimeoutStartSec"]:
                log.write(b"start timed out\n")
                child.kill()
            if told and watchdog and now - fed > watchdog:
                log.write(b"watchdog timed out\n")
                child.send_signal(signal.SIGABRT)
                child.send_signal(signal.SIGCONT)
                time.sleep(0.3)
                child.kill()
        self.main = None
        self.ready.clear()
        if runtime:
            shutil.rmtree(f"/run/{runtime}", ignore_errors=True)
        self.status = child.returncode
        return child.returncode

    def end(self, how=signal.SIGTERM):
        self.wanted = False
        child = self.main
        if child is not None:
            try:
                child.send_signal(how)
                child.wait(SCALE["TimeoutStopSec"])
            except subprocess.TimeoutExpired:
                child.kill()
        self.join(SCALE["TimeoutStopSec"] + 2)


def start(name):
    service = running.get(name)
    if service is not None and service.is_alive() and service.wanted:
        return 0
    service = running[name] = Service(name)
    end = time.monotonic() + SCALE["TimeoutStartSec"] + 6
    while time.monotonic() < end:
        if service.ready.is_set():
            return 0
        if service.failed.is_set():
            return 1
        if not service.is_alive():
            return 0 if service.status == 0 else 1
        time.sleep(0.02)
    return 1


def stop(name, how=signal.SIGTERM):
    service = running.pop(name, None)
    if service is not None:
        service.end(how)
    return 0


def wants(name):
    target = ((unit_of(name) or {}).get("WantedBy") or ["multi-user.target"])[-1]
    return f"/etc/systemd/system/{target}.wants/{name}"


def answer(words):
    options = [w for w in words if w.startswith("--")]
    flat, prop, rest = [w for w in words if not w.startswith("--")], None, []
    while flat:
        word = flat.pop(0)
        if word == "-p":
            prop = flat.pop(0)
        else:
            rest.append(word)
    verb, names = rest[0], [full(n) for n in rest[1:]]
    if verb == "daemon-reload":
        with lock:
            for name in list(loaded):
                loaded[name] = read(name)
        return 0, ""
    if verb == "power-cut":
        for name in list(running):
            stop(name, signal.SIGKILL)
        loaded.clear()
        shutil.rmtree("/run/pulse", ignore_errors=True)
        for link in glob.glob("/etc/systemd/system/*.wants/*.service"):
            start(os.path.basename(link))
        return 0, ""
    code, out = 0, ""
    for name in names:
        if verb in ("enable", "disable", "start", "restart") and unit_of(name) is None:
            loaded.pop(name, None)
            if unit_of(name) is None:
                return 5, f"Unit {name} not found."
        if verb == "enable":
            os.makedirs(os.path.dirname(wants(name)), exist_ok=True)
            if not os.path.islink(wants(name)):
                os.symlink(f"/etc/systemd/system/{name}", wants(name))
        if verb == "disable" and os.path.islink(wants(name)):
            os.unlink(wants(name))
        timer = name.endswith(".timer")
        if (verb in ("stop", "restart") or (verb == "disable" and "--now" in options)) and not timer:
            stop(name)
        if (verb in ("start", "restart") or (verb == "enable" and "--now" in options)) and not timer:
            code = start(name) or code
        if verb in ("is-active", "is-enabled"):
            service = running.get(name)
            yes = os.path.islink(wants(name)) if verb == "is-enabled" else bool(service and service.ready.is_set())
            code, out = (0, "active") if yes else (3, "inactive")
        if verb == "show":
            service = running.get(name)
            child = service.main if service else None
            value = {
                "MainPID": str(child.pid) if child else "0",
                "ExecMainStatus": str(service.status) if service else "0",
                "NRestarts": str(service.restarts) if service else "0",
                "Environment": " ".join((unit_of(name) or {}).get("Environment", [])),
            }[prop]
            out = value if "--value" in options else f"{prop}={value}"
    return code, out


def serve(client):
    with client:
        words = json.loads(client.makefile().readline())
        try:
            result = answer(words)
        except Exception as e:  # told to whoever asked: a test shows it
            result = (70, f"units.py: {e!r}")
        try:
            client.sendall((json.dumps(result) + "\n").encode())
        except OSError:
            pass


def daemon():
    if os.path.exists(DOOR):
        os.unlink(DOOR)
    door = socket.socket(socket.AF_UNIX)
    door.bind(DOOR)
    door.listen(16)
    while True:
        threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()


if sys.argv[1:] == ["daemon"]:
    daemon()
else:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(DOOR)
        asked.sendall((json.dumps(sys.argv[1:]) + "\n").encode())
        code, text = json.loads(asked.makefile().readline())
    if text:
        print(text)
    sys.exit(code)
