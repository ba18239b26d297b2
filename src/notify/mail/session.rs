//! The client's side of SMTP (RFC 5321; STARTTLS RFC 3207, AUTH RFC 4954): commands and replies over a given
//! connection. Replies are bounded, and the connection keeps the deadline.
//!
//! This is not the transport of the mail crate, because that one reads lines of any length, has no deadline for the
//! whole, and gives up on all recipients when one is refused.

use super::stream::{Wire, is_timeout};
use super::{Composed, Failure};
use crate::config::base64;
use crate::notify::job::Retry;
use std::io::{Read, Write};
use std::net::IpAddr;

/// RFC 5321 allows 512 bytes a line.
const MOST_LINE_BYTES: usize = 2_000;
const MOST_LINES: usize = 100;

pub(super) struct Login<'a> {
    pub user: &'a str,
    pub password: &'a str,
}

/// A reply of the server.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" / "))
    }
    /// The reply as an error, when it does not begin with the expected digit.
    fn expect(self, class: u16, step: &str) -> Result<Reply, Failure> {
        if self.code / 100 == class {
            return Ok(self);
        }
        let retry = if self.code / 100 == 5 { Retry::No } else { Retry::Later };
        Err(Failure { code: self.code, words: format!("the server refused {step}: {}", self.text()), retry })
    }
}

pub(super) struct Session {
    wire: Wire,
    /// Read from the wire but not yet used.
    ahead: Vec<u8>,
    /// What EHLO said the server can do, in capitals.
    extensions: Vec<String>,
}

impl Session {
    /// Waits for the greeting and says hello.
    pub fn greeted(wire: Wire, our_name: &str) -> Result<Session, Failure> {
        let mut session = Session { wire, ahead: Vec::new(), extensions: Vec::new() };
        session.reply()?.expect(2, "the connection")?;
        session.hello(our_name)?;
        Ok(session)
    }

    fn hello(&mut self, our_name: &str) -> Result<(), Failure> {
        let reply = self.command(&format!("EHLO {our_name}"))?;
        if reply.code / 100 != 5 {
            let reply = reply.expect(2, "EHLO")?;
            self.extensions = reply.lines.iter().skip(1).map(|l| l.trim().to_ascii_uppercase()).collect();
            return Ok(());
        }
        self.extensions.clear();
        self.command(&format!("HELO {our_name}"))?.expect(2, "HELO").map(|_| ())
    }

    pub fn offers(&self, extension: &str) -> bool {
        self.extension(extension).is_some()
    }

    /// What follows the name of an extension.
    fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with([' ', '='])).then(|| rest.trim_start_matches([' ', '=']))
        })
    }

    pub fn is_encrypted(&self) -> bool {
        self.wire.is_encrypted()
    }

    pub fn start_tls(
        mut self,
        our_name: &str,
        secure: impl FnOnce(Wire) -> Result<Wire, Failure>,
    ) -> Result<Session, Failure> {
        if !self.offers("STARTTLS") {
            return Err(Failure::never("the server does not offer STARTTLS"));
        }
        self.command("STARTTLS")?.expect(2, "STARTTLS")?;
        if !self.ahead.is_empty() {
            // Somebody on the way put words into the server's mouth before encryption began.
            return Err(Failure::later("the server spoke before the encryption began"));
        }
        let wire = secure(self.wire)?;
        let mut session = Session { wire, ahead: Vec::new(), extensions: Vec::new() };
        session.hello(our_name)?;
        Ok(session)
    }

    pub fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        let offered = self.extension("AUTH").map(str::to_owned);
        let mechanisms: Vec<&str> = offered.as_deref().unwrap_or_default().split_whitespace().collect();
        let step = "the login";
        if mechanisms.contains(&"PLAIN") {
            let token = base64::encode(&plain(login.user, login.password));
            return self.command(&format!("AUTH PLAIN {token}"))?.expect(2, step).map(|_| ());
        }
        if mechanisms.contains(&"LOGIN") {
            self.command("AUTH LOGIN")?.expect(3, step)?;
            self.command(&base64::encode(login.user.as_bytes()))?.expect(3, step)?;
            return self.command(&base64::encode(login.password.as_bytes()))?.expect(2, step).map(|_| ());
        }
        Err(Failure::never(match mechanisms.as_slice() {
            [] => "a user name is configured, but the server offers no login".to_owned(),
            others => format!("the server offers only logins that are not supported: {}", others.join(", ")),
        }))
    }

    /// Hands over the mail. It counts as sent when at least one recipient was accepted; the others are named.
    pub fn send(mut self, mail: &Composed) -> Result<(u16, String), Failure> {
        let mut parameters = String::new();
        let international = !mail.from.is_ascii() || mail.to.iter().any(|t| !t.is_ascii());
        if international && !self.offers("SMTPUTF8") {
            return Err(Failure::never("an address has letters that the server does not support (SMTPUTF8)"));
        }
        if international {
            parameters.push_str(" SMTPUTF8");
        }
        if !mail.bytes.is_ascii() && self.offers("8BITMIME") {
            parameters.push_str(" BODY=8BITMIME");
        }
        self.command(&format!("MAIL FROM:<{}>{parameters}", mail.from))?.expect(2, "the sender")?;
        let mut refused = Vec::new();
        let mut first_refusal = None;
        for to in &mail.to {
            if let Err(failure) = self.command(&format!("RCPT TO:<{to}>"))?.expect(2, &format!("the recipient {to}")) {
                refused.push(failure.words.clone());
                first_refusal.get_or_insert(failure);
            }
        }
        if let (Some(failure), true) = (first_refusal, refused.len() == mail.to.len()) {
            return Err(failure);
        }
        self.command("DATA")?.expect(3, "the message")?;
        self.write(&stuffed(&mail.bytes))?;
        let reply = self.reply()?.expect(2, "the message")?;
        // It has been accepted; how the farewell goes does not matter.
        let _ = self.write(b"QUIT\r\n");
        let mut words = reply.text();
        for refusal in refused {
            words = format!("{words}; but {refusal}");
        }
        Ok((reply.code, words))
    }

    fn command(&mut self, line: &str) -> Result<Reply, Failure> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.wire.write_all(bytes).and_then(|()| self.wire.flush()).map_err(|e| lost(&e))
    }

    fn reply(&mut self) -> Result<Reply, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let code: u16 = line
                .get(..3)
                .and_then(|c| c.parse().ok())
                .filter(|c| (200..600).contains(c))
                .ok_or_else(|| Failure::later("the server does not speak SMTP"))?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= MOST_LINES {
                return Err(Failure::later("the server's reply has too many lines"));
            }
        }
    }

    fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.ahead.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.ahead.len() > MOST_LINE_BYTES {
                return Err(Failure::later("the server's reply is too long"));
            }
            let mut buffer = [0; 1024];
            match self.wire.read(&mut buffer) {
                Ok(0) => return Err(Failure::later("the server closed the connection")),
                Ok(n) => self.ahead.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(lost(&e)),
            }
        }
    }
}

fn lost(error: &std::io::Error) -> Failure {
    if is_timeout(error) {
        Failure::later("the server did not answer in time")
    } else {
        Failure::later(format!("the connection was lost: {error}"))
    }
}

/// The token of AUTH PLAIN.
pub(super) fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

/// The mail with dots doubled at the beginning of lines, every line ended by CR LF, and the final dot.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 50 + 16);
    let text = mail.strip_suffix(b"\n").map_or(mail, |m| m.strip_suffix(b"\r").unwrap_or(m));
    for line in text.split(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// What we call ourselves: the machine's full name, or its address.
pub(super) fn our_name(ip: Option<IpAddr>) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let fine = name.contains('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    match ip {
        _ if fine && name.len() <= 255 => name,
        Some(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Some(ip) => format!("[{ip}]"),
        None => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::stuffed;

    #[test]
    fn a_line_of_one_dot_does_not_end_the_mail() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\nc\r\n"), b"a\r\n..\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(b""), b"\r\n.\r\n");
    }
}
