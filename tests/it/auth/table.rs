//! Every route against every credential: the table is the router's own, so a new route is covered when it is written.

use super::gate::{Gate, Session, TOKEN, basic, cheap_hash, ip};
use pulse::auth::tokens::Scope;
use pulse::http::{Body, Call, Method, Response};
use pulse::owner::{Answer, Core};
use pulse::web::guard;
use pulse::web::router::{self, Way};
use pulse::web::routes::{Policy, Route};
use serde_json::json;

/// Stands where the handlers are: whoever gets here was let in.
fn let_in(_: &mut Core, _: Call, _: Way) -> Answer {
    Response::new(299, "text/plain", Body::Static(b"in")).into()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum With {
    Nothing,
    WrongToken,
    MainToken,
    Bearer,
    QueryToken,
    Named(Scope),
    Session,
    SessionWithoutCsrf,
    ExpiredSession,
    Basic,
    ProxyUser,
    ProxyAdmin,
}

const ALL: [With; 15] = [
    With::Nothing,
    With::WrongToken,
    With::MainToken,
    With::Bearer,
    With::QueryToken,
    With::Named(Scope::Read),
    With::Named(Scope::Manage),
    With::Named(Scope::Export),
    With::Named(Scope::Scrape),
    With::Session,
    With::SessionWithoutCsrf,
    With::ExpiredSession,
    With::Basic,
    With::ProxyUser,
    With::ProxyAdmin,
];

struct Scene {
    gate: Gate,
    session: Session,
    expired: Session,
    named: Vec<(Scope, String)>,
}

fn scene() -> Scene {
    let hash = cheap_hash(super::gate::PASSWORD);
    let mut gate = Gate::with(&[
        ("PULSE_AUTH_USER", super::gate::USER),
        ("PULSE_AUTH_PASS", &hash),
        ("API_TOKEN", TOKEN),
        ("PROXY_AUTH_SECRET", "of the proxy"),
        ("PROXY_AUTH_USER_HEADER", "X-User"),
        ("PROXY_AUTH_ROLE_HEADER", "X-Roles"),
    ]);
    let expired = gate.session();
    gate.later(std::time::Duration::from_secs(25 * 3600));
    let session = gate.session();
    let mut named = Vec::new();
    for (scope, name) in
        [(Scope::Read, "read"), (Scope::Manage, "manage"), (Scope::Export, "export"), (Scope::Scrape, "scrape")]
    {
        let made =
            gate.post("/api/security/tokens", &[("X-API-Token", TOKEN)], &json!({ "name": name, "scopes": [name] }));
        named.push((scope, made.body["token"].as_str().unwrap().to_owned()));
    }
    Scene { gate, session, expired, named }
}

impl Scene {
    fn status(&mut self, method: Method, path: &str, with: With) -> u16 {
        let (cookies, expired) = (self.session.cookies(), self.expired.cookies());
        let basic = basic(super::gate::USER, super::gate::PASSWORD);
        let bearer = format!("Bearer {TOKEN}");
        let named = |scope| self.named.iter().find(|(s, _)| *s == scope).unwrap().1.as_str();
        let headers: Vec<(&str, &str)> = match with {
            With::Nothing | With::QueryToken => vec![],
            With::WrongToken => vec![("X-API-Token", "guess")],
            With::MainToken => vec![("X-API-Token", TOKEN)],
            With::Bearer => vec![("Authorization", &bearer)],
            With::Named(scope) => vec![("X-API-Token", named(scope))],
            With::Session => vec![("Cookie", &cookies), ("X-CSRF-Token", &self.session.csrf)],
            With::SessionWithoutCsrf => vec![("Cookie", &cookies)],
            With::ExpiredSession => vec![("Cookie", &expired), ("X-CSRF-Token", &self.expired.csrf)],
            With::Basic => vec![("Authorization", &basic)],
            With::ProxyUser => vec![("X-Proxy-Secret", "of the proxy"), ("X-User", "bob"), ("X-Roles", "user")],
            With::ProxyAdmin => vec![("X-Proxy-Secret", "of the proxy"), ("X-User", "eve"), ("X-Roles", "user|admin")],
        };
        let target = if with == With::QueryToken { format!("{path}?token={TOKEN}") } else { path.to_owned() };
        let call = self.gate.call(method, &target, &headers, "{}");
        self.gate.desk.core.doors.limits = Default::default();
        let way = router::find(method, &call.raw_path);
        let answer = guard::enter(&mut self.gate.desk.core, call, way, let_in);
        self.gate.settle(answer).status
    }
}

/// What each policy says, written out once more and independently of the guard.
fn expected(route: &Route, with: With) -> u16 {
    let change = !matches!(route.method, Method::Get | Method::Head);
    let known = !matches!(with, With::Nothing | With::WrongToken | With::ExpiredSession);
    let reads = known && !matches!(with, With::Named(Scope::Export) | With::Named(Scope::Scrape));
    let all = matches!(
        with,
        With::MainToken
            | With::Bearer
            | With::QueryToken
            | With::Session
            | With::SessionWithoutCsrf
            | With::Basic
            | With::ProxyAdmin
    );
    let no = if known { 403 } else { 401 };
    let no_csrf = change && with == With::SessionWithoutCsrf;
    let when = |may: bool| {
        if !may {
            no
        } else if no_csrf {
            403
        } else {
            299
        }
    };
    match route.policy {
        Policy::Open => 299,
        // An account exists: the handler says "skipped" to strangers; whoever is known needs the CSRF token all the same.
        Policy::FirstRun => {
            if all && no_csrf {
                403
            } else {
                299
            }
        }
        // Nobody here asks from this machine.
        Policy::Local => 403,
        Policy::Read => when(reads),
        Policy::Scrape => when(reads || with == With::Named(Scope::Scrape)),
        Policy::Manage => when(all || with == With::Named(Scope::Manage)),
        Policy::Export => when(all || with == With::Named(Scope::Export)),
    }
}

fn exempt(route: &Route) -> bool {
    ["/api/login", "/api/setup-script-url"].contains(&route.path)
}

fn sample(route: &Route) -> String {
    let part = |p: &str| if p.starts_with('{') { "x1".to_owned() } else { p.to_owned() };
    route.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_lets_in_exactly_whom_its_policy_names() {
    let mut scene = scene();
    let mut wrong = Vec::new();
    let mut cells = 0;
    for route in router::routes() {
        for with in ALL {
            cells += 1;
            let path = sample(route);
            let status = scene.status(route.method, &path, with);
            let expected = match expected(route, with) {
                403 if exempt(route) && with == With::SessionWithoutCsrf => 299,
                other => other,
            };
            if status != expected {
                wrong.push(format!("{} {path} with {with:?}: {status}, not {expected}", route.method.as_str()));
            }
        }
    }
    println!("{cells} answers of {} routes", cells / ALL.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_route_is_open_but_those_that_have_to_be() {
    let open: Vec<String> = router::routes()
        .filter(|r| r.policy == Policy::Open)
        .map(|r| format!("{} {}", r.method.as_str(), r.path))
        .collect();
    let may = [
        "GET /api/health",
        "GET /api/version",
        "GET /api/security/status",
        "POST /api/login",
        "GET /api/setup-script",
        "POST /api/auto-register",
        "GET /simple-stats",
        "GET /api/openapi.json",
    ];
    let surplus: Vec<_> = open.iter().filter(|r| !may.contains(&r.as_str())).collect();
    assert!(surplus.is_empty(), "{surplus:?}");
}

#[test]
fn reading_and_changing_are_never_confused() {
    for route in router::routes() {
        let safe = matches!(route.method, Method::Get | Method::Head | Method::Options);
        let changes = !safe && route.policy == Policy::Read;
        let may = ["/api/logout", "/api/discover", "/api/alerts/preview"];
        assert!(
            !changes || may.contains(&route.path),
            "{} {} changes with a read token",
            route.method.as_str(),
            route.path
        );
    }
}

// 4.9's exemption for static files was a test of the path's end: `/api/backups/a.js` gave all backups to anybody, and
// `PUT /api/config/nodes/pve-0.js` changed a connection.
#[test]
fn no_end_of_a_path_opens_an_api_route() {
    let mut scene = scene();
    for route in router::routes().filter(|r| r.policy != Policy::Open && r.policy != Policy::FirstRun) {
        for end in [
            ".js",
            ".css",
            ".map",
            ".png",
            "/x.js",
            "/../../assets/x.js",
            "/%2e%2e/x.js",
            "//x.js",
            ";.js",
            "%00.js",
            "?x=.js",
        ] {
            let path = format!("{}{end}", sample(route));
            let status = scene.status(route.method, &path, With::Nothing);
            assert!([401, 403].contains(&status), "{} {path}: {status}", route.method.as_str());
        }
    }
    for path in [
        "/ws",
        "/ws/a.js",
        "/socket.io/x.js",
        "/socket.io/x.js?transport=websocket",
        "/api/x.js",
        "/api/",
        "/API/state.js/../../api/state",
    ] {
        let status = scene.status(Method::Get, path, With::Nothing);
        assert!([401, 403].contains(&status), "{path}: {status}");
    }
}

#[test]
fn encodings_of_a_path_are_decoded_once_and_guarded_as_they_are_routed() {
    let mut scene = scene();
    for path in [
        "/api%2Fstate",
        "/%61pi/state",
        "/api/%73tate",
        "/api/config/nodes/pve-0%2Fx",
        "/api/./state",
        "//api/state",
        "/api//state",
        "/x/../api/state",
        "/%2e/api/state",
    ] {
        let status = scene.status(Method::Get, path, With::Nothing);
        assert_eq!(status, 401, "{path}");
    }
    assert!(matches!(router::find(Method::Get, "/%61pi/state"), Way::Route(r, _) if r.path == "/api/state"));
    assert!(matches!(router::find(Method::Get, "/api%252Fstate"), Way::Page), "decoded once");
    let Way::Route(_, params) = router::find(Method::Get, "/api/guests/metadata/a%2Fb%20c") else { panic!() };
    assert_eq!(params, ["a/b c"]);
}

#[test]
fn odd_paths_move_to_their_clean_form_and_nowhere_else() {
    for (path, to) in [
        ("/api//state", "/api/state"),
        ("/api/./state", "/api/state"),
        ("/x/../api/state", "/api/state"),
        ("/api/backups/..", "/api/"),
        ("//evil.example/..", "/"),
        ("//evil.example", "/evil.example"),
        ("/.//%5Cevil.example", "/%5Cevil.example"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/api/storage", "/api/storage/"),
        ("/api/%0d%0ax//y", "/api/%0D%0Ax/y"),
    ] {
        let Way::Moved(clean) = router::find(Method::Get, path) else { panic!("{path}") };
        assert_eq!(clean, to, "{path}");
    }
    let mut scene = scene();
    let moved = scene.gate.get("/api//storage/?node=a%20b&x=%0d%0aSet-Cookie:y", &[("X-API-Token", TOKEN)]);
    assert_eq!((moved.status, moved.header("Location")), (301, Some("/api/storage/?node=a%20b&x=%0D%0ASet-Cookie:y")));
}

#[test]
fn wrong_methods_and_unknown_paths_answer_as_4_9_does() {
    let mut gate = Gate::open();
    let put = gate.ask(Method::Put, "/api/state", &[], "");
    assert_eq!((put.status, put.body["error"].as_str()), (405, Some("Only GET method is allowed")));
    assert_eq!(put.body["code"], "method_not_allowed");
    assert!(put.header("Allow").unwrap().contains("GET"));
    for path in ["/api/nothing", "/api/health/", "/ws/", "/wsX", "/api/state/x"] {
        let reply = gate.get(path, &[]);
        assert_eq!((reply.status, reply.body["error"].as_str()), (404, Some("404 page not found")), "{path}");
    }
    assert_eq!(gate.ask(Method::Head, "/api/state", &[], "").status, 200);
    assert_eq!(gate.ask(Method::Options, "/api/state", &[], "").status, 200);
    let mut closed = Gate::closed();
    let hidden = closed.get("/api/nothing", &[]);
    assert_eq!((hidden.status, hidden.text.as_str()), (401, r#"{"error":"Authentication required"}"#));
}

#[test]
fn the_page_and_its_files_are_public_and_hold_nothing() {
    let mut gate = Gate::closed();
    assert_eq!(gate.get("/", &[]).status, 200);
    assert_eq!(gate.get("/settings", &[("Accept", "text/html,*/*")]).status, 200, "a browser follows a link");
    let bare = gate.get("/settings", &[]);
    assert_eq!((bare.status, bare.text.trim()), (401, "Authentication required"));
    gate.from = ip("203.0.113.9");
    assert_eq!(gate.get("/nothing.js", &[]).status, 401);
}
