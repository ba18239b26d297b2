//! Export and import of the configuration over HTTP (contract rest.md 5.19). Deriving a key takes tens of milliseconds and
//! files are read, so both run as jobs; an import then comes into force as one change.

use super::routes::{Limit, Policy, Route};
use crate::config::transfer::{self, LEAST_PASSPHRASE_BYTES, Parts};
use crate::config::{DataDir, Secret, fields::Fields};
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::owner::{Answer, Core, check_documents};

pub const ROUTES: &[Route] = &[
    Route::new(Method::Post, "/api/config/export", Policy::Export, "The configuration, sealed by a passphrase", export).gives(r#"{"type":"object","required":["status","data"],"properties":{"status":{"type":"string"},"data":{"type":"string"}}}"#)
        .takes(r#"{"type":"object","required":["passphrase"],"properties":{"passphrase":{"type":"string"}}}"#)
        .limited(Limit::Export),
    Route::new(Method::Post, "/api/config/import", Policy::Export, "Replace the configuration by an export", import).gives(r#"{"type":"object","required":["status","message"],"properties":{"status":{"type":"string"},"message":{"type":"string"}}}"#)
        .takes(r#"{"type":"object","required":["passphrase","data"],"properties":{"passphrase":{"type":"string"},"data":{"type":"string"}}}"#)
        .limited(Limit::Export),
];

fn export(core: &mut Core, call: &Call) -> Answer {
    let passphrase = Fields::of_body(&call.body).and_then(|mut f| f.text("passphrase"));
    let passphrase = match passphrase.map(|p| Secret::new(p.unwrap_or_default())) {
        Err(_) => return Response::error(400, "Invalid request body").into(),
        Ok(p) if p.is_empty() => return Response::error(400, "Passphrase is required").into(),
        Ok(p) if p.expose().len() < LEAST_PASSPHRASE_BYTES => {
            return Response::error(400, "Passphrase must be at least 12 characters long").into();
        }
        Ok(p) => p,
    };
    let (path, now) = (core.config.settings.data_dir.clone(), core.now.wall);
    Answer::job("export the configuration", move || {
        let sealed = DataDir::open_beside(&path).and_then(|dir| transfer::export_dir(&dir, passphrase.expose(), now));
        match sealed {
            Ok(data) => Response::json(&json!({ "status": "success", "data": data })),
            Err(detail) => {
                log::error!("failed to export the configuration: {detail}");
                Response::json_status(500, &json!({ "error": "Failed to export configuration", "detail": detail }))
            }
        }
    })
}

fn import(_: &mut Core, call: &Call) -> Answer {
    let read = || -> Result<_, String> {
        let mut f = Fields::of_body(&call.body)?;
        let passphrase = Secret::new(f.text("passphrase")?.unwrap_or_default());
        Ok((passphrase, f.text("data")?.unwrap_or_default()))
    };
    let (passphrase, data) = match read() {
        Err(_) => return Response::error(400, "Invalid request body").into(),
        Ok((passphrase, _)) if passphrase.is_empty() => return Response::error(400, "Passphrase is required").into(),
        Ok((_, data)) if data.is_empty() => return Response::error(400, "Import data is required").into(),
        Ok(read) => read,
    };
    let work = move || {
        let parts = Parts::of_document(transfer::unseal(&data, passphrase.expose())?)?;
        check_documents(&parts).map(|()| parts)
    };
    Answer::job_then("open an import", work, |core, opened| match opened {
        Ok(parts) => core.import(parts, Box::new(|_, outcome| imported(outcome))),
        Err(why) => refused(&why),
    })
}

fn refused(why: &str) -> Answer {
    Response::error(400, &format!("Failed to import configuration: {why}")).into()
}

fn imported(outcome: Result<(), String>) -> Answer {
    match outcome {
        Ok(()) => {
            Response::json(&json!({ "status": "success", "message": "Configuration imported successfully" })).into()
        }
        Err(why) => Response::json_status(
            500,
            &json!({ "error": "Failed to import configuration: nothing was changed", "detail": why }),
        )
        .into(),
    }
}
