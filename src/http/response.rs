//! What goes back to a client.

use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub enum Body {
    Bytes(Vec<u8>),
    /// Serialised once, sent to many.
    Shared(Arc<[u8]>),
    Static(&'static [u8]),
}

impl Body {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Bytes(b) => b,
            Body::Shared(b) => b,
            Body::Static(b) => b,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// The door may compress it and give it a weak ETag (read endpoints).
    pub cacheable: bool,
}

impl Response {
    pub fn new(status: u16, content_type: &'static str, body: Body) -> Response {
        Response { status, headers: vec![("Content-Type", content_type.to_owned())], body, cacheable: false }
    }
    /// 200 with a JSON document and the newline 4.9 ends it with.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
        Response::json_status(200, value)
    }
    pub fn json_status<T: Serialize + ?Sized>(status: u16, value: &T) -> Response {
        match serde_json::to_vec(value) {
            Ok(mut bytes) => {
                bytes.push(b'\n');
                Response::new(status, "application/json", Body::Bytes(bytes))
            }
            Err(e) => Response::error(500, &format!("failed to write the answer: {e}")),
        }
    }
    /// An already serialised JSON document.
    pub fn shared_json(bytes: Arc<[u8]>) -> Response {
        let mut r = Response::new(200, "application/json", Body::Shared(bytes));
        r.cacheable = true;
        r
    }
    /// `{"error": "…"}` with the given status: what every failure looks like.
    pub fn error(status: u16, message: &str) -> Response {
        Response::json_status(status, &serde_json::json!({ "error": message }))
    }
    /// 4.9's style A error: error, code, status_code, timestamp (seconds).
    pub fn coded_error(status: u16, code: &str, message: &str, unix_secs: i64) -> Response {
        Response::json_status(
            status,
            &serde_json::json!({ "error": message, "code": code, "status_code": status, "timestamp": unix_secs }),
        )
    }
    pub fn text(status: u16, text: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", Body::Bytes(text.as_bytes().to_vec()))
    }
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
    /// Marks a read answer: gzip and a weak ETag are fine.
    pub fn cacheable(mut self) -> Response {
        self.cacheable = true;
        self
    }
}
