//! The API describes itself from the table that routes it.

use super::gate::{Gate, TOKEN};
use pulse::web::router;
use pulse::web::routes::Policy;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn document() -> Value {
    let reply = Gate::closed().get("/api/openapi.json", &[]);
    assert_eq!(reply.status, 200);
    reply.body
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase()))
        })
        .collect();
    let routed: BTreeSet<String> =
        router::routes().map(|r| format!("{} {}", r.method.as_str(), r.path.replace("...}", "}"))).collect();
    assert_eq!(described, routed);
}

#[test]
fn operations_say_who_may_and_what_comes_back() {
    let document = document();
    let mut ids = BTreeSet::new();
    for route in router::routes() {
        let path = route.path.replace("...}", "}");
        let operation = &document["paths"][&path][route.method.as_str().to_lowercase()];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}: the id is not unique");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let responses = operation["responses"].as_object().unwrap();
        let may_401 = !matches!(route.policy, Policy::Open | Policy::Local) || route.also.contains(&401);
        assert_eq!(responses.contains_key("401"), may_401, "{path}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let named = path.matches('{').count();
        assert_eq!(parameters.filter(|p| p["in"] == "path").count(), named, "{path}");
        for schema in [route.takes, route.gives].iter().filter(|s| !s.is_empty()) {
            assert!(serde_json::from_str::<Value>(schema).is_ok(), "{path}: the schema is no JSON");
        }
    }
    let login = &document["paths"]["/api/login"]["post"];
    assert_eq!(login["security"], json!([]));
    assert_eq!(
        login["requestBody"]["content"]["application/json"]["schema"]["required"],
        json!(["username", "password"])
    );
}

#[test]
fn changes_of_the_configuration_leave_a_trace() {
    let mut gate = Gate::closed();
    let token = [("X-API-Token", TOKEN)];
    gate.post("/api/config/export", &token, &json!({"passphrase": "long enough for this"}));
    gate.post("/api/config/import", &token, &json!({"passphrase": "long enough for this", "data": "AAAA"}));
    let events = gate.audit();
    let outcome = |action: &str| events.iter().find(|e| e["action"] == action).map(|e| e["outcome"].clone());
    assert_eq!((outcome("export"), outcome("import")), (Some(json!("success")), Some(json!("failure"))));
}
