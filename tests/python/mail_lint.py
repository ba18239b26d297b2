"""What is wrong with a mail, by the rules of RFC 5322 and 2045 to 2047, and by Python's parser with its defects as errors."""
import email
import email.errors
import email.policy
import re

# Headers that must stand there once, and those that may.
ONCE = ("From", "To", "Date", "Subject", "Message-ID", "MIME-Version", "Content-Type")
MAY = ("Reply-To", "X-Mailer", "Content-Transfer-Encoding")


def strict(content):
    """The mail as Python understands it; raises where it finds a defect."""
    return email.message_from_bytes(content, policy=email.policy.SMTP.clone(raise_on_defect=True))


def form(content):
    """Complaints about bytes, lines and headers."""
    head, _, body = content.partition(b"\r\n\r\n")
    wrong = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", content):
        wrong.append("line ends that are not CR LF")
    if any(byte > 126 or (byte < 32 and byte not in (9, 10, 13)) for byte in content):
        wrong.append("bytes that are not printable ASCII")
    longest = max(map(len, content.split(b"\r\n")))
    if longest > 998:
        wrong.append(f"a line of {longest} bytes")
    if not content.endswith(b"\r\n") or not body:
        wrong.append("no body, or no line end at the end")
    lines = re.sub(rb"\r\n(?=[ \t])", b"\x00", head).split(b"\r\n")
    names = [line.split(b":")[0].decode() for line in lines]
    wrong += [f"not a header: {line}" for line in lines if not re.match(rb"[!-9;-~]+: \S", line)]
    wrong += [f"{name} {names.count(name)} times" for name in ONCE if names.count(name) != 1]
    wrong += [f"{name} more than once" for name in MAY if names.count(name) > 1]
    wrong += [f"a folded line of nothing: {line}" for line in head.split(b"\r\n") if not line.strip()]
    wrong += [f"a header line of {len(line)} bytes" for line in head.split(b"\r\n") if len(line) > 78 and b" " in line[1:].strip()[:70]]
    wrong += [f"an encoded word of {len(word)} bytes" for word in re.findall(rb"=\?[^?]+\?[bBqQ]\?[^?]*\?=", head) if len(word) > 75]
    return wrong


def parts(content):
    """Complaints about the document in the mail."""
    mail, wrong = strict(content), []
    wrong += [f"{name}: {d}" for name, value in mail.items() for d in value.defects]
    if not re.fullmatch(r"<[^\s<>@]+@[^\s<>@]+>", mail["Message-ID"]):
        wrong.append(f"Message-ID {mail['Message-ID']}")
    if mail["Date"].datetime is None or mail["Date"].datetime.tzinfo is None:
        wrong.append(f"Date {mail['Date']}")
    if mail.get_content_type() != "multipart/alternative" or str(mail["MIME-Version"]) != "1.0":
        return wrong + [f"{mail.get_content_type()} {mail['MIME-Version']}"]
    if mail.preamble or (mail.epilogue or "").strip():
        wrong.append("text outside of the parts")
    kinds = [part.get_content_type() for part in mail.iter_parts()]
    if kinds != ["text/plain", "text/html"]:
        wrong.append(f"parts {kinds}: the plainest comes first")
    for part in mail.iter_parts():
        wrong += [f"{name}: {d}" for name, value in part.items() for d in value.defects] + [str(d) for d in part.defects]
        encoding, charset = str(part["Content-Transfer-Encoding"]), part.get_content_charset()
        if encoding not in ("7bit", "quoted-printable", "base64") or charset != "utf-8":
            wrong.append(f"{encoding} {charset}")
        raw = part.get_payload()
        if encoding != "7bit" and max(map(len, raw.splitlines())) > 76:
            wrong.append(f"{encoding} with a line of more than 76")
        if encoding == "quoted-printable" and re.search(r"=(?![0-9A-F]{2}|\r?\n)|[ \t]\r?$", raw, re.M):
            wrong.append("quoted-printable that is none")
        part.get_payload(decode=True).decode("utf-8")
    return wrong


def complaints(content):
    """All that is wrong; the document is looked at when its bytes and lines are right."""
    try:
        return form(content) or parts(content)
    except (email.errors.MessageError, ValueError, LookupError) as defect:
        return [repr(defect)]
