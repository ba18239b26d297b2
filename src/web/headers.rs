//! The headers of every answer: what browsers may do with it (contract rest.md 3), and the two cookies.

use crate::auth::peer::Origin;
use crate::auth::sessions::{LIFE_SECS, Ticket};
use crate::config::Settings;
use crate::http::{Call, Response};

/// Scripts, styles and fonts come from files of ours only: nothing inline, nothing evaluated.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self' ws: wss:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; \
     frame-ancestors ";

/// What is put on an answer, settled when the request comes so that a late answer needs nothing of the owner.
#[derive(Debug, Clone, Default)]
pub struct Extra(Vec<(&'static str, String)>);

impl Extra {
    /// The security and CORS headers that the settings ask for.
    pub fn of(settings: &Settings, call: &Call) -> Extra {
        let mut extra = Extra::default();
        let frames = if settings.allow_embedding { "SAMEORIGIN" } else { "DENY" };
        extra.put("X-Frame-Options", frames);
        extra.put("X-Content-Type-Options", "nosniff");
        extra.put("X-XSS-Protection", "1; mode=block");
        extra.put("Content-Security-Policy", format!("{POLICY}{}", ancestors(settings)));
        extra.put("Referrer-Policy", "strict-origin-when-cross-origin");
        extra.put("Permissions-Policy", "geolocation=(), microphone=(), camera=()");
        extra.cors(settings, call);
        extra
    }

    pub fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Puts them on, except where the handler has its own say.
    pub fn on(self, mut response: Response) -> Response {
        for (name, value) in self.0 {
            let repeats = matches!(name, "Set-Cookie" | "Vary");
            if repeats || !response.headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name)) {
                response.headers.push((name, value));
            }
        }
        response
    }

    fn cors(&mut self, settings: &Settings, call: &Call) {
        if settings.allowed_origins.is_empty() {
            return;
        }
        let any = allows_any(settings);
        if any {
            self.put("Access-Control-Allow-Origin", "*");
        } else {
            self.put("Vary", "Origin");
            let Some(origin) = call.header("origin").filter(|o| is_listed(settings, o)) else { return };
            self.put("Access-Control-Allow-Origin", origin);
        }
        self.put("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
        self.put("Access-Control-Allow-Headers", "Content-Type, Authorization, X-API-Token, X-CSRF-Token");
    }
}

/// `*` counts only when the administrator of the machine wrote it: 4.9's page sets it by itself (16 row 15).
fn allows_any(settings: &Settings) -> bool {
    settings.locked.contains("allowedOrigins") && settings.allowed_origins.iter().any(|o| o == "*")
}

/// The origin is one that the settings name.
pub fn is_listed(settings: &Settings, origin: &str) -> bool {
    let plain = |o: &str| o.trim().trim_end_matches('/').to_ascii_lowercase();
    settings.allowed_origins.iter().any(|allowed| allowed != "*" && plain(allowed) == plain(origin))
}

/// Any origin at all may open sockets that carry no cookie.
pub fn is_any_listed(settings: &Settings) -> bool {
    allows_any(settings)
}

fn ancestors(settings: &Settings) -> String {
    if !settings.allow_embedding {
        return "'none'".to_owned();
    }
    // A settings text must not be able to add a directive or a header.
    let is_source = |o: &&String| o.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'\'' | b'"'));
    let mut out = "'self'".to_owned();
    for origin in settings.allowed_embed_origins.iter().filter(is_source) {
        out.push(' ');
        out.push_str(origin);
    }
    out
}

/// The host part of an origin equals the host that was asked (RFC 6454 leaves out default ports, `Host` may not).
pub fn is_same_origin(origin: &str, host: &str) -> bool {
    let (scheme, rest) = origin.split_once("://").unwrap_or(("", origin));
    let port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    let bare = |h: &str| h.trim().to_ascii_lowercase().trim_end_matches(port).to_owned();
    !rest.is_empty() && bare(rest) == bare(host)
}

/// The cookies of a new session.
pub fn session_cookies(ticket: &Ticket, origin: &Origin, settings: &Settings) -> [String; 2] {
    let flags = flags(origin, settings);
    [
        format!("pulse_session={}; Path=/; Max-Age={LIFE_SECS}; HttpOnly; {flags}", ticket.id),
        csrf_cookie(&ticket.csrf, origin, settings),
    ]
}

/// The page reads this one and sends it back as `X-CSRF-Token`.
pub fn csrf_cookie(token: &str, origin: &Origin, settings: &Settings) -> String {
    format!("pulse_csrf={token}; Path=/; Max-Age={LIFE_SECS}; {}", flags(origin, settings))
}

/// What makes a browser forget both.
pub fn ended_cookies(origin: &Origin, settings: &Settings) -> [String; 2] {
    let flags = flags(origin, settings);
    [
        format!("pulse_session=; Path=/; Max-Age=0; HttpOnly; {flags}"),
        format!("pulse_csrf=; Path=/; Max-Age=0; {flags}"),
    ]
}

/// Cookies go to other sites' frames only where embedding into other sites is wanted, and only over HTTPS.
fn flags(origin: &Origin, settings: &Settings) -> &'static str {
    let embedded = settings.allow_embedding && !settings.allowed_embed_origins.is_empty();
    match (origin.https, embedded) {
        (true, true) => "Secure; SameSite=None",
        (true, false) => "Secure; SameSite=Lax",
        (false, _) => "SameSite=Lax",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_ours_when_its_host_is_the_one_asked() {
        for (origin, host) in [
            ("http://pulse.lan:7655", "pulse.lan:7655"),
            ("https://Pulse.example", "pulse.example:443"),
            ("http://10.0.0.5", "10.0.0.5:80"),
            ("http://[fd00::1]:7655", "[fd00::1]:7655"),
        ] {
            assert!(is_same_origin(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "pulse.lan"),
            ("", ""),
            ("https://", ""),
            ("http://evil.example", "pulse.lan:7655"),
            ("http://pulse.lan:7655.evil.example", "pulse.lan:7655"),
            ("http://pulse.lan:8080", "pulse.lan:7655"),
        ] {
            assert!(!is_same_origin(origin, host), "{origin} {host}");
        }
    }
}
