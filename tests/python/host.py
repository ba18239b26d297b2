"""A Proxmox VE host on loopback whose containers are as busy and are called as a check says: over HTTPS, for real programs."""
import contextlib
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = ("pulse@pam!check", "0e7b5c2e-6d3a-4a56-9a43-3f6f3d1b2a11")
GIB = 1 << 30


def certificate(folder):
    """A certificate for 127.0.0.1 and its key in one file each, to be believed by whoever is told of the first."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
            .add_extension(alternative, False).sign(key, hashes.SHA256()))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class Host:
    """`guests` maps the number of a container to its name and how much of its processor it uses, from 0 to 1."""

    def __init__(self, port):
        self.url = f"https://127.0.0.1:{port}"
        self.guests = {}
        self.began = time.time()

    def resources(self):
        up = int(time.time() - self.began) + 86_400
        yield {"id": "node/alpha", "type": "node", "node": "alpha", "status": "online", "cpu": 0.01, "maxcpu": 8, "mem": GIB,
               "maxmem": 32 * GIB, "disk": GIB, "maxdisk": 100 * GIB, "uptime": up, "level": ""}
        for vmid, (name, cpu) in dict(self.guests).items():
            yield {"id": f"lxc/{vmid}", "type": "lxc", "node": "alpha", "vmid": vmid, "name": name, "status": "running", "cpu": cpu,
                   "maxcpu": 2, "mem": GIB // 8, "maxmem": GIB, "disk": GIB, "maxdisk": 8 * GIB, "uptime": up, "template": 0,
                   "netin": 0, "netout": 0, "diskread": 0, "diskwrite": 0}

    def answer(self, path):
        """What PVE would say; `None` where it has nothing of that name."""
        everything = list(self.resources())
        if path == "/version":
            return {"version": "8.4.1", "release": "8.4", "repoid": "2a5fa54a8503f96d"}
        if path == "/cluster/resources":
            return everything
        if path == "/nodes":
            return everything[:1]
        if path == "/nodes/alpha/lxc":
            return everything[1:]
        if path == "/cluster/status":
            return [{"id": "node/alpha", "type": "node", "name": "alpha", "nodeid": 0, "online": 1, "local": 1, "ip": "127.0.0.1"}]
        if path == "/nodes/alpha/status":
            node = everything[0]
            return {"cpu": 0.01, "uptime": node["uptime"], "loadavg": ["0.1", "0.1", "0.1"], "pveversion": "pve-manager/8.4.1/2a5fa54a8503f96d",
                    "memory": {"total": 32 * GIB, "used": GIB, "free": 31 * GIB}, "rootfs": {"total": 100 * GIB, "used": GIB, "free": 99 * GIB, "avail": 99 * GIB},
                    "swap": {"total": 0, "used": 0, "free": 0}, "cpuinfo": {"cpus": 8, "cores": 8, "sockets": 1, "model": "check", "mhz": "3000"}}
        if path.startswith("/nodes/alpha/lxc/") and path.endswith("/status/current"):
            return next((r for r in everything if path.split("/")[4] == str(r.get("vmid"))), None)
        if path.startswith("/nodes/alpha/lxc/") and path.endswith("/config"):
            return {}
        return None if path.endswith(("/ceph/status", "/subscription")) else []


@contextlib.contextmanager
def serving(folder):
    """A host with its certificate in `folder`."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            known = self.headers.get("Authorization") == f"PVEAPIToken={TOKEN[0]}={TOKEN[1]}"
            said = host.answer(self.path.split("?")[0].removeprefix("/api2/json")) if known else None
            body = json.dumps({"data": said}).encode()
            self.send_response(200 if said is not None else 404 if known else 401)
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """Programs that are killed in the middle of a request are what the checks are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = certificate(folder).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    host = Host(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()


def connection(host):
    """What `POST /api/config/nodes` takes for it: guests only."""
    return {"type": "pve", "name": "lab", "host": host.url, "tokenName": TOKEN[0], "tokenValue": TOKEN[1], "verifySSL": False,
            "monitorVMs": False, "monitorContainers": True, "monitorStorage": False, "monitorBackups": False}
