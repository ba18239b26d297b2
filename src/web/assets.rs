//! The page's files, compressed at build time and served from the binary.

use super::door;
use crate::http::{Body, Call, Method, Response};
use flate2::read::GzDecoder;
use std::io::Read;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Pages of the application: paths a reader can type, all served by `index.html`.
const NOT_PAGES: &[&str] = &["/api", "/a/", "/js/", "/ws", "/socket.io/", "/metrics", "/assets/"];

/// Answers a request for a file or a page; `None`: it is neither.
pub fn serve(call: &Call) -> Option<Response> {
    if !matches!(call.method, Method::Get | Method::Head) {
        return None;
    }
    let path = call.path.as_str();
    if let Some(rest) = path.strip_prefix("/a/") {
        let (version, name) = rest.split_once('/')?;
        let forever = version == HASH;
        return file(call, name).map(|r| {
            r.with("Cache-Control", if forever { "public, max-age=31536000, immutable" } else { "no-cache" })
        });
    }
    if let Some(found) =
        path.strip_prefix('/').filter(|n| !n.is_empty() && *n != "index.html").and_then(|n| file(call, n))
    {
        return Some(found.with("Cache-Control", "no-cache"));
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains('.') && last != "index.html" || NOT_PAGES.iter().any(|p| path.starts_with(p)) && path != "/api" {
        return None;
    }
    file(call, "index.html").map(|r| {
        r.with("Cache-Control", "no-cache, no-store, must-revalidate").with("Pragma", "no-cache").with("Expires", "0")
    })
}

/// One file by name, compressed when the client takes it.
fn file(call: &Call, name: &str) -> Option<Response> {
    let (name, packed, length) = FILES.iter().find(|(n, _, _)| *n == name)?;
    let takes_gzip = call.header("accept-encoding").is_some_and(door::takes_gzip);
    let kind = content_type(name);
    if takes_gzip {
        let response = Response::new(200, kind, Body::Static(packed));
        return Some(response.with("Content-Encoding", "gzip").with("Vary", "Accept-Encoding"));
    }
    let mut plain = Vec::with_capacity(*length);
    GzDecoder::new(*packed).read_to_end(&mut plain).ok()?;
    Some(Response::new(200, kind, Body::Bytes(plain)).with("Vary", "Accept-Encoding"))
}

/// A file of the page as text, for pages that are put together elsewhere.
pub fn text(name: &str) -> Option<String> {
    let (_, packed, _) = FILES.iter().find(|(n, _, _)| *n == name)?;
    let mut text = String::new();
    GzDecoder::new(*packed).read_to_string(&mut text).ok()?;
    Some(text)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "application/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
