//! One complete, bounded request, already read from the wire.

use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

impl Method {
    pub fn parse(text: &str) -> Method {
        match text {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other => "OTHER",
        }
    }
    /// GET, HEAD and OPTIONS change nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }
}

/// Decoded query parameters in the order sent.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`; percent-encoding and `+` are decoded, broken escapes stay as they are.
    pub fn parse(text: &str) -> Query {
        Query(
            text.split('&')
                .filter(|p| !p.is_empty())
                .map(|p| {
                    let (k, v) = p.split_once('=').unwrap_or((p, ""));
                    (percent_decode(k, true), percent_decode(v, true))
                })
                .collect(),
        )
    }
    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
    pub fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Decodes `%41`; with `plus` also `+` to a space. What is not UTF-8 afterwards is replaced.
pub fn percent_decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let hex = |at: usize| bytes.get(at).and_then(|c| (*c as char).to_digit(16));
        match (b, hex(i + 1), hex(i + 2)) {
            (b'%', Some(hi), Some(lo)) => {
                out.push((hi * 16 + lo) as u8);
                i += 3;
            }
            (b'+', _, _) if plus => {
                out.push(b' ');
                i += 1;
            }
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Who asks, as the guard found out before the handler runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Who {
    /// User name, token name or `anonymous`; for the audit log.
    pub actor: String,
    /// A credential was given and is valid (or none is configured).
    pub authenticated: bool,
    /// May read.
    pub read: bool,
    /// May change things.
    pub manage: bool,
    /// May export and import the configuration.
    pub export: bool,
    /// May fetch the metrics, whatever else.
    pub scrape: bool,
    /// Came with a session cookie: changes need the CSRF token.
    pub session: Option<String>,
    /// What authorises a socket opened with this request; see `auth::Doors::still_open`.
    pub key: String,
}

/// One request as the handlers see it.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// Percent-decoded path without the query.
    pub path: String,
    /// The path as it was sent.
    pub raw_path: String,
    pub query: Query,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The true peer: the TCP peer, or what a trusted proxy says.
    pub peer: IpAddr,
    /// The TCP peer itself.
    pub tcp_peer: IpAddr,
    /// The client speaks TLS to us.
    pub tls: bool,
    /// Values of the route's `{…}` places, percent-decoded, filled by the router.
    pub params: Vec<String>,
    /// Filled by the guard.
    pub who: Who,
}

impl Call {
    /// `target` is the request target as sent (path and query). Header names are matched without case.
    pub fn new(
        method: Method,
        target: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        peer: IpAddr,
        tls: bool,
    ) -> Call {
        let (raw_path, query) = target.split_once('?').unwrap_or((target, ""));
        Call {
            method,
            path: percent_decode(raw_path, false),
            raw_path: raw_path.to_owned(),
            query: Query::parse(query),
            headers,
            body,
            peer,
            tcp_peer: peer,
            tls,
            params: Vec::new(),
            who: Who::default(),
        }
    }
    /// The first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
    /// The value of one cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .filter(|(k, _)| k.eq_ignore_ascii_case("cookie"))
            .flat_map(|(_, v)| v.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(k, _)| *k == name)
            .map(|(_, v)| v)
    }
    /// The n-th `{…}` of the route, or an empty text.
    pub fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }
    /// The body as JSON of type `T`; the error text is fit for a 400.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|e| format!("Invalid request body: {e}"))
    }
}
