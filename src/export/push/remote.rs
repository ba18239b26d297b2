//! Prometheus remote-write 1.0: `WriteRequest` in protobuf, compressed as one snappy block. Only the four messages that
//! are needed, written by hand: `WriteRequest { repeated TimeSeries timeseries = 1 }`, `TimeSeries { repeated Label
//! labels = 1; repeated Sample samples = 2 }`, `Label { string name = 1; string value = 2 }`, `Sample { double value = 1;
//! int64 timestamp = 2 }`.

use super::{Batch, lines};

/// Samples of one request.
const SAMPLES: usize = 5_000;

/// The bodies of the requests that carry a batch, in order.
pub fn bodies(batch: &Batch, labels: &[(String, String)]) -> Vec<Vec<u8>> {
    let (mut out, mut request, mut count) = (Vec::new(), Vec::new(), 0);
    lines::each(batch, labels, &mut |sample, labels| {
        let mut series = Vec::new();
        label(&mut series, "__name__", sample.name);
        // An empty value is the same as no such label, and receivers refuse it.
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            label(&mut series, name, value);
        }
        let mut figure = vec![0x09];
        figure.extend_from_slice(&sample.value.to_le_bytes());
        figure.push(0x10);
        varint(&mut figure, batch.at_ms.cast_unsigned());
        field(&mut series, 0x12, &figure);
        field(&mut request, 0x0a, &series);
        count += 1;
        if count == SAMPLES {
            out.push(compressed(&std::mem::take(&mut request)));
            count = 0;
        }
    });
    if count > 0 {
        out.push(compressed(&request));
    }
    out
}

fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    let mut inner = Vec::with_capacity(name.len() + value.len() + 6);
    field(&mut inner, 0x0a, name.as_bytes());
    field(&mut inner, 0x12, value.as_bytes());
    field(out, 0x0a, &inner);
}

/// A field of a length of its own: key, length, bytes.
fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The only failure is a request beyond 4 GB, which cannot be; nothing would be sent then.
fn compressed(request: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(request).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Paper};
    use super::*;

    #[test]
    fn a_request_is_the_bytes_of_the_specification() {
        let page = Paper { instance: "i".to_owned(), text: b"up{a=\"\"} 1\n".as_slice().into() };
        let batch = Batch { at_ms: 300, pages: vec![page] };
        let bodies = bodies(&batch, &[("job".to_owned(), "j".to_owned())]);
        let raw = snap::raw::Decoder::new().decompress_vec(&bodies[0]).unwrap();
        let label = |name: &[u8], value: &[u8]| {
            let inner = [&[0x0a, name.len() as u8], name, &[0x12, value.len() as u8], value].concat();
            [&[0x0a, inner.len() as u8], inner.as_slice()].concat()
        };
        let sample = [&[0x12, 12, 0x09][..], &1f64.to_le_bytes(), &[0x10, 0xac, 0x02]].concat();
        let series = [label(b"__name__", b"up"), label(b"instance", b"i"), label(b"job", b"j"), sample].concat();
        assert_eq!(raw, [&[0x0a, series.len() as u8], series.as_slice()].concat());
    }
}
