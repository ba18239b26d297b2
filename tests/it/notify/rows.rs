//! What 4.9 got wrong about notifications (contract state.md 8.5), row by row: where each row is specified, and the
//! specifications that no other file has.

use super::receiver::{Receiver, says};
use super::scene::{alert, item, message, webhook};
use crate::support::desk::Desk;
use crate::support::folder::Folder;
use pulse::alerts::outgoing::Item;
use pulse::http::Method::{Delete, Post, Put};
use pulse::model::Now;
use pulse::notify::{Kind, TEST_DEADLINE};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Row of the contract to tests that fail on what 4.9 did.
const ROWS: &[(u32, &[&str])] = &[
    (80, &["row_80_each_channel_gets_the_alerts_as_they_are"]),
    (81, &["discord", "slack", "teams", "pagerduty", "row_81_links_lead_to_the_host_or_are_left_out"]),
    (
        82,
        &[
            "values_inside_json_strings_are_escaped_once_and_only_there",
            "custom_templates_stay_valid_whatever_the_names",
            "what_the_author_escaped_by_hand_is_left_alone",
        ],
    ),
    (
        83,
        &[
            "a_failure_is_tried_three_times_with_growing_waits_and_then_recorded",
            "a_receiver_that_asks_for_patience_gets_it_for_all_that_goes_there",
            "an_alert_goes_out_is_tried_again_and_is_recorded",
            "row_83_a_test_that_fails_says_so_in_the_receivers_words",
        ],
    ),
    (
        84,
        &[
            "the_kind_of_connection_follows_port_and_switches",
            "starttls_and_login_in_three_steps",
            "a_password_never_goes_out_in_clear_text_unasked",
        ],
    ),
    (85, &["some_providers_have_one_user_name_for_all"]),
    (
        86,
        &[
            "a_mail_lists_every_alert_of_its_group_and_escapes_what_names_bring",
            "no_name_and_no_setting_adds_a_header_or_a_recipient",
            "senders_recipients_and_reply_address_may_have_names",
        ],
    ),
    (87, &["row_87_a_test_is_one_attempt_with_a_deadline"]),
    (
        88,
        &[
            "a_blank_password_keeps_the_stored_one_and_null_removes_it",
            "row_88_a_password_can_be_removed_and_is_never_shown",
        ],
    ),
    (89, &["row_89_tests_send_what_a_real_alert_sends"]),
    (
        90,
        &[
            "discord",
            "slack",
            "custom_templates_stay_valid_whatever_the_names",
            "row_90_every_alert_of_a_group_gets_through",
        ],
    ),
    (
        91,
        &[
            "pagerduty",
            "generic_and_unknown_services_get_4_9s_object",
            "row_91_tests_are_complete_and_the_key_is_no_header",
        ],
    ),
    (
        92,
        &[
            "addresses_that_give_secrets_away_are_refused_after_the_look_up",
            "redirects_are_followed_within_the_host_and_nowhere_else",
            "the_receivers_own_words_come_back_bounded_and_without_secrets",
            "row_92_addresses_are_checked_when_saved_changed_and_tried",
        ],
    ),
    (
        93,
        &[
            "ntfy",
            "pushover",
            "mattermost",
            "matrix",
            "apprise_and_healthchecks",
            "row_93_all_services_are_on_offer_4_9s_first",
        ],
    ),
    (94, &["row_94_the_documented_paths_answer"]),
    (95, &["telegram"]),
    (
        96,
        &[
            "what_waited_when_the_process_ended_is_delivered_after_the_start_and_only_once",
            "a_kill_at_any_moment_loses_nothing_and_repeats_only_what_was_on_its_way",
            "what_was_switched_off_or_removed_meanwhile_is_not_sent_but_recorded",
            "the_very_first_alert_is_told_although_the_process_was_killed_before",
        ],
    ),
    (
        97,
        &[
            "a_webhook_keeps_unknown_keys_and_absent_ones_when_changed",
            "a_refusal_is_final_and_channels_choose_their_own_patience",
            "audiences_routes_and_filters_decide_who_gets_what",
            "row_97_a_change_keeps_what_it_does_not_name_over_a_restart",
        ],
    ),
    (98, &["row_98_a_failed_test_is_json_and_says_so"]),
    (99, &["teams", "row_99_both_forms_for_teams_stay_and_the_old_one_names_the_new"]),
];

#[test]
fn every_row_has_its_tests() {
    let text = crate::rows::sources();
    let rows: BTreeSet<u32> = ROWS.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, (80..=99).collect());
    for (row, tests) in ROWS {
        for test in *tests {
            assert!(crate::rows::has_test(&text, test), "row {row}: no {test}");
        }
    }
}

const HOOKS: &str = "/api/notifications/webhooks";
const TRY: &str = "/api/notifications/webhooks/test";

fn desk(folder: &Folder) -> Desk {
    Desk::open(folder, &[("DISABLE_AUTH", "true")])
}

/// A webhook of this service that a desk has saved, and who receives what it sends.
fn receiving(desk: &mut Desk, id: &str, more: &Value) -> Receiver {
    let receiver = Receiver::start(vec![says(200, "fine")]);
    let mut body = json!({"id": id, "name": id, "url": receiver.url("/in"), "enabled": true});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, said) = desk.call(Post, HOOKS, &body);
    assert_eq!(status, 200, "{said}");
    receiver
}

/// Seconds pass until nothing waits any more.
fn deliver(desk: &mut Desk) {
    for _ in 0..40 {
        desk.core.deliver();
        desk.idle(Duration::from_millis(30));
        if desk.core.notify.counts().0 == 0 {
            return;
        }
        desk.core.now = Now::simulated(desk.core.now.unix_millis() + 1000);
    }
    panic!("something still waits");
}

fn group() -> pulse::notify::Message {
    message(Kind::Raised, vec![item(alert("a", "critical")), item(alert("b", "warning")), item(alert("c", "warning"))])
}

#[test]
fn row_80_each_channel_gets_the_alerts_as_they_are() {
    let folder = Folder::new("rows-80");
    let mut desk = desk(&folder);
    let receivers = ["one", "two", "three"].map(|id| receiving(&mut desk, id, &json!({})));
    desk.core.notify.enqueue(group(), desk.core.now);
    deliver(&mut desk);
    for receiver in receivers {
        let alerts = receiver.next().json()["alerts"].clone();
        for alert in alerts.as_array().unwrap() {
            assert_eq!(alert["message"], "VM cpu at 91.2%", "and no list of others in it");
        }
        assert_eq!(alerts.as_array().unwrap().len(), 3);
    }
}

#[test]
fn row_81_links_lead_to_the_host_or_are_left_out() {
    let folder = Folder::new("rows-81");
    let mut desk = desk(&folder);
    let receiver = receiving(&mut desk, "discord", &json!({"service": "discord"}));
    let mut unknown = item(alert("b", "warning"));
    unknown.host = String::new();
    desk.core.notify.enqueue(message(Kind::Raised, vec![item(alert("a", "warning")), unknown]), desk.core.now);
    deliver(&mut desk);
    let embeds = receiver.next().json()["embeds"].clone();
    assert_eq!((&embeds[0]["url"], embeds[1].get("url")), (&json!("https://192.0.2.10:8006"), None));
}

#[test]
fn row_83_a_test_that_fails_says_so_in_the_receivers_words() {
    let folder = Folder::new("rows-83");
    let mut desk = desk(&folder);
    let receiver = Receiver::start(vec![says(404, "no such channel")]);
    desk.call(Post, HOOKS, &json!({"id": "w", "name": "w", "url": receiver.url("/"), "enabled": true}));
    let (status, said) = desk.call(Post, "/api/notifications/test", &json!({"method": "webhook", "webhookId": "w"}));
    assert_eq!((status, &said["error"]), (400, &json!("Webhook returned HTTP 404: no such channel")));
    let shown = &desk.get("/api/notifications/webhook-history")[0];
    assert_eq!((&shown["success"], &shown["statusCode"]), (&json!(false), &json!(404)));
}

#[test]
fn row_87_a_test_is_one_attempt_with_a_deadline() {
    // 4.9 answered within 15 s or not at all.
    assert!(TEST_DEADLINE <= Duration::from_secs(10));
    let folder = Folder::new("rows-87");
    let mut desk = desk(&folder);
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let calls =
        std::thread::spawn(move || server.incoming().take_while(|stream| !matches!(stream, Ok(s) if busy(s))).count());
    let config = json!({"enabled": true, "server": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"],
        "tls": false, "maxRetries": 5});
    let (status, said) = desk.call(Post, "/api/notifications/test", &json!({"method": "email", "config": config}));
    assert_eq!(status, 400);
    assert!(said["error"].as_str().unwrap().contains("421 come back later"), "{said}");
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).map(|mut s| std::io::Write::write_all(&mut s, b"end")));
    assert_eq!(calls.join().unwrap(), 1, "although five were allowed");
}

/// Turns a client away; true: it was the test, which says that it is over.
fn busy(mut stream: &std::net::TcpStream) -> bool {
    use std::io::{Read, Write};
    let _ = stream.write_all(b"421 come back later\r\n");
    let mut word = [0; 3];
    stream.read_exact(&mut word).is_ok() && &word == b"end"
}

#[test]
fn row_88_a_password_can_be_removed_and_is_never_shown() {
    let folder = Folder::new("rows-88");
    let mut desk = desk(&folder);
    let path = "/api/notifications/email";
    let stored = |desk: &Desk| desk.core.notify.settings().email.password.expose().to_owned();
    assert_eq!(desk.call(Put, path, &json!({"server": "mail.lan", "password": "hunter2"})).0, 200);
    assert_eq!(desk.get(path)["password"], "");
    assert!(!desk.get("/api/notifications/").to_string().contains("hunter2"));
    assert_eq!(desk.call(Put, path, &json!({"server": "mail.lan", "password": ""})).0, 200);
    assert_eq!(stored(&desk), "hunter2");
    assert_eq!(desk.call(Put, path, &json!({"server": "mail.lan", "password": null})).0, 200);
    assert_eq!(stored(&desk), "");
}

#[test]
fn row_89_tests_send_what_a_real_alert_sends() {
    let folder = Folder::new("rows-89");
    let mut desk = desk(&folder);
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    for service in ["generic", "discord", "slack", "teams", "teams-adaptive", "gotify"] {
        let receiver = receiving(&mut desk, service, &json!({"service": service}));
        // No host is connected, to which a link could lead.
        let real = Item { host: String::new(), ..item(alert(service, "warning")) };
        desk.core.notify.enqueue(message(Kind::Raised, vec![real]), desk.core.now);
        deliver(&mut desk);
        let real = receiver.next();
        assert_eq!(
            desk.call(Post, "/api/notifications/test", &json!({"method": "webhook", "webhookId": service})).0,
            200
        );
        let saved = receiver.next();
        assert_eq!(desk.call(Post, TRY, &json!({"service": service, "url": receiver.url("/in")})).0, 200);
        let unsaved = receiver.next();
        for tried in [saved, unsaved] {
            assert_eq!(keys(&tried.json()), keys(&real.json()), "{service}");
            assert_eq!(tried.header("user-agent"), real.header("user-agent"));
        }
        assert_eq!(desk.call(Delete, &format!("{HOOKS}/{service}"), &Value::Null).0, 200);
    }
}

#[test]
fn row_90_every_alert_of_a_group_gets_through() {
    let folder = Folder::new("rows-90");
    let mut desk = desk(&folder);
    let pager = receiving(&mut desk, "pager", &json!({"service": "pagerduty", "headers": {"routing_key": "R0UTE"}}));
    let plain = receiving(&mut desk, "plain", &json!({"template": r#"{"id": "{{.ID}}"}"#}));
    let whole =
        receiving(&mut desk, "whole", &json!({"template": r#"{"n": {{len .Alerts}}, "count": {{.AlertCount}}}"#}));
    let discord = receiving(&mut desk, "discord", &json!({"service": "discord"}));
    desk.core.notify.enqueue(group(), desk.core.now);
    deliver(&mut desk);
    let ids = |receiver: &Receiver, key: &str| {
        (0..3).map(|_| receiver.next().json()[key].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let all = ["a", "b", "c"].map(str::to_owned).into();
    assert_eq!(ids(&pager, "dedup_key"), all, "an incident each");
    assert_eq!(ids(&plain, "id"), all, "a request each");
    assert_eq!(whole.next().json(), json!({"n": 3, "count": 3}));
    assert_eq!(discord.next().json()["embeds"].as_array().unwrap().len(), 3);
}

#[test]
fn row_91_tests_are_complete_and_the_key_is_no_header() {
    let folder = Folder::new("rows-91");
    let mut desk = desk(&folder);
    let receiver = Receiver::start(vec![says(202, "")]);
    let hook = json!({"service": "pagerduty", "url": receiver.url("/v2/enqueue"), "headers": {"routing_key": "R0UTE"}});
    assert_eq!(desk.call(Post, TRY, &hook).0, 200);
    let got = receiver.next();
    assert_eq!((got.json()["routing_key"].clone(), got.header("routing_key")), (json!("R0UTE"), None));
    assert!(!String::from_utf8(got.body).unwrap().contains("<no value>"));
    assert_eq!(desk.call(Post, TRY, &json!({"service": "of-tomorrow", "url": receiver.url("/")})).0, 200);
    assert_eq!(receiver.next().json()["source"], "pulse-monitoring");
}

#[test]
fn row_92_addresses_are_checked_when_saved_changed_and_tried() {
    let folder = Folder::new("rows-92");
    let mut desk = desk(&folder);
    desk.call(Post, HOOKS, &json!({"id": "w", "name": "w", "url": "http://192.168.1.5/hook"}));
    for url in [
        "",
        "ftp://example.org/",
        "http://169.254.169.254/latest/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
    ] {
        let body = json!({"name": "n", "url": url});
        assert_eq!(desk.call(Post, HOOKS, &body).0, 400, "new: {url}");
        assert_eq!(desk.call(Put, &format!("{HOOKS}/w"), &body).0, 400, "changed: {url}");
        assert_eq!(desk.call(Post, TRY, &body).0, 400, "tried: {url}");
    }
    assert_eq!(desk.get(HOOKS)[0]["url"], "http://192.168.1.5/hook", "home networks are fine");
}

#[test]
fn row_93_all_services_are_on_offer_4_9s_first() {
    let folder = Folder::new("rows-93");
    let offered = desk(&folder).get("/api/notifications/webhook-templates");
    let names: Vec<&str> = offered.as_array().unwrap().iter().map(|t| t["service"].as_str().unwrap()).collect();
    let first = ["discord", "telegram", "slack", "teams", "pagerduty", "teams-adaptive", "gotify", "generic"];
    assert_eq!(names[..8], first);
    for service in ["ntfy", "pushover", "mattermost", "matrix", "apprise"] {
        assert!(names.contains(&service), "{service}");
    }
}

#[test]
fn row_94_the_documented_paths_answer() {
    let folder = Folder::new("rows-94");
    let mut desk = desk(&folder);
    let path = "/api/notifications/";
    let shown = desk.get(path);
    assert_eq!(
        (&shown["enabled"], &shown["cooldown"], &shown["groupingWindow"]),
        (&json!(true), &json!(5), &json!(30))
    );
    assert!(shown["webhooks"].is_array() && shown["email"]["password"] == "");
    let change = json!({"enabled": false, "cooldown": 12, "groupingWindow": 90, "email": {"server": "mail.lan"},
        "webhooks": [{"id": "w", "name": "w", "url": "http://192.168.1.5/hook"}]});
    assert_eq!(desk.call(Post, path, &change).0, 200);
    let shown = desk.get(path);
    assert_eq!(
        (&shown["enabled"], &shown["cooldown"], &shown["groupingWindow"]),
        (&json!(false), &json!(12), &json!(90))
    );
    assert_eq!((&shown["email"]["server"], &shown["webhooks"][0]["id"]), (&json!("mail.lan"), &json!("w")));
    assert_eq!(desk.get("/api/alerts/config")["schedule"]["cooldown"], 12, "one value, seen from both sides");
    for wrong in [
        json!({"cooldown": -1}),
        json!({"cooldown": "5"}),
        json!({"groupingWindow": 1.5}),
        json!({"groupingWindow": 5, "webhooks": 1}),
    ] {
        assert_eq!(desk.call(Post, path, &wrong).0, 400, "{wrong}");
    }
    assert_eq!(desk.call(Post, path, &json!({"groupingWindow": 0})).0, 200);
    let shown = desk.get(path);
    assert_eq!((&shown["cooldown"], &shown["groupingWindow"]), (&json!(12), &json!(0)));
    assert_eq!(desk.get("/api/notifications/history"), json!([]));
}

#[test]
fn row_97_a_change_keeps_what_it_does_not_name_over_a_restart() {
    let folder = Folder::new("rows-97");
    let mut first = desk(&folder);
    let body = json!({"id": "w", "name": "before", "url": "http://192.168.1.5/hook", "enabled": true, "service": "discord",
        "retryCount": 1, "filterRules": {"levels": ["critical"], "types": [], "nodes": [], "resourceTypes": []},
        "customFields": {"team": "ops"}, "ofTomorrow": [1, 2]});
    assert_eq!(first.call(Post, HOOKS, &body), (200, body.clone()));
    assert_eq!(first.call(Put, &format!("{HOOKS}/w"), &json!({"name": "after"})).0, 200);
    drop(first);
    let shown = desk(&folder).get(HOOKS)[0].clone();
    for (name, value) in body.as_object().unwrap() {
        let expected = if name == "name" { &json!("after") } else { value };
        assert_eq!(&shown[name], expected, "{name}");
    }
}

#[test]
fn row_98_a_failed_test_is_json_and_says_so() {
    let folder = Folder::new("rows-98");
    let mut desk = desk(&folder);
    let receiver = Receiver::start(vec![says(500, "oops")]);
    let body = json!({"url": receiver.url("/")}).to_string().into_bytes();
    let answer = desk.answer(Post, TRY, &[("content-type", "application/json")], body);
    let kind =
        answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")).map(|(_, v)| v.to_string());
    assert_eq!((answer.status, kind.as_deref()), (400, Some("application/json")));
    let said: Value = serde_json::from_slice(answer.body.as_slice()).unwrap();
    assert_eq!((&said["success"], &said["status"], &said["response"]), (&json!(false), &json!(500), &json!("oops")));
}

#[test]
fn row_99_both_forms_for_teams_stay_and_the_old_one_names_the_new() {
    let offered = pulse::notify::catalogue().map(|c| c.shown());
    let of = |service: &str| offered.iter().find(|t| t["service"] == service).unwrap();
    assert!(of("teams")["instructions"].as_str().unwrap().contains("for new webhooks choose Adaptive Card"));
    assert!(of("teams-adaptive")["instructions"].as_str().unwrap().contains("Workflows"));
    // A saved one stays what it is.
    assert_eq!(webhook(json!({"service": "teams"})).service, "teams");
}
