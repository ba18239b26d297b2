//! `/api/discover`: the Proxmox hosts of the network, as last found (contract rest.md 5.17). The looking itself is the
//! owner's and happens beside requests.

use super::routes::{Policy, Route};
use crate::config::fields::Fields;
use crate::discover::wanted;
use crate::http::{Call, Method, Response};
use crate::json::{json, put};
use crate::owner::{Answer, Core};

const FOUND: &str = r#"{"type":"object","required":["servers","errors","cached","scanning","updated"],"properties":{"servers":{"type":"array","items":{"type":"object","required":["ip","port","type","version","host","name","configured"],"properties":{"ip":{"type":"string"},"port":{"type":"integer"},"type":{"enum":["pve","pbs"]},"version":{"type":"string"},"hostname":{"type":"string"},"release":{"type":"string"},"host":{"type":"string"},"name":{"type":"string"},"configured":{"type":"boolean"}}}},"errors":{"type":"array","items":{"type":"string"}},"cached":{"type":"boolean"},"scanning":{"type":"boolean"},"updated":{"type":"integer"},"age":{"type":"number"}}}"#;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/discover", Policy::Read, "Proxmox hosts found in the network", found).gives(FOUND),
    Route::new(Method::Post, "/api/discover", Policy::Manage, "Look for Proxmox hosts now", look)
        .takes(r#"{"type":"object","properties":{"subnet":{"type":"string","maxLength":512},"use_cache":{"type":"boolean"}}}"#)
        .gives(FOUND),
];

/// Longest text of ranges.
const MOST_TEXT: usize = 512;

fn found(core: &mut Core, _: &Call) -> Answer {
    shown(core, core.discovery.is_scanning())
}

fn shown(core: &Core, scanning: bool) -> Answer {
    let is_on = core.is_discovering();
    let discovery = &core.discovery;
    let mut out = json!({
        "servers": core.servers_found(),
        "errors": discovery.last.errors,
        "cached": is_on,
        "scanning": is_on && scanning,
        "updated": discovery.updated.map_or(0, |at| at.unix_secs()),
    });
    if let (true, Some(map)) = (is_on, out.as_object_mut()) {
        let age_ms = discovery.updated.map_or(0, |at| core.now.mono_ms.saturating_sub(at.mono_ms));
        put(map, "age", json!(age_ms as f64 / 1000.0));
    }
    Response::json(&out).into()
}

/// Off is off: 4.9 scanned for whoever asked although its switch said no.
fn look(core: &mut Core, call: &Call) -> Answer {
    let Ok(mut fields) = Fields::of_body(&call.body) else { return invalid() };
    let (Ok(subnet), Ok(use_cache)) = (fields.text("subnet"), fields.flag("use_cache")) else { return invalid() };
    let subnet = subnet.map(|s| s.trim().to_owned()).filter(|s| !s.is_empty());
    let configured = core.config.settings.discovery_subnet.clone();
    if let Some(subnet) = &subnet {
        let read = if subnet.len() > MOST_TEXT { Err("it is too long".to_owned()) } else { wanted(subnet).map(drop) };
        if let Err(why) = read {
            return Response::error(400, &format!("Discovery failed: invalid subnet: {why}")).into();
        }
    }
    if !core.is_discovering() {
        let errors = ["network discovery is switched off"];
        let none: [u8; 0] = [];
        let out = json!({ "servers": none, "errors": errors, "cached": false, "scanning": false, "updated": 0 });
        return Response::json(&out).into();
    }
    if use_cache == Some(true) {
        return shown(core, core.discovery.is_scanning());
    }
    let now = core.now;
    core.discovery.ask(subnet.unwrap_or_else(|| configured.clone()), &configured, now);
    shown(core, true)
}

fn invalid() -> Answer {
    Response::error(400, "Invalid request body").into()
}
