//! Settings, export and import, and what is attached to guests, over HTTP.

use crate::support::desk::Desk;
use crate::support::folder::{Folder, data};
use crate::support::shape::assert_like;
use pulse::http::Method::{Delete, Get, Post, Put};
use pulse::model::Guest;
use serde_json::{Value, json};

const UPDATE: &str = "/api/system/settings/update";
const PASSPHRASE: &str = "correct horse battery staple";

fn desk_with(vars: &[(&str, &str)]) -> (Folder, Desk) {
    let folder = Folder::new("settings");
    let desk = Desk::open(&folder, vars);
    (folder, desk)
}

#[test]
fn the_answers_have_every_key_and_type_of_4_9() {
    let (_folder, mut desk) = desk_with(&[("DISCOVERY_ENABLED", "false")]);
    let routes = [
        ("/api/config", "api__config"),
        ("/api/config/nodes", "api__config__nodes"),
        ("/api/config/system", "api__config__system"),
        ("/api/system/settings", "api__system__settings"),
        ("/api/settings", "api__settings"),
        ("/api/guests/metadata", "api__guests__metadata"),
        ("/api/guests/metadata/pve1-100", "api__guests__metadata__pve1-100"),
        ("/api/guests/metadata/pve1/100", "api__guests__metadata__pve1__100"),
    ];
    for (url, reference) in routes {
        let answer = desk.get(url);
        assert_like(reference, &answer);
    }
    let system = desk.get("/api/config/system");
    let values: Value =
        serde_json::from_slice(&std::fs::read(data("reference/api__config__system.json")).unwrap()).unwrap();
    for (key, value) in values.as_object().unwrap().iter().filter(|(key, _)| *key != "frontendPort") {
        assert_eq!(&system[key], value, "{key}");
    }
    assert_eq!(desk.get("/api/guests/metadata/pve1/100")["id"], "pve1/100");
}

#[test]
fn a_partial_update_keeps_the_rest_counts_at_once_and_survives() {
    let (folder, mut desk) = desk_with(&[]);
    let body = json!({
        "pollingInterval": 20, "connectionTimeout": 15, "allowedOrigins": "https://a.lan", "theme": "dark",
        "discoveryEnabled": false, "discoverySubnet": "10.0.0.0/24", "allowEmbedding": true,
        "allowedEmbedOrigins": "https://frame.lan", "updateChannel": "rc", "autoUpdateEnabled": true,
        "autoUpdateCheckInterval": 6, "autoUpdateTime": "02:30",
    });
    assert_eq!(desk.call(Post, UPDATE, &body), (200, json!({ "success": true })));
    assert_eq!(desk.call(Post, UPDATE, &json!({ "THEME": "light" })), (200, json!({ "success": true })));
    let s = desk.core.config.settings.clone();
    assert_eq!((s.pve_polling.as_secs(), s.connection_timeout.as_secs(), s.theme.as_str()), (20, 15, "light"));
    assert!(s.allow_embedding && !s.discovery_enabled && s.update.auto);
    let mut desk = Desk::open(&folder, &[]);
    assert_eq!(*desk.core.config.settings, *s, "after a restart");
    let system = desk.get("/api/config/system");
    for key in ["discoveryEnabled", "discoverySubnet", "allowEmbedding", "allowedEmbedOrigins", "updateChannel"] {
        assert_eq!(system[key], body[key], "{key}: 4.9 never showed the real value");
    }
    // The installer of 4.9 greps for these.
    let text = String::from_utf8(folder.read("system.json")).unwrap();
    assert!(text.contains("\"autoUpdateEnabled\": true") && text.contains("\"updateChannel\": \"rc\""));
}

#[test]
fn a_refused_update_changes_nothing() {
    let (_folder, mut desk) = desk_with(&[]);
    let before = desk.core.config.settings.clone();
    let cases = [
        (json!("x"), "Invalid request body"),
        (json!({ "pollingInterval": "soon" }), "Invalid request body"),
        (json!({ "pbsPollingInterval": 30, "pvePollingInterval": -1 }), "Polling intervals must be positive"),
        (json!({ "connectionTimeout": 30, "theme": "pink" }), "Invalid theme value. Must be 'light', 'dark', or empty"),
        (json!({ "updateChannel": "nightly" }), "Invalid update channel. Must be 'stable' or 'rc'"),
        (json!({ "autoUpdateTime": "25:00" }), "Invalid update time. Must be HH:MM"),
        (json!({ "pollingInterval": 999_999 }), "pollingInterval must be at most 3600"),
        (
            json!({ "allowedEmbedOrigins": "https://a; script-src *" }),
            "Invalid origin. Must be like https://example.com",
        ),
    ];
    for (body, words) in cases {
        assert_eq!(desk.call(Post, UPDATE, &body), (400, json!({ "error": words })), "{body}");
        assert_eq!(desk.core.config.settings, before, "{body}");
    }
    assert_eq!(desk.call(Post, UPDATE, &json!({ "discoverySubnet": "everything" })).0, 400);
}

#[test]
fn the_environment_keeps_its_keys() {
    let (folder, mut desk) = desk_with(&[("ALLOWED_ORIGINS", "https://env.lan"), ("CONNECTION_TIMEOUT", "7")]);
    let body = json!({ "allowedOrigins": "https://page.lan", "connectionTimeout": 99, "theme": "dark" });
    let (status, answer) = desk.call(Post, UPDATE, &body);
    assert_eq!((status, answer), (200, json!({ "success": true, "ignored": ["allowedOrigins", "connectionTimeout"] })));
    let system = desk.get("/api/config/system");
    assert_eq!((&system["allowedOrigins"], &system["connectionTimeout"]), (&json!("https://env.lan"), &json!(7)));
    assert_eq!(system["envOverrides"], json!({ "allowedOrigins": true, "connectionTimeout": true }));
    assert_eq!(desk.get("/api/system/settings")["envOverrides"], system["envOverrides"]);
    let desk = Desk::open(&folder, &[]);
    assert!(desk.core.config.settings.allowed_origins.is_empty(), "nothing was stored for later");
}

// 4.9's page saved `*` by itself whenever no origin was stored.
#[test]
fn every_origin_is_allowed_only_on_purpose() {
    let (_folder, mut desk) = desk_with(&[]);
    let (_, answer) = desk.call(Post, UPDATE, &json!({ "allowedOrigins": "*", "theme": "dark" }));
    assert_eq!(answer, json!({ "success": true, "ignored": ["allowedOrigins"] }));
    assert!(desk.core.config.settings.allowed_origins.is_empty());
    desk.call(Post, UPDATE, &json!({ "allowedOrigins": "*", "allowAnyOrigin": true }));
    assert_eq!(desk.core.config.settings.allowed_origins, ["*"]);
    desk.call(Post, UPDATE, &json!({ "allowedOrigins": "" }));
    assert!(desk.core.config.settings.allowed_origins.is_empty());
}

// 4.9 overwrote the whole file with the request.
#[test]
fn the_older_route_for_the_same_merges_too() {
    let (_folder, mut desk) = desk_with(&[]);
    desk.call(Post, UPDATE, &json!({ "theme": "dark", "allowEmbedding": true }));
    let (status, answer) = desk.call(Put, "/api/config/system", &json!({ "pollingInterval": 7 }));
    let expected =
        json!({ "message": "Polling interval updated to 7 seconds", "pollingInterval": 7, "status": "success" });
    assert_eq!((status, answer), (200, expected));
    let s = &desk.core.config.settings;
    assert!(s.theme == "dark" && s.allow_embedding);
}

#[test]
fn preferences_of_the_page_are_kept_and_the_server_settings_are_checked() {
    let (folder, mut desk) = desk_with(&[]);
    let (status, answer) =
        desk.call(Post, "/api/settings/update", &json!({ "theme": "light", "layout": "flat", "refreshInterval": 5 }));
    assert_eq!((status, &answer["success"]), (200, &json!(true)));
    let mut desk2 = Desk::open(&folder, &[]);
    let settings = desk2.get("/api/settings");
    assert_eq!(
        (&settings["theme"], &settings["layout"], &settings["ui"]["refreshInterval"]),
        (&json!("light"), &json!("flat"), &json!(5))
    );
    let server = |port: i64, other: i64| json!({ "settings": { "server": { "backend": { "port": port }, "frontend": { "port": other } } } });
    let cases = [
        (server(0, 7655), "invalid backend port: port must be between 1 and 65535"),
        (server(3000, 70000), "invalid frontend port: port must be between 1 and 65535"),
        (server(7655, 7655), "backend and frontend ports must be different"),
        (
            json!({ "settings": { "monitoring": { "pollingInterval": 999 } } }),
            "polling interval must be at least 1000ms (1 second)",
        ),
        (
            json!({ "settings": { "monitoring": { "backupPollingCycles": 0 } } }),
            "backup polling cycles must be at least 1",
        ),
        (json!({ "settings": { "logging": { "level": "loud" } } }), "invalid log level: loud"),
        (json!({ "big": "x".repeat(20_000) }), "preferences must not be longer than 16384 bytes"),
    ];
    for (body, words) in cases {
        assert_eq!(desk.call(Post, "/api/settings/update", &body), (400, json!({ "error": words })));
    }
    let mut valid = server(3000, 7655);
    valid["validateOnly"] = json!(true);
    let answer = desk.call(Post, "/api/settings/update", &valid);
    assert_eq!(answer, (200, json!({ "message": "Configuration is valid", "valid": true })));
}

fn import(desk: &mut Desk, data: &str, passphrase: &str) -> (u16, Value) {
    desk.call(Post, "/api/config/import", &json!({ "passphrase": passphrase, "data": data }))
}

#[test]
fn an_export_restores_everything_elsewhere_at_once() {
    let from = Folder::with_data("v49");
    let credentials = [("PULSE_AUTH_USER", ""), ("DISABLE_AUTH", "true")];
    std::fs::remove_file(from.path().join(".env")).unwrap();
    let mut source = Desk::open(&from, &credentials);
    for (body, words) in [
        (json!([]), "Invalid request body"),
        (json!({}), "Passphrase is required"),
        (json!({ "passphrase": "short" }), "Passphrase must be at least 12 characters long"),
    ] {
        assert_eq!(source.call(Post, "/api/config/export", &body), (400, json!({ "error": words })));
    }
    let (status, exported) = source.call(Post, "/api/config/export", &json!({ "passphrase": PASSPHRASE }));
    assert_eq!((status, exported["status"].as_str()), (200, Some("success")));
    let data = exported["data"].as_str().unwrap();

    let (to, mut target) = desk_with(&[]);
    target.call(Put, "/api/guests/metadata/kept", &json!({ "description": "was here before" }));
    let wrong = import(&mut target, data, "not the passphrase");
    let words = "Failed to import configuration: failed to decrypt import data: cipher: message authentication failed";
    assert_eq!(wrong, (400, json!({ "error": words })));
    assert_eq!(import(&mut target, "", PASSPHRASE), (400, json!({ "error": "Import data is required" })));
    assert_eq!(import(&mut target, data, ""), (400, json!({ "error": "Passphrase is required" })));
    let done = import(&mut target, data, PASSPHRASE);
    assert_eq!(done, (200, json!({ "message": "Configuration imported successfully", "status": "success" })));
    assert_eq!(target.core.config.settings.theme, "dark");
    assert_eq!(target.core.connections.iter().count(), 3, "the connections are polled at once");
    let guests = target.get("/api/guests/metadata");
    assert_eq!(guests.as_object().unwrap().keys().collect::<Vec<_>>(), ["homelab-alpha-100", "kept"]);
    let strip = |mut list: Value| {
        for node in list.as_array_mut().unwrap() {
            for live in ["status", "error"] {
                node.as_object_mut().unwrap().remove(live);
            }
        }
        list
    };
    assert_eq!(strip(target.get("/api/config/nodes")), strip(source.get("/api/config/nodes")));
    let rules = target.get("/api/alerts/config");
    assert_eq!(rules["overrides"]["homelab-alpha-100"]["disabled"], true, "the rules are in force");
    let mail = target.get("/api/notifications/email");
    assert_eq!((&mail["server"], &mail["to"][0]), (&json!("mail.lan"), &json!("admin@lan")), "and so is mail");
    let again = Desk::open(&to, &[]);
    assert_eq!(again.core.config.nodes.get().pve.len(), 2, "after a restart");
}

#[test]
fn an_export_says_when_something_cannot_be_read_instead_of_leaving_it_out() {
    let folder = Folder::with_data("v49");
    folder.write("email.enc", b"garbage that no key opens at all");
    std::fs::remove_file(folder.path().join(".env")).unwrap();
    let mut desk = Desk::open(&folder, &[]);
    let (status, body) = desk.call(Post, "/api/config/export", &json!({ "passphrase": PASSPHRASE }));
    assert_eq!((status, body["error"].as_str()), (500, Some("Failed to export configuration")));
    assert!(body["detail"].as_str().unwrap().contains("email.enc"));
}

fn guest(node: &str, vmid: i64) -> Guest {
    Guest { id: format!("lab-{node}-{vmid}"), instance: "lab".into(), node: node.into(), vmid, ..Guest::default() }
}

#[test]
fn what_is_attached_to_a_guest_is_found_by_all_its_ids_and_moves_with_it() {
    let (folder, mut desk) = desk_with(&[]);
    desk.core.state.vms = vec![guest("alpha", 100).into()];
    let body = json!({ "consoleUrl": "https://console.lan", "notes": "production", "id": "ignored", "tags": ["a"] });
    let (status, answer) = desk.call(Put, "/api/guests/metadata/alpha/100", &body);
    let expected = json!({
        "id": "alpha/100", "customUrl": "https://console.lan", "consoleUrl": "https://console.lan", "description": "",
        "tags": ["a"], "notes": "production",
    });
    assert_eq!((status, answer), (200, expected));
    for id in ["alpha/100", "alpha%2F100", "lab-alpha-100", "alpha-100"] {
        assert_eq!(desk.get(&format!("/api/guests/metadata/{id}"))["notes"], "production", "{id}");
    }
    let all = desk.get("/api/guests/metadata/");
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["alpha/100", "lab-alpha-100"]);

    desk.call(Post, "/api/guests/metadata/lab-alpha-100", &json!({ "description": "d" }));
    desk.core.state.vms = vec![guest("beta", 100).into()];
    assert_eq!(desk.get("/api/guests/metadata/lab-beta-100")["description"], "d", "after a migration");
    assert_eq!(desk.get("/api/guests/metadata")["lab-beta-100"]["description"], "d");
    let file: Value = serde_json::from_slice(&folder.read("guest_metadata.json")).unwrap();
    let expected =
        json!({ "lab-alpha-100": { "id": "lab-alpha-100", "customUrl": "", "description": "d", "tags": null } });
    assert_eq!(file, expected, "one entry, as 4.9 writes it");

    let removed = desk.answer(Delete, "/api/guests/metadata/lab-beta-100", &[], Vec::new());
    assert_eq!((removed.status, removed.body.as_slice().len()), (204, 0));
    assert_eq!(desk.get("/api/guests/metadata"), json!({}));
    assert_eq!(desk.answer(Delete, "/api/guests/metadata/unknown", &[], Vec::new()).status, 204);
}

#[test]
fn a_bad_entry_for_a_guest_is_refused() {
    let (_folder, mut desk) = desk_with(&[]);
    let cases = [
        ("{", "Invalid request body"),
        (r#"{"tags":"a"}"#, "Invalid request body"),
        (r#"{"customUrl":"javascript:alert(1)"}"#, "Custom URL must start with http:// or https://"),
        (r#"{"consoleUrl":"ftp://x"}"#, "Custom URL must start with http:// or https://"),
    ];
    for (body, words) in cases {
        let (status, answer) = desk.send(Put, "/api/guests/metadata/a-1", &[], body.as_bytes().to_vec());
        assert_eq!((status, answer), (400, json!({ "error": words })), "{body}");
    }
    let (status, answer) = desk.call(Put, "/api/guests/metadata/", &json!({}));
    assert_eq!((status, answer), (400, json!({ "error": "Guest ID required" })));
    assert_eq!(desk.call(Delete, "/api/guests/metadata", &Value::Null).0, 405);
    assert_eq!(desk.call(Get, "/api/guests/metadata/a-1", &Value::Null).1["tags"], Value::Null);
}
