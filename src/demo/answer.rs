//! From a request to an answer: find the route, check the login, the privileges and the parameters, compute.

use super::access;
use super::ask::{Ask, Refusal};
use super::catalog::{self, Route};
use super::net::{Reply, Request};
use super::scene::Scene;
use super::{pbs, pve};
use crate::json::json;

fn routes(is_pbs: bool) -> &'static [Route] {
    if is_pbs { pbs::ROUTES } else { pve::ROUTES }
}

/// The pattern that a request falls under, and what is wrong with it by the API's own description: what a test
/// wants to hear about.
pub fn route_of(
    is_pbs: bool,
    method: &str,
    path: &str,
    given: &[(String, String)],
) -> (Option<String>, Option<String>) {
    if is_page(method, path) {
        return (None, None);
    }
    let Some((route, _)) = catalog::find(routes(is_pbs), method, path) else {
        return (None, Some(format!("{method} {path}: no such path in the simulated part of the API")));
    };
    let wrong = catalog::check(route, given).err().and_then(|refusal| refusal.parameter);
    (Some(route.path.to_owned()), wrong.map(|(name, text)| format!("{method} {path}: parameter {name}: {text}")))
}

/// The page of the host itself, which names node and product before anybody logs in.
fn is_page(method: &str, path: &str) -> bool {
    method == "GET" && path == "/"
}

fn page(node: &str, is_pbs: bool) -> Reply {
    let product = if is_pbs { "Proxmox Backup Server" } else { "Proxmox Virtual Environment" };
    let html = format!("<!DOCTYPE html>\n<html>\n<head>\n<title>{node} - {product}</title>\n</head>\n</html>\n");
    Reply { kind: "text/html; charset=utf-8", ..Reply::ok(html.into_bytes()) }
}

/// The honest answer.
pub fn answer(scene: &Scene, host: usize, endpoint: usize, path: &str, request: &Request) -> Reply {
    let is_pbs = scene.world.pbs(host).is_some();
    if is_page(&request.method, path) {
        let node = scene.world.hosts.get(host).map(|h| h.endpoint_name(endpoint)).unwrap_or_default();
        return page(&node, is_pbs);
    }
    match outcome(scene, host, endpoint, path, request) {
        Ok(body) => Reply::ok(body),
        Err(refusal) => refuse(&refusal, is_pbs),
    }
}

fn outcome(scene: &Scene, host: usize, endpoint: usize, path: &str, request: &Request) -> super::ask::Outcome {
    let is_pbs = scene.world.pbs(host).is_some();
    let t = scene.time(host);
    let access = scene.access.get(host).ok_or_else(|| Refusal::new(500, "no such host"))?;
    let privileges = access::privileges(scene, host).ok_or_else(|| Refusal::new(500, "no such host"))?;
    let found = catalog::find(routes(is_pbs), &request.method, path);
    if !found.as_ref().is_some_and(|(route, _)| route.needs.contains(&"@world")) {
        access.identify(&request.proof, t)?;
    }
    let Some((route, parts)) = found else {
        return Err(if is_pbs {
            Refusal::new(404, format!("Path '/api2/json{path}' not found."))
        } else {
            Refusal::new(501, format!("Method '{} {path}' not implemented", request.method))
        });
    };
    let ask = Ask { scene, host, endpoint, t, parts: &parts, given: &request.given, privileges };
    catalog::check(route, &request.given)?;
    access::permit(&ask, route)?;
    (route.answer)(&ask)
}

/// An error in the manner of the daemon: Proxmox VE repeats the text in the reason phrase, a PBS sends it as
/// plain text.
pub fn refuse(refusal: &Refusal, is_pbs: bool) -> Reply {
    let mut reply = Reply::ok(Vec::new());
    reply.status = refusal.status;
    if is_pbs {
        reply.reason = reason(refusal.status).to_owned();
        reply.kind = "text/plain";
        reply.body = match &refusal.parameter {
            Some((name, text)) => format!("parameter verification errors\n\nparameter '{name}': {text}\n"),
            None => refusal.message.clone(),
        }
        .into_bytes();
        return reply;
    }
    reply.reason = refusal.message.clone();
    let mut body = json!({ "data": null });
    if refusal.status != 401 {
        body["message"] = json!(format!("{}\n", refusal.message));
    }
    if let Some((name, text)) = &refusal.parameter {
        body["errors"] = json!({ name: text });
    }
    reply.body = body.to_string().into_bytes();
    reply
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        501 => "Not Implemented",
        _ => "Internal Server Error",
    }
}
