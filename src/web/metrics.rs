//! The metrics routes and the summary: answers from memory, in the form the client asks for.

use super::routes::{Limit, Policy, Route};
use crate::export::{Format, Page, pbs, summary};
use crate::http::{Body, Call, Method, Response};
use crate::owner::{Answer, Core};
use crate::poll::Kind;

pub const ROUTES: &[Route] = &[
    scraped("/metrics", "Metrics of Pulse itself", itself),
    scraped("/metrics/pve", "Metrics of one PVE connection (target=)", of_pve),
    scraped("/metrics/pbs", "Metrics of one PBS connection (target=)", of_pbs),
    scraped("/pve", "The path of prometheus-pve-exporter (target=)", of_pve)
        .asks(&["target", "module", "cluster", "node"]),
    Route::new(Method::Get, "/api/summary", Policy::Read, "Counts and percentages in one flat object", flat)
        .gives(r#"{"type":"object"}"#),
];

const fn scraped(path: &'static str, what: &'static str, handler: super::routes::Handler) -> Route {
    Route::new(Method::Get, path, Policy::Scrape, what, handler)
        .limited(Limit::None)
        .asks(&["target"])
        .also(&[400, 404])
}

fn page(call: &Call) -> Page {
    Page::new(Format::of(call.header("accept")))
}

/// As it is: every scrape differs from the one before, and packing megabytes costs more than making them.
fn finish(page: Page) -> Answer {
    let kind = page.format().content_type();
    Response::new(200, kind, Body::Bytes(page.finish().into_bytes())).with("Vary", "Accept").into()
}

fn itself(core: &mut Core, call: &Call) -> Answer {
    let mut page = page(call);
    core.own_page(&mut page);
    finish(page)
}

/// `module`, `cluster` and `node` choose credentials and collectors in the exporter; here all is in memory anyway. Always
/// the older text format, as the exporter's is: in OpenMetrics a gauge and a counter cannot differ by `_total` alone.
fn of_pve(core: &mut Core, call: &Call) -> Answer {
    let first = core.connections.iter().find(|((kind, _), _)| *kind == Kind::Pve).map(|((_, name), _)| name);
    let target = call.query.get("target").or(first.map(String::as_str)).unwrap_or_default();
    match core.pve_page(target) {
        Some(page) => finish(page),
        None => unknown(),
    }
}

fn of_pbs(core: &mut Core, call: &Call) -> Answer {
    let first = core.state.pbs.first().map(|p| p.name.clone()).unwrap_or_default();
    let target = call.query.get("target").unwrap_or(&first);
    let mut page = page(call);
    if pbs::write(&mut page, &core.state, target, core.now.wall) { finish(page) } else { unknown() }
}

fn unknown() -> Answer {
    Response::error(404, "No connection of that name has answered yet").into()
}

fn flat(core: &mut Core, _: &Call) -> Answer {
    Response::json(&summary::of(&core.state)).cacheable().into()
}
