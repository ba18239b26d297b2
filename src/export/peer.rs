//! Requests to a server of the other side: credentials in, verdict out.

use super::push::Verdict;
use super::settings::Peer;
use crate::config::base64;
use crate::notify::{HttpRequest, Retry, Sent};

/// A request with the credentials of `peer`; `scheme` is the word before a token.
pub fn request(peer: &Peer, method: &str, url: &str, scheme: &str, fixed: &[(&str, &str)], body: &[u8]) -> HttpRequest {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut secrets = vec![peer.url.clone()];
    let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
    put("User-Agent", format!("Pulse/{}", env!("CARGO_PKG_VERSION")));
    for (name, value) in fixed {
        put(name, (*value).to_owned());
    }
    let basic = !peer.username.is_empty() || !peer.password.is_empty();
    let credentials = if !peer.token.is_empty() {
        Some(format!("{scheme} {}", peer.token.expose()))
    } else if basic {
        let pair = format!("{}:{}", peer.username, peer.password.expose());
        Some(format!("Basic {}", base64::encode(pair.as_bytes())))
    } else {
        None
    };
    if let Some(credentials) = credentials {
        secrets.push(credentials.clone());
        put("Authorization", credentials);
    }
    for (name, value) in &peer.headers {
        put(name, value.expose().to_owned());
    }
    let own = [&peer.password, &peer.token].into_iter().chain(peer.headers.iter().map(|(_, v)| v));
    secrets.extend(own.filter(|s| !s.is_empty()).map(|s| s.expose().to_owned()));
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers,
        body: body.to_vec(),
        skip_verify: !peer.verify,
        secrets,
        failure_words: None,
    }
}

/// What an answer to a push means: arrived; never wanted (4xx but 408, 425 and 429); or wanted later, which is also what
/// a certificate or an address that is refused comes to: an administrator can mend those.
pub fn judge(sent: &Sent) -> Verdict {
    let Some(error) = &sent.error else { return Verdict::Taken };
    let words = match sent.status {
        0 => error.clone(),
        status => format!("HTTP {status}: {}", sent.answer.lines().next().unwrap_or_default().trim()),
    };
    match sent.status {
        408 | 425 | 429 => {}
        400..=499 => return Verdict::Refused(words),
        _ => {}
    }
    let asked = match sent.retry {
        Retry::AfterSecs(secs) => Some(secs),
        _ => None,
    };
    Verdict::Later(words, asked)
}
