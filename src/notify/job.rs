//! One attempt to deliver: a value that a job thread runs, and the value that comes back.

use super::message::Message;
use super::settings::{Email, Heartbeat, Webhook};
use super::{mail, payload, send};
use crate::model::Time;
use serde_json::Value;
use std::sync::Arc;

/// An attempt with everything it needs inside it.
pub struct Job {
    pub(super) delivery: u64,
    /// The moment the attempt was ordered; payloads carry it.
    pub(super) at: Time,
    pub(super) what: What,
}

pub(super) enum What {
    Mail { email: Email, message: Arc<Message> },
    Webhook { webhook: Webhook, message: Arc<Message> },
    Heartbeat { heartbeat: Heartbeat, summary: Value },
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub(super) delivery: u64,
    pub(super) sent: Sent,
}

/// How one request or mail went. Texts are free of secrets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sent {
    /// HTTP status or SMTP code; 0: there was no answer.
    pub status: u16,
    /// The first 4 KiB of the receiver's own words.
    pub answer: String,
    /// Bytes of the body or mail.
    pub payload_bytes: usize,
    /// Why it failed; `None`: it arrived.
    pub error: Option<String>,
    pub retry: Retry,
}

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    #[default]
    No,
    /// The receiver may be better soon.
    Later,
    /// The receiver said when, in seconds.
    AfterSecs(u64),
}

impl Sent {
    pub fn ok(&self) -> bool {
        self.error.is_none()
    }
    /// A failure before anything was sent.
    pub fn failed(error: impl Into<String>, retry: Retry) -> Sent {
        Sent { error: Some(error.into()), retry, ..Sent::default() }
    }
}

impl Job {
    /// A single attempt to a channel that need not be saved: for tests by hand.
    pub fn try_mail(email: Email, message: Message, at: Time) -> Job {
        Job { delivery: 0, at, what: What::Mail { email, message: Arc::new(message) } }
    }
    /// The same for a webhook.
    pub fn try_webhook(webhook: Webhook, message: Message, at: Time) -> Job {
        Job { delivery: 0, at, what: What::Webhook { webhook, message: Arc::new(message) } }
    }

    /// What it is, for the log.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Mail { .. } => "send mail",
            What::Webhook { .. } => "call webhook",
            What::Heartbeat { .. } => "send heartbeat",
        }
    }

    /// Sends; blocks until it is done or its deadline has passed.
    pub fn run(&self) -> Outcome {
        self.run_within(send::DEADLINE)
    }

    /// The same with a shorter deadline.
    pub fn run_within(&self, deadline: std::time::Duration) -> Outcome {
        let sent = match &self.what {
            What::Mail { email, message } => mail::send(email, message, self.at, deadline),
            What::Webhook { webhook, message } => match payload::request(webhook, message, self.at) {
                Ok(Some(request)) => send::http(&request, deadline),
                Ok(None) => {
                    Sent { answer: "the template made nothing of it, nothing was sent".to_owned(), ..Sent::default() }
                }
                Err(why) => Sent::failed(why, Retry::No),
            },
            What::Heartbeat { heartbeat, summary } => send::http(&payload::heartbeat(heartbeat, summary), deadline),
        };
        self.outcome(sent)
    }

    /// The outcome of this attempt, when it was made by somebody else.
    pub fn outcome(&self, sent: Sent) -> Outcome {
        Outcome { delivery: self.delivery, sent }
    }

    /// `email` or the id of a webhook; empty for the heartbeat.
    pub fn channel(&self) -> &str {
        match &self.what {
            What::Mail { .. } => "email",
            What::Webhook { webhook, .. } => &webhook.id,
            What::Heartbeat { .. } => "",
        }
    }

    /// What is told; `None` for the heartbeat.
    pub fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Mail { message, .. } | What::Webhook { message, .. } => Some(message),
            What::Heartbeat { .. } => None,
        }
    }
}

impl Outcome {
    /// How it went.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }
}
