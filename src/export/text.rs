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
        if !value.is_finite() {
            return;
        }
        self.text.push_str(self.name);
        for (n, (key, label)) in labels.iter().enumerate() {
            self.text.push_str(if n == 0 { "{" } else { "," });
            self.text.push_str(key);
            self.text.push_str("=\"");
            self.escape(label);
            self.text.push('"');
        }
        let end = if labels.is_empty() { " " } else { "} " };
        let _ = writeln!(self.text, "{end}{value}");
    }
    /// A label's value: backslash, quote and line feed are the only characters with a meaning.
    fn escape(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }
    /// The finished text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}
