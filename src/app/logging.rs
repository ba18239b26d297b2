//! Where log lines go: to stderr, readable in a terminal, with priorities when the journal reads it (sd-daemon(3)).

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

/// Lines for the journal: it adds time and unit by itself and wants `<priority>` in front.
struct Journal;

impl Log for Journal {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }
    fn log(&self, record: &Record) {
        if !wanted(record.target(), record.level()) {
            return;
        }
        let priority = match record.level() {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        let _ = writeln!(std::io::stderr(), "<{priority}>{}", record.args());
    }
    fn flush(&self) {}
}

/// Libraries speak only when something is wrong.
fn wanted(target: &str, level: Level) -> bool {
    target.starts_with("pulse") || level <= Level::Warn
}

/// Starts logging at `level` (`debug`, `info`, `warn`, `error`; anything else is `info`).
pub fn start(level: &str) {
    let filter = level_of(level);
    if journal_reads(std::env::var("JOURNAL_STREAM").ok().as_deref()) {
        if log::set_logger(&Journal).is_ok() {
            log::set_max_level(filter);
        }
        return;
    }
    let quiet = ["rustls", "ureq", "ureq_proto", "tungstenite", "tiny_http", "lettre"];
    let logger = quiet
        .iter()
        .fold(simple_logger::SimpleLogger::new().with_level(filter), |l, m| l.with_module_level(m, LevelFilter::Warn));
    let _ = logger.init();
}

/// Whether stderr is what `JOURNAL_STREAM` (`device:inode`, systemd.exec(5)) names: a redirected one is not the journal's.
fn journal_reads(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|s| s.split_once(':')) else { return false };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|m| device.parse() == Ok(m.dev()) && inode.parse() == Ok(m.ino()))
}

fn level_of(text: &str) -> LevelFilter {
    match text.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::Trace,
        "debug" => LevelFilter::Debug,
        "warn" | "warning" => LevelFilter::Warn,
        "error" => LevelFilter::Error,
        _ => LevelFilter::Info,
    }
}
