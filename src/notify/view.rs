//! A message in words: titles, figures with their units, durations, and escaping for the languages receivers read.
//! Pure functions; every text here still has to be put into JSON, HTML or a header by who uses it.

use super::message::{Kind, Message};
use crate::alerts::outgoing::{Item, Unit};
use crate::model::Time;
use std::fmt::Write;

/// Label and value, e.g. `Resource`, `web`.
pub type Fact = (&'static str, String);

/// First letter upper, the rest lower: 4.9's way to show levels and types.
pub fn title_case(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

/// `45s`, `12m`, `3h 5m`, `2d 4h`.
pub fn duration(since: Time, until: Time) -> String {
    let secs = until.since(since).as_secs();
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{minutes}m"),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// How long an alert lasts, or lasted.
pub fn duration_of(item: &Item, now: Time) -> String {
    duration(item.alert.start_time, item.resolved.unwrap_or(now))
}

/// `85.5%`, `12.3 MB/s`; empty when the figure says nothing.
pub fn value(item: &Item) -> String {
    with_unit(item.unit, item.alert.value, 1)
}

/// `80%`; empty when the figure says nothing.
pub fn threshold(item: &Item) -> String {
    with_unit(item.unit, item.alert.threshold, 0)
}

fn with_unit(unit: Unit, figure: f64, digits: usize) -> String {
    match unit {
        Unit::Percent => format!("{figure:.digits$}%"),
        Unit::MegabytesPerSecond => format!("{figure:.digits$} MB/s"),
        Unit::Days => format!("{figure:.digits$} days"),
        Unit::Count => format!("{figure:.0}"),
        Unit::None => String::new(),
    }
}

/// The six facts of 4.9's messages; those that say nothing are left out.
pub fn facts(item: &Item, now: Time) -> Vec<Fact> {
    let a = &item.alert;
    let all = [
        ("Resource", a.resource_name.clone()),
        ("Node", a.node.clone()),
        ("Type", title_case(&a.r#type)),
        ("Value", value(item)),
        ("Threshold", threshold(item)),
        ("Duration", duration_of(item, now)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// `Critical`, `Resolved`, `Acknowledged`: what happened to an alert.
pub fn state(message: &Message, item: &Item) -> String {
    match message.kind {
        Kind::Resolved => "Resolved".to_owned(),
        Kind::Acknowledged => "Acknowledged".to_owned(),
        _ => title_case(&item.alert.level),
    }
}

/// `Pulse Alert: Critical`: the title of one alert.
pub fn title(message: &Message, item: &Item) -> String {
    match message.kind {
        Kind::Escalated => format!("Pulse Alert: {} (escalation {})", state(message, item), message.escalation),
        _ => format!("Pulse Alert: {}", state(message, item)),
    }
}

/// The title of a whole message: as of one alert, or with the numbers of a group.
pub fn heading(message: &Message) -> String {
    match message.items.as_slice() {
        [item] if message.more == 0 => title(message, item),
        _ => format!("Pulse Alert: {}", counts(message)),
    }
}

/// `2 critical, 1 warning`, `3 resolved`.
pub fn counts(message: &Message) -> String {
    let word = match message.kind {
        Kind::Resolved => Some("resolved"),
        Kind::Acknowledged => Some("acknowledged"),
        _ => None,
    };
    if let Some(word) = word {
        return format!("{} {word}", message.count());
    }
    let (critical, warning) = message.levels();
    let mut parts = Vec::new();
    if critical > 0 {
        parts.push(format!("{critical} critical"));
    }
    if warning > 0 {
        parts.push(format!("{warning} warning"));
    }
    if message.more > 0 {
        parts.push(format!("{} more", message.more));
    }
    parts.join(", ")
}

/// What must be said about the group itself: that it is longer than shown, that it had to wait.
pub fn remarks(message: &Message, shown: usize) -> Vec<String> {
    let mut out = Vec::new();
    let hidden = message.count().saturating_sub(shown as u64);
    if hidden > 0 {
        out.push(format!("and {hidden} more {}", if hidden == 1 { "alert" } else { "alerts" }));
    }
    if message.held > 0 {
        out.push(format!("{} alerts were held back because many messages had been sent before", message.held));
    }
    let waited = message.items.iter().filter(|i| i.held.is_some()).count();
    if waited > 0 {
        let word = if waited == 1 { "alert comes" } else { "alerts come" };
        out.push(format!("{waited} {word} later than raised (quiet hours, maintenance or a limit)"));
    }
    out
}

/// One line about one alert: `web: VM cpu at 91.2%`.
pub fn line(message: &Message, item: &Item) -> String {
    let a = &item.alert;
    let mut out = String::new();
    if message.items.len() > 1 {
        let _ = write!(out, "[{}] ", state(message, item));
    }
    if !a.resource_name.is_empty() && !a.message.contains(&a.resource_name) {
        let _ = write!(out, "{}: ", a.resource_name);
    }
    out.push_str(&a.message);
    if item.worsened {
        out.push_str(" (was a warning)");
    }
    out
}

/// A message as plain lines, at most `most` of them about alerts.
pub fn plain_text(message: &Message, now: Time, most: usize) -> String {
    let mut lines = Vec::new();
    match message.items.as_slice() {
        [item] => {
            lines.push(line(message, item));
            lines.extend(facts(item, now).into_iter().map(|(label, value)| format!("{label}: {value}")));
        }
        items => lines.extend(items.iter().take(most).map(|i| format!("- {}", line(message, i)))),
    }
    lines.extend(remarks(message, message.items.len().min(most)));
    lines.join("\n")
}

/// The web address of the alert's host, when there is one that a browser can open.
pub fn link(item: &Item) -> Option<&str> {
    let host = item.host.as_str();
    let fine = (host.starts_with("http://") || host.starts_with("https://"))
        && host.len() <= 500
        && host.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'|' | b'\\' | b'`'));
    fine.then_some(host)
}

/// At most `most` characters; what is cut ends in an ellipsis.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('\u{2026}');
    out
}

/// Text inside HTML, also inside attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text inside Markdown: nothing in it formats, links, or breaks out of its line.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | '|' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text inside Slack's own markup.
pub fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_4_9_writes_them() {
        let of = |secs: i64| duration(Time::from_unix(1_000_000), Time::from_unix(1_000_000 + secs));
        assert_eq!(
            [of(0), of(45), of(720), of(11_100), of(187_200)],
            ["0s", "45s", "12m", "3h 5m", "2d 4h"].map(str::to_owned)
        );
        assert_eq!(duration(Time::UNSET, Time::from_unix(5)), "0s");
    }

    #[test]
    fn titles_have_one_capital() {
        assert_eq!(title_case("diskRead"), "Diskread");
        assert_eq!(title_case("critical"), "Critical");
        assert_eq!(title_case("\u{e4}ndern"), "\u{c4}ndern");
        assert_eq!(title_case(""), "");
    }

    #[test]
    fn nothing_in_a_name_formats_or_breaks_out() {
        assert_eq!(markdown("a_b*[x](y)\n`z`"), "a\\_b\\*\\[x\\]\\(y\\) \\`z\\`");
        assert_eq!(html("<b a=\"x\">&'"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(slack("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(cut("abcdef", 4), "abc\u{2026}");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
