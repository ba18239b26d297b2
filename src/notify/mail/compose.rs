//! From a message to a mail: addresses, subject, MIME. The mail crate does the encoding.

use super::body;
use crate::model::Time;
use crate::notify::message::{Kind, Message};
use crate::notify::settings::Email;
use crate::notify::view::{cut, title_case};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Subjects longer than this are cut; names are part of some.
const SUBJECT: usize = 200;

/// A mail that is ready to go: the envelope's bare addresses and the document.
pub struct Composed {
    pub from: String,
    pub to: Vec<String>,
    pub bytes: Vec<u8>,
}

/// Contract state.md 7.3: people filter by these texts.
pub fn subject(message: &Message) -> String {
    let (critical, warning) = message.levels();
    let plural = |n: u64| if n == 1 { "" } else { "s" };
    let mut levels = match (critical, warning) {
        (c, w) if c > 0 && w > 0 => format!("{c} Critical, {w} Warning alerts"),
        (0, w) => format!("{w} Warning alert{}", plural(w as u64)),
        (c, _) => format!("{c} Critical alert{}", plural(c as u64)),
    };
    if message.more > 0 {
        levels.push_str(&format!(" and {} more", message.more));
    }
    let text = match (message.kind, message.items.as_slice()) {
        (Kind::Test, [item]) => {
            let a = &item.alert;
            format!("[Pulse Alert] {}: {} on {}", title_case(&a.level), type_name(&a.r#type), a.resource_name)
        }
        (Kind::Resolved, _) => {
            format!("[Pulse Alert] {} alert{} resolved", message.count(), plural(message.count()))
        }
        (Kind::Escalated, _) => format!("[Pulse Alert] Escalation {}: {levels}", message.escalation),
        _ => format!("[Pulse Alert] {levels}"),
    };
    // A line end in a name must not begin a new header.
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&one_line, SUBJECT)
}

fn type_name(kind: &str) -> String {
    match kind {
        "cpu" => "CPU".to_owned(),
        "memory" => "Memory".to_owned(),
        "disk" => "Disk".to_owned(),
        "io" => "I/O".to_owned(),
        other => title_case(other),
    }
}

/// The whole mail. A copy of the same message has the same Message-ID.
pub fn compose(email: &Email, message: &Message, now: Time) -> Result<Composed, String> {
    let mailbox = |text: &str, what: &str| {
        super::domain::to_ascii(text.trim())
            .parse::<Mailbox>()
            .map_err(|e| format!("failed to read the {what} address {text:?}: {e}"))
    };
    let from = mailbox(&email.from, "sender's")?;
    let date = SystemTime::checked_add(&UNIX_EPOCH, Duration::from_secs(u64::try_from(now.unix_secs()).unwrap_or(0)));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .subject(subject(message))
        .date(date.unwrap_or(UNIX_EPOCH))
        .message_id(Some(format!("<{}@pulse-monitoring>", message.key)))
        .header(Mailer);
    let mut to = Vec::new();
    for text in email.recipients() {
        let mailbox = mailbox(text, "recipient's")?;
        to.push(mailbox.email.to_string());
        builder = builder.to(mailbox);
    }
    if !email.reply_to.trim().is_empty() {
        builder = builder.reply_to(mailbox(&email.reply_to, "reply")?);
    }
    let parts = MultiPart::alternative_plain_html(body::text(message, now), body::html(message, now));
    let mail = builder.multipart(parts).map_err(|e| format!("failed to build the mail: {e}"))?;
    Ok(Composed { from: from.email.to_string(), to, bytes: mail.formatted() })
}

/// `X-Mailer`, as 4.9 sends it.
#[derive(Clone)]
struct Mailer;

impl Header for Mailer {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Mailer")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Mailer)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Mailer::name(), "Pulse Monitoring System".to_owned())
    }
}
