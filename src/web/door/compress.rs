//! What is done to an answer on its way out: gzip where the client takes it, a weak ETag where reading repeats.

use crate::http::{Body, Response, Shared};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Below this the head costs more than is saved.
const LEAST_BYTES: usize = 1024;

/// The answer as it goes out, given `Accept-Encoding` and `If-None-Match`.
pub fn ready(mut response: Response, encoding: &str, none_match: &str) -> Response {
    if !response.cacheable || response.status != 200 {
        return response;
    }
    let shared = match &response.body {
        Body::Shared(shared) => shared.clone(),
        other => std::sync::Arc::new(Shared::new(other.as_slice())),
    };
    let etag = shared.etag().to_owned();
    response.headers.push(("ETag", etag.clone()));
    if !response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cache-control")) {
        response.headers.push(("Cache-Control", "private, no-cache".to_owned()));
    }
    response.headers.push(("Vary", "Accept-Encoding".to_owned()));
    if matches_any(none_match, &etag) {
        response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        return Response { status: 304, body: Body::Static(b""), cacheable: false, ..response };
    }
    if takes_gzip(encoding) && shared.bytes().len() >= LEAST_BYTES {
        let packed = shared.gzip(gzip);
        if packed.len() < shared.bytes().len() {
            response.headers.push(("Content-Encoding", "gzip".to_owned()));
            response.body = Body::Bytes(packed.to_vec());
            return response;
        }
    }
    response.body = Body::Shared(shared);
    response
}

/// `If-None-Match` is compared weakly (RFC 9110 13.1.2): proxies may have taken the `W/` off.
fn matches_any(none_match: &str, etag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    none_match.split(',').any(|tag| tag.trim() == "*" || plain(tag) == plain(etag))
}

/// Whether `Accept-Encoding` allows gzip.
pub fn takes_gzip(encoding: &str) -> bool {
    encoding.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !words.any(is_zero)
    })
}

/// `q=0`, `q=0.000`: not at all.
fn is_zero(word: &str) -> bool {
    word.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::fast());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        // Writing to memory does not fail; were it to, the plain bytes are larger than nothing and are sent instead.
        Err(_) => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::{matches_any, takes_gzip};

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for yes in ["gzip", "deflate, gzip;q=0.5", "GZIP", "*", "br, *;q=0.1"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "deflate", "gzip;q=0", "gzip; q=0.000", "xgzip", "identity"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }

    #[test]
    fn validators_are_compared_weakly() {
        for yes in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(matches_any(yes, "W/\"a\""), "{yes}");
        }
        for no in ["", "\"b\"", "a"] {
            assert!(!matches_any(no, "W/\"a\""), "{no}");
        }
    }
}
