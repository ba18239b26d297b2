"""A mail server on loopback made of aiosmtpd, which keeps what it is sent and can be unwilling, slow or rude."""
import asyncio
import contextlib
import logging
import threading
import time
import typing
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# Logins without encryption are asked for on purpose.
warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
logging.getLogger("mail.log").setLevel(logging.ERROR)


class Got(typing.NamedTuple):
    """One hand-over as the server saw it."""
    sender: str
    recipients: list
    content: bytes
    encrypted: bool
    # Name and password of the login, or `None`.
    login: typing.Optional[tuple]
    # What was answered: what begins with 2 was accepted.
    answer: str


class Server:
    """`login`: who may send, `None` for everybody. `answers` are given to the ends of messages, one after the other, then all
    are accepted; `drops`: how many messages are cut off in the middle; `refuses`: what recipients are told; `wait`: seconds
    before each answer."""

    def __init__(self, login=None, answers=(), drops=0, refuses=None, wait=0.0):
        self.login, self.answers, self.drops, self.refuses, self.wait = login, list(answers), drops, refuses, wait
        self.got, self.port = [], 0

    def accepted(self):
        return [g for g in self.got if g.answer.startswith("2")]

    def authenticate(self, _server, session, _envelope, _mechanism, data):
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        session.given = given
        return AuthResult(success=given == self.login, handled=False)

    async def handle_MAIL(self, _server, _session, envelope, address, options):
        await asyncio.sleep(self.wait)
        envelope.mail_from, envelope.mail_options = address, options
        return "250 2.1.0 fine"

    async def handle_RCPT(self, _server, _session, envelope, address, options):
        await asyncio.sleep(self.wait)
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, speaker, session, envelope):
        await asyncio.sleep(self.wait)
        answer = self.answers.pop(0) if self.answers else f"250 2.0.0 taken as {len(self.got) + 1}"
        self.keep(speaker, session, envelope, envelope.original_content, answer)
        return answer

    def keep(self, speaker, session, envelope, content, answer):
        encrypted = speaker.transport.get_extra_info("ssl_object") is not None
        login = getattr(session, "given", None)
        self.got.append(Got(envelope.mail_from, list(envelope.rcpt_tos), content, encrypted, login, answer))


class Speaker(SMTP):
    """The protocol, and the connection that ends in the middle of a message."""

    async def smtp_DATA(self, arg):
        server = self.event_handler
        if not server.drops:
            return await super().smtp_DATA(arg)
        server.drops -= 1
        await self.push("354 go on")
        begun = b"".join([await self._reader.readline() for _ in range(12)])
        server.keep(self, self.session, self.envelope, begun, "dropped")
        self.transport.abort()
        # Until the loss of the connection ends this conversation: what was read ahead is no command.
        await asyncio.Event().wait()


@contextlib.contextmanager
def serving(server, tls=None, implicit=False, mechanisms=("PLAIN", "LOGIN")):
    """The server at work: with `tls` it offers STARTTLS, or speaks TLS from the first byte when `implicit`."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    options = {"hostname": "mail.check", "decode_data": False, "timeout": 60}
    if server.login:
        left_out = {"PLAIN", "LOGIN"} - set(mechanisms)
        options |= {"authenticator": server.authenticate, "auth_required": True, "auth_require_tls": tls is not None and not implicit,
                    "auth_exclude_mechanism": left_out}
    if tls and not implicit:
        options |= {"tls_context": tls, "require_starttls": True}

    async def start():
        made = await asyncio.get_running_loop().create_server(
            lambda: Speaker(server, **options), "127.0.0.1", 0, ssl=tls if implicit else None)
        server.port = made.sockets[0].getsockname()[1]
        return made

    made = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(made.close)
        time.sleep(0.05)
        loop.call_soon_threadsafe(loop.stop)
