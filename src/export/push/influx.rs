//! Influx line protocol, gzipped: the metric's name is the measurement, its labels are tags, its figure the field
//! `value`.

use super::{Batch, lines};
use flate2::{Compression, write::GzEncoder};
use std::fmt::Write as _;
use std::io::Write as _;

/// Bytes of one request before compression; InfluxDB advises 5,000 to 10,000 lines.
const BYTES: usize = 1 << 20;

/// The bodies of the requests that carry a batch, in order. `url` says by its `precision` in which unit times are read.
pub fn bodies(batch: &Batch, labels: &[(String, String)], url: &str) -> Vec<Vec<u8>> {
    let at = time(batch.at_ms, url);
    let (mut out, mut text) = (Vec::new(), String::new());
    lines::each(batch, labels, &mut |sample, labels| {
        escaped(&mut text, sample.name, false);
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            text.push(',');
            escaped(&mut text, name, true);
            text.push('=');
            escaped(&mut text, value, true);
        }
        // Writing to memory does not fail.
        let _ = writeln!(text, " value={} {at}", sample.value);
        if text.len() >= BYTES {
            out.extend(compressed(&std::mem::take(&mut text)));
        }
    });
    if !text.is_empty() {
        out.extend(compressed(&text));
    }
    out
}

fn time(at_ms: i64, url: &str) -> i64 {
    match url.split(['?', '&']).find_map(|p| p.strip_prefix("precision=")).unwrap_or("ns") {
        "s" => at_ms / 1000,
        "ms" => at_ms,
        "us" | "u" => at_ms.saturating_mul(1000),
        _ => at_ms.saturating_mul(1_000_000),
    }
}

/// The protocol cannot say a line's end, and a backslash before what it escapes is ambiguous: they become a space and
/// a slash.
fn escaped(out: &mut String, text: &str, equals: bool) {
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push_str("\\ "),
            '\\' => out.push('/'),
            ',' | ' ' => out.extend(['\\', c]),
            '=' if equals => out.push_str("\\="),
            c => out.push(c),
        }
    }
}

/// Writing to memory does not fail; nothing would be sent then.
fn compressed(text: &str) -> Option<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).ok()?;
    gzip.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Paper};
    use super::*;
    use std::io::Read;

    #[test]
    fn a_line_escapes_what_separates_and_its_time_has_the_unit_of_the_url() {
        let text = b"pve_guest_info{id=\"qemu/1\",name=\"a b,c=d\\\\\",tags=\"\"} 0.5\n".as_slice().into();
        let batch = Batch { at_ms: 1_700_000_000_123, pages: vec![Paper { instance: "home".to_owned(), text }] };
        let line = |url: &str| {
            let mut out = String::new();
            flate2::read::GzDecoder::new(&bodies(&batch, &[], url)[0][..]).read_to_string(&mut out).unwrap();
            out
        };
        let series = "pve_guest_info,id=qemu/1,instance=home,job=pulse,name=a\\ b\\,c\\=d/ value=0.5";
        assert_eq!(line("http://a/write?db=x"), format!("{series} 1700000000123000000\n"));
        assert_eq!(line("http://a/api/v2/write?org=o&precision=s&bucket=b"), format!("{series} 1700000000\n"));
        assert_eq!(line("http://a/write?precision=ms"), format!("{series} 1700000000123\n"));
    }
}
