#!/usr/bin/python3
"""A release server as GitHub's, on loopback: releases.py FOLDER ORDER CERTIFICATE KEY
ORDER is a file of tags, newest first; FOLDER/TAG/ holds a release's files, or FOLDER/NAME/ for TAG=NAME.
A tag with a hyphen is a pre-release."""
import fcntl, http.server, json, os, socket, ssl, struct, sys

folder, listed, certificate, key = sys.argv[1:5]
DOWNLOADS = "https://github.com/rcourtman/Pulse/releases/download"


def order():
    """Tag -> folder."""
    return dict((word + "=" + word).split("=")[:2] for word in open(listed).read().split())


def described(tag):
    names = sorted(os.listdir(os.path.join(folder, order()[tag])))
    return {
        "url": f"https://api.github.com/repos/rcourtman/Pulse/releases/{tag}", "tag_name": tag, "prerelease": "-" in tag,
        "published_at": "2026-01-01T00:00:00Z", "body": 'Says "tag_name": "v9.9.9" in its notes.',
        "assets": [{"name": n, "browser_download_url": f"{DOWNLOADS}/{tag}/{n}"} for n in names],
    }


class Door(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        stable = next((t for t in order() if "-" not in t), None)
        what = None
        if parts[:4] == ["repos", "rcourtman", "Pulse", "releases"]:
            rest = parts[4:]
            if rest == []:
                what = [described(t) for t in order()]
            elif rest == ["latest"] and stable:
                what = described(stable)
            elif rest[:1] == ["tags"] and rest[-1] in order():
                what = described(rest[-1])
            return self.answer(200, json.dumps(what).encode()) if what else self.answer(404)
        if parts[:3] == ["rcourtman", "Pulse", "releases"]:
            if parts[3:5] == ["latest", "download"]:
                parts[3:5] = ["download", stable]
            if parts[3] == "download" and parts[4] in order() and ".." not in parts:
                path = os.path.join(folder, order()[parts[4]], *parts[5:])
                if os.path.isfile(path):
                    return self.answer(200, open(path, "rb").read())
        self.answer(404)


# A new network namespace begins with its loopback down.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    request = struct.pack("16sh14x", b"lo", 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, request))[1]
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Door)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
