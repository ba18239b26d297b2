#!/usr/bin/env python3
"""Mail from the real program to a real server, aiosmtpd: plain, STARTTLS and TLS, with and without a login, and servers
that refuse, are busy, slow or drop the connection in the middle of the message.

Each scene is a program of its own that watches one host. What arrives is decoded by Python's email package, compared with
what the program says about the alert, and must be without fault for mail_lint.py.
"""
import concurrent.futures
import contextlib
import datetime
import html.parser
import pathlib
import re
import ssl
import tempfile
import threading

import client
import host
import mail_lint
import mail_server
import program

LOGIN = ("pulse", "p\u00e4ss w0rd")
# Names as bad as they come; the second container is quiet.
NAMES = {101: "w\u00e9b \"1\" <img src=x onerror=alert(1)> \\ & \U0001f525 " + "long " * 30, 102: "quiet", 103: "mail\r\nBcc: evil@example.org\r\n\r\n.\r\nQUIT"}
TO = ["Ann \u00d6 <ann@example.org>", "ops@example.org"]
SETTINGS = {"enabled": True, "server": "127.0.0.1", "from": "Pulse \u00fcber alles <pulse@example.org>", "to": TO, "replyTo": "help@example.org", "retryDelay": 1}
tests = 0
counting = threading.Lock()


def check(name, holds, about=""):
    global tests
    with counting:
        tests += 1
    assert holds, f"{name} {about}"


class Words(html.parser.HTMLParser):
    """What a reader of the HTML sees, and the tags it consists of."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.words.append(data)


def squeezed(text):
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())


def faces(mail):
    """Text and HTML of a mail as people read them."""
    text, markup = (part.get_content() for part in mail.iter_parts())
    seen = Words(markup)
    strange = seen.tags - {"html", "head", "meta", "title", "body", "div", "b", "span", "table", "tr", "td", "a", "p"}
    check("the HTML has no tags but ours", not strange, strange)
    check("a name is no line of its own", not re.search(r"^(Bcc:|QUIT|\.$)", text, re.M), text)
    return squeezed(text), squeezed(" ".join(seen.words))


def compare(content, alerts, subject):
    mail = mail_lint.strict(content)
    check("subject", str(mail["Subject"]) == subject, mail["Subject"])
    check("sender", str(mail["From"]) == SETTINGS["from"] and str(mail["Reply-To"]) == SETTINGS["replyTo"], mail.items())
    check("recipients", [str(a) for a in mail["To"].addresses] == TO, mail["To"])
    check("nobody else", mail["Bcc"] is None and mail["Cc"] is None)
    age = datetime.datetime.now(datetime.timezone.utc) - mail["Date"].datetime
    check("sent now", abs(age.total_seconds()) < 120, mail["Date"])
    for face in faces(mail):
        for alert in alerts:
            figures = [f"{alert['value']:.1f}%", f"{alert['threshold']:g}%", alert["level"].capitalize()]
            for word in [alert["resourceName"], alert["message"], alert["resourceId"], alert["node"], alert["instance"], *figures]:
                check("told", squeezed(word) in face, (word, face))
        for other in set(NAMES.values()) - {a["resourceName"] for a in alerts}:
            check("nothing else is told", squeezed(other) not in face, other)


@contextlib.contextmanager
def watched(at, certificate, lab, tls=False, start_tls=False, login=None):
    """A program that mails to this port, and has been told so over its API."""
    with program.running("serve", DISABLE_AUTH="true", SSL_CERT_FILE=str(certificate), TZ="UTC") as pulse:
        settings = {**SETTINGS, "port": at, "tls": tls, "startTLS": start_tls}
        if login:
            settings |= {"username": login[0], "password": login[1]}
        client.done(pulse.port, "PUT", "/api/notifications/email", settings)
        client.alert_at_once(pulse.port)
        yield pulse.port


def test_mail(port):
    return client.call(port, "POST", "/api/notifications/test", {"method": "email"})


def raise_alerts(port, lab):
    client.done(port, "POST", "/api/config/nodes", host.connection(lab))
    return client.until("two alerts", lambda: (lambda found: found if len(found) == 2 else None)(client.done(port, "GET", "/api/alerts/active")))


def delivery(port, status, seconds=45):
    """The record of the raised alerts' mail, when it came to this end."""
    def found():
        records = client.done(port, "GET", "/api/notifications/history")
        return next((r for r in records if len(r["alertIds"]) == 2 and r["status"] == status), None)
    return client.until(f"the delivery to be {status}", found, seconds)


def willing(lab, tls, certificate, way, login, mechanisms):
    """A server that takes everything: the test mail and the alert arrive, over the connection that was asked for."""
    with mail_server.serving(mail_server.Server(login=login), tls if way != "plain" else None, way == "tls", mechanisms) as server, \
            watched(server.port, certificate, lab, way == "tls", way == "starttls", login) as port:
        status, said = test_mail(port)
        check("the test mail goes", status == 200 and said["results"][0]["response"].startswith("250 2.0.0 taken"), said)
        alerts = raise_alerts(port, lab)
        record = delivery(port, "delivered")
        check("one attempt", record["attempts"] == 1 and record["statusCode"] == 250 and record["success"], record)
        check("two mails", len(server.got) == 2, server.got)
        for got in server.got:
            check("encrypted as asked", got.encrypted == (way != "plain"))
            check("logged in as asked", got.login == login, got.login)
            check("envelope", (got.sender, got.recipients) == ("pulse@example.org", ["ann@example.org", "ops@example.org"]), got)
        tried = {"resourceName": "Test Resource", "message": "This is a test: VM cpu at 95.5%", "resourceId": "test-resource", "node": "test-node",
                 "instance": "pulse-monitoring", "value": 95.5, "threshold": 90, "level": "warning"}
        compare(server.got[0].content, [tried], "[Pulse Alert] Warning: CPU on Test Resource")
        compare(server.got[1].content, alerts, "[Pulse Alert] 1 Critical, 1 Warning alerts")
        check("each alert is named in the history", sorted(record["alertIds"]) == sorted(a["id"] for a in alerts), record)
    return [got.content for got in server.got]


def same_mail(contents):
    return len({re.search(rb"^Message-ID: \S+", c, re.M).group() for c in contents}) == 1


def refusing(lab, _tls, certificate):
    with mail_server.serving(mail_server.Server(refuses="550 5.1.1 no such user here")) as server, \
            watched(server.port, certificate, lab) as port:
        status, said = test_mail(port)
        check("the server's words", status == 400 and "550 5.1.1 no such user here" in said["error"], said)
        raise_alerts(port, lab)
        record = delivery(port, "failed")
        check("a refusal is final", record["attempts"] == 1 and record["statusCode"] == 550 and not record["success"], record)
        check("and is recorded in the server's words", "550 5.1.1 no such user here" in record["errorMessage"], record)
    return []


def wrong_password(lab, _tls, certificate):
    with mail_server.serving(mail_server.Server(login=LOGIN)) as server, \
            watched(server.port, certificate, lab, login=("pulse", "wr0ng-secret")) as port:
        status, said = test_mail(port)
        check("told that the login failed", status == 400 and "the login: 535" in said["error"] and "wr0ng" not in str(said), said)
        raise_alerts(port, lab)
        record = delivery(port, "failed")
        check("not tried again", record["attempts"] == 1 and record["statusCode"] == 535 and "wr0ng" not in str(record), record)
        check("nothing arrived", not server.got)
    return []


def busy(lab, _tls, certificate):
    """421 at the end of three messages: the test's, and two of the alert's."""
    word = "421 4.3.2 shutting down, come back later"
    with mail_server.serving(mail_server.Server(answers=[word] * 3)) as server, watched(server.port, certificate, lab) as port:
        status, said = test_mail(port)
        check("the server's words", status == 400 and word in said["error"], said)
        alerts = raise_alerts(port, lab)
        record = delivery(port, "delivered")
        check("at the third try", record["attempts"] == 3 and [t["status"] for t in record["tries"]] == [421, 421, 250], record)
        check("one mail with one name", [g.answer[:3] for g in server.got] == ["421", "421", "421", "250"] and same_mail([g.content for g in server.got[1:]]))
        compare(server.accepted()[0].content, alerts, "[Pulse Alert] 1 Critical, 1 Warning alerts")
    return [g.content for g in server.accepted()]


def slow(lab, _tls, certificate):
    with mail_server.serving(mail_server.Server(wait=1.5)) as server, watched(server.port, certificate, lab) as port:
        status, said = test_mail(port)
        check("slow is not dead", status == 200, said)
        alerts = raise_alerts(port, lab)
        check("one attempt", delivery(port, "delivered")["attempts"] == 1)
        compare(server.accepted()[1].content, alerts, "[Pulse Alert] 1 Critical, 1 Warning alerts")
    return [g.content for g in server.accepted()]


def silent(lab, _tls, certificate):
    with mail_server.serving(mail_server.Server(wait=600)) as server, watched(server.port, certificate, lab) as port:
        began = datetime.datetime.now()
        status, said = test_mail(port)
        took = (datetime.datetime.now() - began).total_seconds()
        check("who waits is told within ten seconds", status == 400 and "in time" in said["error"] and took < 12, (took, said))
    return []


def rude(lab, _tls, certificate):
    """The connection ends in the middle of the test's message and of the alert's first."""
    with mail_server.serving(mail_server.Server(drops=2)) as server, watched(server.port, certificate, lab) as port:
        status, said = test_mail(port)
        check("told what happened", status == 400 and re.search("connection", said["error"]), said)
        alerts = raise_alerts(port, lab)
        record = delivery(port, "delivered")
        check("again after the drop", record["attempts"] == 2 and record["tries"][0]["status"] == 0, record)
        check("under the same name", same_mail([g.content for g in server.got[1:]]), server.got)
        compare(server.accepted()[0].content, alerts, "[Pulse Alert] 1 Critical, 1 Warning alerts")
    return [g.content for g in server.accepted()]


# What a linter must see, as changes of a good mail.
SPOILT = {
    "no date": lambda m: re.sub(rb"^Date: .*\r\n", b"", m, flags=re.M),
    "a name without brackets": lambda m: m.replace(b"\r\nMessage-ID: <", b"\r\nMessage-ID: "),
    "two subjects": lambda m: b"Subject: another\r\n" + m,
    "bare line ends": lambda m: m.replace(b"\r\n", b"\n"),
    "bytes as they are": lambda m: m.replace(b"Pulse Alert", "Pulse \u00c4lert".encode(), 1),
    "a boundary that never comes": lambda m: re.sub(rb'boundary="?[^"\r;]+"?', b'boundary="elsewhere"', m, count=1),
    "no end": lambda m: m.rstrip()[:-2] + b"\r\n",
    "a long line": lambda m: m + b"x" * 999 + b"\r\n",
    "an unknown encoding": lambda m: re.sub(rb"Content-Transfer-Encoding: \S+", b"Content-Transfer-Encoding: rot13", m),
    "the page before the text": lambda m: m.replace(b"text/plain", b"text/x", 1).replace(b"text/html", b"text/plain", 1),
}


def linters(mails):
    for content in mails:
        check("well formed", not mail_lint.complaints(content), (mail_lint.complaints(content), content[:800]))
    for name, spoil in SPOILT.items():
        for content in mails[:2]:
            check(f"{name} is seen", mail_lint.complaints(spoil(content)), content[:800])


def main():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulse-check-")))
        lab = stack.enter_context(host.serving(folder))
        lab.guests.update({101: (NAMES[101], 0.95), 102: (NAMES[102], 0.2), 103: (NAMES[103], 0.85)})
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        common = (lab, tls, folder / "cert.pem")
        scenes = [(willing, way, login, mechanisms) for way in ("plain", "starttls", "tls")
                  for login, mechanisms in ((None, ()), (LOGIN, ("PLAIN",)), (LOGIN, ("LOGIN",)))]
        scenes += [(scene,) for scene in (silent, slow, busy, rude, refusing, wrong_password)]
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            running = [threads.submit(scene, *common, *more) for scene, *more in scenes]
            mails = [content for scene in running for content in scene.result()]
        check("all have come", len(mails) == 9 * 2 + 1 + 2 + 1, len(mails))
        linters(mails)


main()
print(f"tests: {tests}")
