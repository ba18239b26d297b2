//! What goes back to a client.

use serde::Serialize;
use std::hash::Hasher;
use std::sync::{Arc, OnceLock};

#[derive(Debug, Clone)]
pub enum Body {
    Bytes(Vec<u8>),
    /// Serialised once, sent to many.
    Shared(Arc<Shared>),
    Static(&'static [u8]),
}

impl Body {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Bytes(b) => b,
            Body::Shared(b) => b.bytes(),
            Body::Static(b) => b,
        }
    }
}

/// A document many clients get: its bytes, and what is derived from them once for all.
#[derive(Debug)]
pub struct Shared {
    bytes: Box<[u8]>,
    etag: OnceLock<String>,
    gzip: OnceLock<Box<[u8]>>,
}

impl Shared {
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Shared {
        Shared { bytes: bytes.into(), etag: OnceLock::new(), gzip: OnceLock::new() }
    }
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// A weak validator: equal bytes, equal tag.
    pub fn etag(&self) -> &str {
        self.etag.get_or_init(|| {
            let mut hash = std::collections::hash_map::DefaultHasher::new();
            hash.write(&self.bytes);
            format!("W/\"{:016x}\"", hash.finish())
        })
    }
    /// The compressed bytes, made by `pack` for the first who wants them.
    pub fn gzip(&self, pack: impl FnOnce(&[u8]) -> Vec<u8>) -> &[u8] {
        self.gzip.get_or_init(|| pack(&self.bytes).into())
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
    pub fn shared_json(document: Arc<Shared>) -> Response {
        let mut r = Response::new(200, "application/json", Body::Shared(document));
        r.cacheable = true;
        r
    }
    /// `{"error": "…"}` with the given status: what every failure looks like.
    pub fn error(status: u16, message: &str) -> Response {
        Response::json_status(status, &crate::json::json!({ "error": message }))
    }
    /// 4.9's style A error: error, code, status_code, timestamp (seconds).
    pub fn coded_error(status: u16, code: &str, message: &str, unix_secs: i64) -> Response {
        Response::json_status(
            status,
            &crate::json::json!({ "error": message, "code": code, "status_code": status, "timestamp": unix_secs }),
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
