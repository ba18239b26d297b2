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
    if none_match.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*") {
        return Response { status: 304, headers: vec![("ETag", etag)], body: Body::Static(b""), cacheable: false };
    }
    response.headers.push(("ETag", etag));
    response.headers.push(("Cache-Control", "private, no-cache".to_owned()));
    response.headers.push(("Vary", "Accept-Encoding".to_owned()));
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

fn takes_gzip(encoding: &str) -> bool {
    encoding.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !words.any(|w| w == "q=0" || w == "q=0.0")
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::fast());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        // Writing to memory does not fail; were it to, the plain bytes are larger than nothing and are sent instead.
        Err(_) => bytes.to_vec(),
    }
}
