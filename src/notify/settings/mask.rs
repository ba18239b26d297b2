//! What must not be shown of addresses and headers: pure functions over texts.

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// Whether a header or query parameter of this name carries a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    let parts = ["token", "secret", "password", "passwd", "apikey", "authorization", "routingkey", "signature"];
    parts.iter().any(|p| name.contains(p))
        || matches!(name.as_str(), "key" | "user" | "cookie" | "auth" | "sig" | "code" | "xgotifykey" | "pass")
        || name.ends_with("auth")
}

/// An address fit for logs and lists: scheme, host, and the shape of the path. User names, values of the query and
/// everything in the path that could be a token are replaced.
pub fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (before_query, query) = rest.split_once('?').map_or((rest, None), |(b, q)| (b, Some(q)));
    let (authority, path) = before_query.split_once('/').map_or((before_query, None), |(a, p)| (a, Some(p)));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let mut out = format!("{scheme}://{host}");
    if let Some(path) = path {
        for segment in path.split('/') {
            out.push('/');
            out.push_str(if may_be_shown(segment) { segment } else { HIDDEN });
        }
    }
    if let Some(query) = query {
        let names: Vec<String> = query.split('&').map(mask_pair).collect();
        out.push('?');
        out.push_str(&names.join("&"));
    }
    out
}

fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

/// Words of the public APIs' own paths. Anything else could be a token, or a topic that is as good as one.
const PATH_WORDS: [&str; 24] = [
    "",
    "_matrix",
    "alert",
    "alerts",
    "api",
    "client",
    "enqueue",
    "hooks",
    "json",
    "m.room.message",
    "message",
    "messages",
    "messages.json",
    "notify",
    "push",
    "r0",
    "rooms",
    "send",
    "sendMessage",
    "services",
    "triggers",
    "webhook",
    "webhooks",
    "workflows",
];

fn may_be_shown(segment: &str) -> bool {
    let version = segment.len() <= 3 && segment.starts_with('v') && segment.bytes().skip(1).all(|b| b.is_ascii_digit());
    version || PATH_WORDS.contains(&segment)
}

/// Replaces each of the given secrets wherever it stands in a text, e.g. in the answer of a receiver.
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    let mut out = text.to_owned();
    for secret in secrets.iter().filter(|s| s.len() >= 4) {
        if out.contains(secret) {
            out = out.replace(secret, HIDDEN);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_paths_queries_and_user_names_are_hidden_and_the_rest_is_readable() {
        let cases = [
            ("https://discord.com/api/webhooks/123456/AbCdEf-token", "https://discord.com/api/webhooks/***/***"),
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/***/***/***"),
            (
                "https://api.telegram.org/bot1:AA/sendMessage?chat_id=-5",
                "https://api.telegram.org/***/sendMessage?chat_id=***",
            ),
            ("http://gotify.lan:8080/message?token=abc", "http://gotify.lan:8080/message?token=***"),
            ("https://user:pw@ntfy.lan/alerts", "https://ntfy.lan/alerts"),
            ("https://hc-ping.com/0f6c-11#frag", "https://hc-ping.com/***"),
            ("https://events.pagerduty.com/v2/enqueue", "https://events.pagerduty.com/v2/enqueue"),
            ("not a url", "***"),
        ];
        for (url, shown) in cases {
            assert_eq!(masked_url(url), shown);
        }
    }

    #[test]
    fn names_of_secrets_are_known_in_any_spelling() {
        for name in
            ["Authorization", "X-Gotify-Key", "routing_key", "api_key", "X-Auth-Token", "token", "Proxy-Authorization"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["Content-Type", "Accept", "X-Title", "priority", "User-Agent"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_receiver_that_echoes_a_secret_does_not_show_it() {
        assert_eq!(scrub("bad token s3cret-1!", &["s3cret-1", "no"]), "bad token ***!");
    }
}
