//! The two API clients against hosts that behave, misbehave and lie. All on loopback.

use crate::support::host::{self, Asked, Reply};
use pulse::proxmox::{
    Access, Auth, Client, Error, Fingerprint, Kind, LIST_LIMIT, List, Tls, pbs, peer_fingerprint, pve, segment,
};
use std::time::Duration;

fn token() -> Auth {
    Auth::Token { user: "pulse@pam".into(), name: "mon".into(), secret: "very-secret".into() }
}

fn password() -> Auth {
    Auth::Password { user: "pulse@pam".into(), secret: "p&w=ä".into() }
}

fn access(url: &str, auth: Auth, tls: Tls) -> Access {
    Access { base_url: url.into(), auth, tls, timeout: Duration::from_secs(2) }
}

fn client(host: &host::Host, auth: Auth, tls: Tls) -> Client {
    Client::new(Kind::Pve, &access(&host.url, auth, tls)).unwrap()
}

const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_token_is_sent_as_each_product_wants_it_and_is_never_shown() {
    let host =
        host::http(|asked: &Asked| Reply::data(&format!("{{\"version\":\"{}\"}}", asked.header("authorization"))));
    for (kind, sent) in
        [(Kind::Pve, "PVEAPIToken=pulse@pam!mon=very-secret"), (Kind::Pbs, "PBSAPIToken=pulse@pam!mon:very-secret")]
    {
        let access = access(&host.url, token(), Tls::Verify);
        assert!(!format!("{access:?}").contains("very-secret"));
        let mut client = Client::new(kind, &access).unwrap();
        assert!(!format!("{client:?}").contains("very-secret"));
        let got: pve::VersionAnswer = client.ask("version", 0).unwrap();
        assert_eq!(got.version, sent);
    }
}

#[test]
fn a_password_logs_in_once_renews_after_a_hundred_minutes_and_again_after_a_401() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (logins, refuse) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicUsize::new(0)));
    let (count, refusing) = (logins.clone(), refuse.clone());
    let host = host::http(move |asked| {
        if asked.path() == "access/ticket" {
            assert_eq!(
                (asked.method.as_str(), asked.body.as_str()),
                ("POST", "username=pulse%40pam&password=p%26w%3D%C3%A4")
            );
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::data(&format!("{{\"ticket\":\"PVE:pulse@pam:{n}::sig==\",\"CSRFPreventionToken\":\"x\"}}"));
        }
        if refusing.swap(0, Ordering::SeqCst) == 1 {
            return Reply::status(401, "{\"data\":null}");
        }
        Reply::data(&format!("{{\"version\":\"{}\"}}", asked.header("cookie")))
    });
    let mut client = client(&host, password(), Tls::Verify);
    let mut cookie = |at_min: u64| client.ask::<pve::VersionAnswer>("version", at_min * 60_000).unwrap().version;
    assert_eq!(cookie(0), "PVEAuthCookie=PVE:pulse@pam:1::sig==");
    assert_eq!(cookie(99), "PVEAuthCookie=PVE:pulse@pam:1::sig==");
    assert_eq!(cookie(100), "PVEAuthCookie=PVE:pulse@pam:2::sig==");
    refuse.store(1, Ordering::SeqCst);
    assert_eq!(cookie(101), "PVEAuthCookie=PVE:pulse@pam:3::sig==");
    assert_eq!(logins.load(Ordering::SeqCst), 3);
}

#[test]
fn refused_logins_say_so_and_second_factors_are_explained() {
    let refused = host::http(|_| Reply::status(401, "{\"data\":null}"));
    let error = client(&refused, password(), Tls::Verify).ready(0).unwrap_err();
    assert!(matches!(error, Error::Login(401, _)) && error.is_auth() && !error.is_transport(), "{error}");
    let tfa = host::http(|_| Reply::data(r#"{"NeedTFA":1,"ticket":"PVE:!tfa!x"}"#));
    let error = client(&tfa, password(), Tls::Verify).ready(0).unwrap_err();
    assert!(error.to_string().contains("API token"), "{error}");
}

#[test]
fn certificates_are_accepted_by_pin_or_not_at_all_and_a_refusal_names_the_fingerprint() {
    let host = host::https(|_| Reply::data("{\"version\":\"8.4\"}"));
    let seen = Fingerprint(host.fingerprint.unwrap());
    let ask = |tls: Tls| client(&host, token(), tls).get::<pve::VersionAnswer>("version", SOON);
    assert_eq!(ask(Tls::Pin(seen.0)).unwrap().version, "8.4");
    assert_eq!(ask(Tls::Off).unwrap().version, "8.4");
    for tls in [Tls::Verify, Tls::Pin([7; 32])] {
        let error = ask(tls).unwrap_err();
        assert!(matches!(&error, Error::Tls { fingerprint: Some(f), .. } if *f == seen), "{error}");
        assert!(error.is_transport() && error.to_string().contains(&seen.to_string()), "{error}");
    }
    assert_eq!(peer_fingerprint(&host.url, SOON).unwrap(), seen);
}

#[test]
fn a_plain_port_is_no_tls_host_and_a_closed_port_refuses() {
    let host = host::http(|_| Reply::data("null"));
    let as_tls = host.url.replace("http://", "https://");
    let error = peer_fingerprint(&as_tls, SOON).unwrap_err();
    assert!(matches!(error, Error::Tls { fingerprint: None, .. }), "{error}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = peer_fingerprint(&format!("https://{free}"), SOON).unwrap_err();
    assert_eq!(error, Error::Connect("connection refused".into()));
    let mut client = Client::new(Kind::Pve, &access(&format!("https://{free}"), token(), Tls::Off)).unwrap();
    assert_eq!(
        client.ask::<pve::VersionAnswer>("version", 0).unwrap_err(),
        Error::Connect("connection refused".into())
    );
}

#[test]
fn errors_are_told_apart_by_what_happened() {
    let host = host::http(|asked| match asked.path() {
        "denied" => {
            Reply::status(403, "{\"data\":null,\"message\":\"Permission check failed (/nodes/a, Sys.Audit)\\n\"}")
        }
        "plain" => Reply::status(400, "parameter verification failed\n"),
        "page" => Reply::status(502, "<html>bad gateway</html>"),
        "proxy" => Reply::status(595, "{\"data\":null}"),
        "moved" => Reply::status(301, "").with("Location: https://elsewhere.test/"),
        "html" => Reply::status(200, "<html>hello</html>"),
        "cut" => Reply { cut: true, ..Reply::data("[{\"node\":\"a\"}") },
        "broken-gzip" => Reply::data("[]").with("Content-Encoding: gzip"),
        "slow" => Reply::data("[]").after(1500),
        _ => Reply::data("[]"),
    });
    let client = client(&host, token(), Tls::Verify);
    let ask = |path: &str| client.get::<List<pve::NodeItem>>(path, Duration::from_millis(700)).unwrap_err();
    assert_eq!(ask("denied"), Error::Status(403, "Permission check failed (/nodes/a, Sys.Audit)".into()));
    assert_eq!(ask("plain"), Error::Status(400, "parameter verification failed".into()));
    assert_eq!(ask("page"), Error::Status(502, String::new()));
    assert_eq!(ask("proxy"), Error::Status(595, String::new()));
    assert_eq!(ask("moved"), Error::Redirect(301, "https://elsewhere.test/".into()));
    assert!(matches!(ask("html"), Error::Body(_)));
    assert!(matches!(ask("cut"), Error::Body(_) | Error::Connect(_)), "{:?}", ask("cut"));
    assert!(matches!(ask("broken-gzip"), Error::Body(_)), "{:?}", ask("broken-gzip"));
    assert!(matches!(ask("slow"), Error::Timeout(_)), "{:?}", ask("slow"));
}

#[test]
fn a_body_beyond_the_limit_is_refused_also_when_it_is_packed() {
    use std::io::Write;
    let bomb = {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(b"{\"data\":[").unwrap();
        for _ in 0..400 {
            packed.write_all(&[b' '; 64 << 10]).unwrap();
        }
        packed.write_all(b"]}").unwrap();
        packed.finish().unwrap()
    };
    let host = host::http(move |asked| match asked.path() {
        "bomb" => Reply { body: bomb.clone(), ..Reply::json("") }.with("Content-Encoding: gzip"),
        _ => Reply::data(&format!("[{}]", vec!["{\"node\":\"abcdefghijkl\"}"; 100_000].join(","))),
    });
    let client = client(&host, token(), Tls::Verify);
    let long = Duration::from_secs(20);
    let bomb = client.get::<List<pve::NodeItem>>("bomb", long).unwrap_err();
    assert_eq!(bomb, Error::TooLarge(LIST_LIMIT));
    let list = client.get::<List<pve::NodeItem>>("nodes", long).unwrap();
    assert_eq!(list.0.len(), 100_000);
    let small = client.get_bounded::<List<pve::NodeItem>>("nodes", long, 1 << 20).unwrap_err();
    assert_eq!(small, Error::TooLarge(1 << 20));
}

#[test]
fn connections_are_kept_and_a_dropped_one_is_replaced_without_an_error() {
    use std::sync::atomic::Ordering;
    let host = host::https(|asked| {
        let reply = Reply::data("{\"version\":\"8\"}");
        if asked.path() == "last" { reply.with("Connection: close") } else { reply }
    });
    let client = client(&host, token(), Tls::Off);
    for _ in 0..20 {
        client.get::<pve::VersionAnswer>("version", SOON).unwrap();
    }
    assert_eq!(host.connections.load(Ordering::SeqCst), 1);
    client.get::<pve::VersionAnswer>("last", SOON).unwrap();
    client.get::<pve::VersionAnswer>("version", SOON).unwrap();
    assert_eq!(host.connections.load(Ordering::SeqCst), 2);
}

#[test]
fn odd_scalars_are_read_bad_items_skipped_and_a_list_that_is_none_is_an_error() {
    let odd = r#"[{"vmid":"101","maxcpu":1.5,"cpu":"0.25","template":"1","mem":null,"maxmem":true,"name":7,"x":{}},
        "nonsense", null, 5, [1,2], {"vmid":{"a":1},"status":["x"],"netin":-5,"uptime":"12.9"}]"#;
    let list: List<pve::Resource> = serde_json::from_str(odd).unwrap();
    assert_eq!(list.0.len(), 2);
    let (a, b) = (&list.0[0], &list.0[1]);
    assert_eq!((a.vmid, a.maxcpu, a.cpu, a.template), (Some(101), Some(1.5), Some(0.25), Some(true)));
    assert_eq!((a.mem, a.maxmem, a.name.as_str()), (None, Some(1), "7"));
    assert_eq!((b.vmid, b.status.as_str(), b.netin, b.uptime), (None, "", None, Some(12)));
    for bad in ["{\"error\":\"x\"}", "null", "7", "\"text\""] {
        assert!(serde_json::from_str::<List<pve::Resource>>(bad).is_err(), "{bad}");
    }
}

#[test]
fn snapshots_of_a_backup_server_are_read_in_both_shapes() {
    let both = r#"[{"backup-id":"101","backup-type":"vm","backup-time":1735787045,"size":"12","protected":1,
          "verification":{"state":"ok","upid":"x"},"files":[{"filename":"a.fidx","crypt-mode":"encrypt"},"b.blob",4]},
        {"backup-id":7,"backup-type":"host","verification":"failed","files":{"no":"list"}}]"#;
    let list: List<pbs::SnapshotItem> = serde_json::from_str(both).unwrap();
    let (a, b) = (&list.0[0], &list.0[1]);
    assert_eq!((a.backup_id.as_str(), a.size, a.protected), ("101", Some(12), Some(true)));
    assert_eq!(a.verification.state, "ok");
    let files: Vec<(&str, &str)> = a.files.iter().map(|f| (f.filename.as_str(), f.crypt_mode.as_str())).collect();
    assert_eq!(files, [("a.fidx", "encrypt"), ("b.blob", "")]);
    assert_eq!((b.backup_id.as_str(), b.verification.state.as_str(), b.files.len()), ("7", "failed", 0));
}

#[test]
fn fingerprints_are_read_as_people_copy_them() {
    let text = "80:D4:F2:DF:64:95:CD:8D:A0:82:82:AC:48:BA:C0:7A:1B:6B:87:8B:FE:B9:83:1C:95:4E:79:58:77:99:69:F5";
    let print = Fingerprint::parse(text).unwrap();
    assert_eq!(print.to_string(), text);
    assert_eq!(Fingerprint::parse(&text.replace(':', "").to_lowercase()), Some(print));
    for bad in ["", "80:D4", &format!("{text}:00"), &text.replace('F', "G")] {
        assert_eq!(Fingerprint::parse(bad), None, "{bad}");
    }
}

#[test]
fn names_cannot_break_out_of_a_path() {
    assert_eq!(segment("pve-1.lan"), "pve-1.lan");
    assert_eq!(segment("../a b?x=1&ü"), "..%2Fa%20b%3Fx%3D1%26%C3%BC");
}
