//! From a message to a receiver over real sockets, and from the receiver's answer to the history.

use super::receiver::{Receiver, Reply, says};
use super::scene::{alert, at, item, message, raised, webhook};
use crate::support::desk::Desk;
use crate::support::folder::Folder;
use pulse::http::Method;
use pulse::model::Now;
use pulse::notify::{Job, Kind, Retry, Sent};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(5);

/// One attempt at a webhook with this address.
fn attempt(url: &str, within: Duration) -> Sent {
    let hook = webhook(json!({ "url": url }));
    Job::try_webhook(hook, raised(&["x"]), at(super::scene::START_MS)).run_within(within).sent().clone()
}

#[test]
fn what_arrives_is_what_was_meant() {
    let receiver = Receiver::start(vec![says(204, "")]);
    let sent = attempt(&receiver.url("/hook?key=abc"), TIME);
    assert_eq!((sent.status, sent.ok(), sent.retry), (204, true, Retry::No));
    let got = receiver.next();
    assert_eq!(got.line, "POST /hook?key=abc HTTP/1.1");
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("user-agent"), Some("Pulse-Monitoring/2.0"));
    assert_eq!(got.header("x-pulse-delivery"), Some(raised(&["x"]).key.as_str()));
    assert_eq!(got.json()["alerts"][0]["id"], "x");
    assert_eq!(sent.payload_bytes, got.body.len());
}

#[test]
fn each_kind_of_failure_says_whether_it_makes_sense_to_try_again() {
    let cases: Vec<(Reply, u16, Retry)> = vec![
        (says(400, "bad field"), 400, Retry::No),
        (says(404, "no such hook"), 404, Retry::No),
        (says(500, "oops"), 500, Retry::Later),
        (says(502, ""), 502, Retry::Later),
        (says(408, ""), 408, Retry::Later),
        (Reply::Answer(429, &["Retry-After: 17"], String::new()), 429, Retry::AfterSecs(17)),
        (Reply::Answer(429, &[], r#"{"retry_after": 2.5}"#.into()), 429, Retry::AfterSecs(3)),
        (Reply::Answer(503, &["Retry-After: 60"], String::new()), 503, Retry::AfterSecs(60)),
        (Reply::Answer(429, &["Retry-After: soon"], String::new()), 429, Retry::Later),
        (Reply::Close, 0, Retry::Later),
    ];
    for (reply, status, retry) in cases {
        let receiver = Receiver::start(vec![reply]);
        let sent = attempt(&receiver.url("/"), TIME);
        assert_eq!((sent.status, sent.retry), (status, retry), "{sent:?}");
        assert!(!sent.ok());
    }
    let nobody = attempt("http://127.0.0.1:1/", TIME);
    assert!(nobody.error.as_ref().unwrap().starts_with("request failed: "), "{nobody:?}");
    assert_eq!(nobody.retry, Retry::Later);
    let unknown = attempt("http://name.invalid/", TIME);
    assert!(unknown.error.as_ref().unwrap().contains("look up name.invalid"), "{unknown:?}");
}

#[test]
fn the_receivers_own_words_come_back_bounded_and_without_secrets() {
    let receiver = Receiver::start(vec![says(500, &format!("token s3cr3t-t0ken is wrong\u{7} {}", "x".repeat(9_000)))]);
    let sent = attempt(&receiver.url("/hook/s3cr3t-t0ken"), TIME);
    assert!(sent.answer.starts_with("token *** is wrong "), "{}", &sent.answer[..40]);
    assert!(sent.answer.len() <= 4096 && !sent.answer.contains('\u{7}'));
    let error = sent.error.unwrap();
    assert!(error.starts_with("Webhook returned HTTP 500: token ***") && error.len() < 400, "{error}");
}

#[test]
fn receivers_that_hang_or_drip_are_left_at_the_deadline() {
    for reply in [Reply::Hang, Reply::Drip] {
        let receiver = Receiver::start(vec![reply]);
        let began = Instant::now();
        let sent = attempt(&receiver.url("/"), Duration::from_millis(700));
        assert!(!sent.ok() && sent.retry == Retry::Later, "{sent:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(sent.error.unwrap().contains("no answer in time"));
    }
}

#[test]
fn redirects_are_followed_within_the_host_and_nowhere_else() {
    let other = Receiver::start(vec![says(200, "stolen")]);
    let location: &'static str = Box::leak(format!("Location: {}", other.url("/steal")).into_boxed_str());
    let lines: &'static [&'static str] = Box::leak(vec![location].into_boxed_slice());
    let elsewhere = Receiver::start(vec![Reply::Answer(302, lines, String::new())]);
    let sent = attempt(&elsewhere.url("/"), TIME);
    assert!(sent.error.as_ref().unwrap().contains("another place"), "{sent:?}");
    assert_eq!((sent.status, sent.retry), (302, Retry::No));
    assert!(other.is_quiet());
    let within = Receiver::start(vec![Reply::Answer(301, &["Location: /hook/"], String::new()), says(200, "ok")]);
    assert!(attempt(&within.url("/hook"), TIME).ok());
    within.next();
    let second = within.next();
    assert_eq!(second.line, "POST /hook/ HTTP/1.1");
    assert_eq!(second.json()["count"], 1, "with the message");
    let circle = Receiver::start(vec![Reply::Answer(307, &["Location: /"], String::new())]);
    assert!(attempt(&circle.url("/"), TIME).error.unwrap().contains("more than 3 times"));
}

#[test]
fn addresses_that_give_secrets_away_are_refused_after_the_look_up() {
    // Other spellings of 169.254.169.254, which the system's look-up understands; and a redirect into it.
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "0.0.0.0",
    ] {
        let began = Instant::now();
        let sent = attempt(&format!("http://{host}/latest/meta-data/"), TIME);
        let why = sent.error.unwrap();
        assert!(why.contains("may not be called") || why.contains("look up"), "{host}: {why}");
        assert!(began.elapsed() < Duration::from_secs(2), "{host} was called");
        if !why.contains("look up") {
            assert_eq!(sent.retry, Retry::No, "{host}");
        }
    }
}

#[test]
fn teams_says_200_and_means_failure() {
    let receiver = Receiver::start(vec![says(
        200,
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
    )]);
    let hook = webhook(json!({ "url": receiver.url("/"), "service": "teams" }));
    let sent = Job::try_webhook(hook, raised(&["x"]), at(0)).run_within(TIME).sent().clone();
    assert!(!sent.ok() && sent.retry == Retry::Later, "{sent:?}");
}

/// A desk whose notifications are open, as after the server's start.
fn desk(folder: &Folder) -> Desk {
    Desk::open(folder, &[("DISABLE_AUTH", "true")])
}

fn add(desk: &mut Desk, body: Value) -> (u16, Value) {
    desk.call(Method::Post, "/api/notifications/webhooks", &body)
}

/// Simulated seconds pass, with a tick each.
fn pass(desk: &mut Desk, seconds: i64) {
    for _ in 0..seconds {
        desk.core.now = Now::simulated(desk.core.now.unix_millis() + 1000);
        desk.core.deliver();
    }
}

#[test]
fn an_alert_goes_out_is_tried_again_and_is_recorded() {
    let folder = Folder::new("deliver");
    let mut desk = desk(&folder);
    let receiver = Receiver::start(vec![says(500, "not now"), says(500, "nor now"), says(200, "thanks")]);
    add(&mut desk, json!({"id":"w","name":"Hook","url":receiver.url("/in/secret-path"),"enabled":true}));
    desk.core
        .notify
        .enqueue(message(Kind::Raised, vec![item(alert("a", "critical")), item(alert("b", "warning"))]), desk.core.now);
    desk.core.deliver();
    for tries in 1..=3 {
        desk.until("an attempt came back", |core| core.notify.history(1)[0]["attempts"] == tries);
        pass(&mut desk, 61);
    }
    let keys: Vec<String> = (0..3).map(|_| receiver.next().header("x-pulse-delivery").unwrap().to_owned()).collect();
    assert!(keys.iter().all(|k| *k == keys[0]), "three copies of one message");
    let shown = &desk.get("/api/notifications/history")[0];
    assert_eq!(
        (&shown["channel"], &shown["name"], &shown["alertIds"]),
        (&json!("webhook"), &json!("Hook"), &json!(["a", "b"]))
    );
    assert_eq!((&shown["success"], &shown["statusCode"], &shown["attempts"]), (&json!(true), &json!(200), &json!(3)));
    assert_eq!(
        (&shown["response"], &shown["tries"][0]["error"]),
        (&json!("thanks"), &json!("Webhook returned HTTP 500: not now"))
    );
    let old = &desk.get("/api/notifications/webhook-history")[0];
    assert_eq!((&old["retryAttempts"], &old["alertId"], &old["success"]), (&json!(2), &json!("a"), &json!(true)));
    assert!(!desk.get("/api/notifications/history").to_string().contains("secret-path"));
}

#[test]
fn what_waited_when_the_process_ended_is_delivered_after_the_start_and_only_once() {
    let folder = Folder::new("redeliver");
    let receiver = Receiver::start(vec![says(500, ""), says(200, "")]);
    {
        let mut desk = desk(&folder);
        add(&mut desk, json!({"id":"w","name":"Hook","url":receiver.url("/"),"enabled":true}));
        desk.core.notify.enqueue(raised(&["x"]), desk.core.now);
        desk.core.deliver();
        desk.until("the first attempt failed", |core| core.notify.history(1)[0]["attempts"] == 1);
        desk.core.save_queue_finally();
    }
    let first = receiver.next();
    let mut desk = desk(&folder);
    desk.core.notify.enqueue(raised(&["x"]), desk.core.now);
    assert_eq!(desk.core.notify.counts().0, 1, "the engine's repetition is known");
    pass(&mut desk, 10);
    desk.until("it was delivered", |core| core.notify.counts().0 == 0);
    let second = receiver.next();
    assert_eq!(first.header("x-pulse-delivery"), second.header("x-pulse-delivery"));
    pass(&mut desk, 100);
    assert!(receiver.is_quiet());
}

#[test]
fn eight_hanging_receivers_do_not_keep_requests_waiting() {
    let folder = Folder::new("hanging");
    let mut desk = desk(&folder);
    let receivers: Vec<Receiver> = (0..8).map(|_| Receiver::start(vec![Reply::Hang])).collect();
    for (n, receiver) in receivers.iter().enumerate() {
        add(&mut desk, json!({"id":format!("w{n}"),"name":"n","url":receiver.url("/"),"enabled":true}));
    }
    desk.core.notify.enqueue(raised(&["x"]), desk.core.now);
    desk.core.deliver();
    desk.until("all are on their way", |core| core.notify.counts().1 == 8);
    let fine = Receiver::start(vec![says(200, "fine")]);
    let began = Instant::now();
    let (status, answer) = desk.call(Method::Post, "/api/notifications/webhooks/test", &json!({"url":fine.url("/")}));
    assert_eq!((status, &answer["response"]), (200, &json!("fine")));
    assert!(began.elapsed() < TIME);
}

#[test]
fn the_heartbeat_brings_the_state_in_figures() {
    let folder = Folder::new("heartbeat");
    let mut desk = desk(&folder);
    let receiver = Receiver::start(vec![says(200, "OK")]);
    let body = json!({"heartbeat":{"enabled":true,"url":receiver.url("/ping/uuid"),"intervalMinutes":1,"headers":{"X-Api-Key":"k3y-k3y"}}});
    assert_eq!(desk.call(Method::Post, "/api/notifications/", &body).0, 200);
    let got = receiver.next();
    assert_eq!((got.line.as_str(), got.header("x-api-key")), ("POST /ping/uuid HTTP/1.1", Some("k3y-k3y")));
    let beat = got.json();
    assert_eq!(
        (&beat["status"], &beat["nodes"]["total"], &beat["alerts"]["critical"]),
        (&json!("ok"), &json!(0), &json!(0))
    );
    desk.until("the beat is noted", |core| core.notify.heartbeat_state().at.is_set());
    let shown = desk.get("/api/notifications/");
    assert_eq!((&shown["heartbeat"]["lastStatus"], &shown["heartbeat"]["lastError"]), (&json!(200), &Value::Null));
    assert!(!shown.to_string().contains("uuid") && !shown.to_string().contains("k3y"), "{shown}");
}
