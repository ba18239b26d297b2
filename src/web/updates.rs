//! Whether there is a newer version (contract rest.md 5.18, 12). Nothing is installed through the API.

use super::routes::{Limit, Policy, Route};
use crate::config::fields::Fields;
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::model::Time;
use crate::owner::{Answer, Core};
use crate::update::{self, Deployment, Release, VERSION};
use std::cmp::Ordering;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/updates/check", Policy::Read, "Whether there is a newer version", check).gives(r#"{"type":"object","required":["available","currentVersion","latestVersion","deploymentType","isPrerelease"],"properties":{"available":{"type":"boolean"},"currentVersion":{"type":"string"},"latestVersion":{"type":"string"},"deploymentType":{"type":"string"},"isPrerelease":{"type":"boolean"}}}"#)
        .limited(Limit::UpdateCheck)
        .asks(&["channel"])
        .also(&[400]),
    Route::new(Method::Post, "/api/updates/apply", Policy::Manage, "Deprecated: says how to update", apply)
        .takes(r#"{"type":"object","properties":{"downloadUrl":{"type":"string"}}}"#),
    Route::new(Method::Get, "/api/updates/status", Policy::Read, "Deprecated: always idle", status).gives(r#"{"type":"object","required":["status","progress","message","updatedAt"],"properties":{"status":{"type":"string"},"progress":{"type":"integer"},"message":{"type":"string"},"updatedAt":{"type":"string"}}}"#),
];

fn is_docker(core: &Core) -> bool {
    core.config.settings.docker || update::deployment() == Deployment::Docker
}

fn deployment(core: &Core) -> Deployment {
    if is_docker(core) { Deployment::Docker } else { update::deployment() }
}

fn check(core: &mut Core, call: &Call) -> Answer {
    let deployment = deployment(core);
    let settings = core.config.settings.clone();
    let configured = Some(settings.update.channel.as_str()).filter(|c| !c.is_empty());
    let wanted = call.query.get("channel").filter(|c| !c.is_empty()).or(configured);
    let channel = match wanted.unwrap_or_else(|| update::channel(VERSION)) {
        known @ ("stable" | "rc") => known.to_owned(),
        _ => return Response::error(400, "Invalid channel (must be 'stable' or 'rc')").into(),
    };
    if deployment == Deployment::Docker && settings.update.server.is_none() {
        // The image is what is updated, and whoever pulls it sees its version.
        let same = Release { tag_name: VERSION.to_owned(), ..Release::default() };
        return answer(&same, deployment);
    }
    if let Some(release) = core.updates.get(&channel, core.now) {
        return answer(release, deployment);
    }
    let (server, asked) = (settings.update.server.clone(), channel.clone());
    let ask = move || update::newest(server.as_deref(), &asked);
    Answer::job_then("check for updates", ask, move |core, outcome| match outcome {
        Ok(release) => {
            core.updates.put(channel, release.clone(), core.now);
            answer(&release, deployment)
        }
        Err(why) => failed(&why),
    })
}

fn failed(why: &str) -> Answer {
    log::info!("failed to check for updates: {why}");
    Response::json_status(500, &json!({ "error": "Failed to check for updates", "detail": why })).into()
}

fn answer(release: &Release, deployment: Deployment) -> Answer {
    let Some(order) = update::compare(&release.tag_name, VERSION) else {
        return failed("the newest release has no version number");
    };
    let date = release.published_at.as_deref().and_then(|d| d.parse::<jiff::Timestamp>().ok());
    let unset = || Time::UNSET.rfc3339();
    Response::json(&json!({
        "available": order == Ordering::Greater,
        "currentVersion": VERSION,
        "latestVersion": release.tag_name,
        "releaseNotes": release.body.as_deref().unwrap_or_default(),
        "releaseDate": date.map_or_else(unset, |d| d.to_string()),
        "downloadUrl": release.download(std::env::consts::ARCH),
        "isPrerelease": release.prerelease,
        "deploymentType": deployment.as_str(),
        "updateInstructions": deployment.how_to_update(),
    }))
    .into()
}

/// 4.9 replaced its own binary here, for anybody who asked an open instance to.
fn apply(core: &mut Core, call: &Call) -> Answer {
    let Ok(mut fields) = Fields::of_body(&call.body) else {
        return Response::error(400, "Invalid request body").into();
    };
    match fields.text("downloadUrl") {
        Err(_) => Response::error(400, "Invalid request body").into(),
        Ok(None) => Response::error(400, "Download URL is required").into(),
        Ok(Some(url)) if url.is_empty() => Response::error(400, "Download URL is required").into(),
        Ok(Some(_)) => {
            let how = deployment(core);
            let message =
                format!("Nothing was installed: updates are not applied through the API. {}", how.how_to_update());
            let body = json!({ "status": "deprecated", "message": message, "deploymentType": how.as_str() });
            Response::json(&body).with("Deprecation", "true").into()
        }
    }
}

fn status(core: &mut Core, _: &Call) -> Answer {
    let message = if is_docker(core) { "Updates not available in Docker" } else { "" };
    Response::json(&json!({
        "status": "idle",
        "progress": 0,
        "message": message,
        "updatedAt": core.now.wall.rfc3339(),
    }))
    .into()
}
