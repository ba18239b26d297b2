//! The text exposition: the format of Prometheus 0.0.4 and OpenMetrics 1.0. Knows no metric.

use std::fmt::Write;

/// Which of the two formats the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// OpenMetrics for who names it in `Accept` and does not refuse it, the older format for everybody else.
    pub fn of(accept: Option<&str>) -> Format {
        let refused = |range: &str| {
            let q = range.split(';').find_map(|part| part.trim().strip_prefix("q="));
            q.and_then(|q| q.trim().parse::<f64>().ok()) == Some(0.0)
        };
        let wanted = |range: &str| range.trim().starts_with("application/openmetrics-text") && !refused(range);
        if accept.unwrap_or_default().split(',').any(wanted) { Format::OpenMetrics } else { Format::Prometheus }
    }
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page of metrics being written. Families must be written one after the other.
pub struct Page {
    text: String,
    format: Format,
    name: &'static str,
}

impl Page {
    pub fn new(format: Format) -> Page {
        Page { text: String::new(), format, name: "" }
    }
    pub fn format(&self) -> Format {
        self.format
    }
    /// Begins a family. OpenMetrics names a counter's family without `_total`.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        let family = match self.format {
            Format::OpenMetrics if kind == "counter" => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        self.name = name;
        let kind = if kind == "untyped" && self.format == Format::OpenMetrics { "unknown" } else { kind };
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind}");
    }
    /// One sample of the family begun last. What is no number is left out.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.put(&Labels::of(labels), value);
    }
    /// The same for labels that many families share.
    pub fn put(&mut self, labels: &Labels, value: f64) {
        self.series(&labels.0, "", value);
    }
    /// The same with `state` as a further, last label.
    pub fn put_state(&mut self, labels: &Labels, state: &str, value: f64) {
        let open = labels.0.strip_suffix("} ").unwrap_or_default();
        self.series(open, state, value);
    }
    fn series(&mut self, labels: &str, state: &str, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.text.push_str(self.name);
        self.text.push_str(labels);
        if !state.is_empty() {
            self.text.push_str(",state=\"");
            self.text.push_str(state);
            self.text.push_str("\"} ");
        }
        self.number(value);
    }
    /// Most figures are whole: they are written without the formatter, which costs more than all the rest of a sample.
    fn number(&mut self, value: f64) {
        let whole = value as i64;
        if whole as f64 != value || !(0..1 << 53).contains(&whole) {
            let _ = writeln!(self.text, "{value}");
            return;
        }
        let mut digits = [b'\n'; 17];
        let (mut at, mut rest) = (digits.len() - 1, whole);
        for (n, digit) in digits.iter_mut().enumerate().rev().skip(1) {
            at = n;
            if rest < 10 {
                *digit = b'0' + rest as u8;
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let written = digits.get(at..).and_then(|d| std::str::from_utf8(d).ok());
        self.text.push_str(written.unwrap_or_default());
    }
    /// The finished text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Labels as they stand in the text: written once, used in many families.
pub struct Labels(String);

impl Labels {
    pub fn of(labels: &[(&str, &str)]) -> Labels {
        let mut text = String::new();
        for (n, (name, value)) in labels.iter().enumerate() {
            text.push(if n == 0 { '{' } else { ',' });
            text.push_str(name);
            text.push_str("=\"");
            escape(&mut text, value);
            text.push('"');
        }
        text.push_str(if labels.is_empty() { " " } else { "} " });
        Labels(text)
    }
}

/// A label's value: backslash, quote and line feed are the only characters with a meaning.
fn escape(out: &mut String, value: &str) {
    if !value.bytes().any(|b| matches!(b, b'\\' | b'"' | b'\n')) {
        return out.push_str(value);
    }
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' | '"' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_they_are() {
        let mut page = Page::new(Format::Prometheus);
        page.family("a", "gauge", "b");
        let figures =
            [0.0, -0.0, 1.0, -7.0, 10.0, 0.5, 9007199254740991.0, 9007199254740993.0, 1e21, 0.12282161893212747];
        for figure in figures {
            page.sample(&[], figure);
        }
        page.sample(&[], f64::NAN);
        let text = page.finish();
        let read: Vec<f64> = text.lines().skip(2).map(|l| l.strip_prefix("a ").unwrap().parse().unwrap()).collect();
        assert_eq!(read, figures);
        assert!(text.contains("\na 10\n") && text.contains("\na 9007199254740991\n"), "{text}");
    }
}
