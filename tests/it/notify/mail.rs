//! Mail: what it says, and how it gets through servers of every manner.

use super::scene::{START_MS, alert, at, email, item, message, raised};
use super::smtp_peer::{Manner, Peer, Stall};
use pulse::alerts::outgoing::Unit;
use pulse::config::base64;
use pulse::notify::settings::Email;
use pulse::notify::{Job, Kind, Message, Retry, Sent, compose, subject};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(8);

fn send_to(peer: &Peer, extra: Value, within: Duration) -> Sent {
    let mut doc = json!({"port": peer.port(), "security": "opportunistic"});
    doc.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    send(email(doc), raised(&["x"]), within)
}

fn send(email: Email, message: Message, within: Duration) -> Sent {
    Job::try_mail(email, message, at(START_MS)).run_within(within).sent().clone()
}

fn login() -> Value {
    json!({"username": "pulse", "password": "p\u{e4}ss w0rd"})
}

fn with(mut a: Value, b: Value) -> Value {
    a.as_object_mut().unwrap().extend(b.as_object().unwrap().clone());
    a
}

#[test]
fn subjects_are_those_people_filter_by() {
    let group = |critical: usize, warning: usize| {
        let levels = std::iter::repeat_n("critical", critical).chain(std::iter::repeat_n("warning", warning));
        let items = levels.enumerate().map(|(n, level)| item(alert(&n.to_string(), level))).collect();
        subject(&message(Kind::Raised, items))
    };
    assert_eq!(group(2, 1), "[Pulse Alert] 2 Critical, 1 Warning alerts");
    assert_eq!(group(1, 0), "[Pulse Alert] 1 Critical alert");
    assert_eq!(group(3, 0), "[Pulse Alert] 3 Critical alerts");
    assert_eq!(group(0, 1), "[Pulse Alert] 1 Warning alert");
    assert_eq!(group(0, 5), "[Pulse Alert] 5 Warning alerts");
    assert_eq!(group(500, 107), "[Pulse Alert] 500 Critical alerts and 107 more", "what is not listed is counted");
    let of = |kind: Kind, r#type: &str| {
        let mut one = item(alert("x", "warning"));
        one.alert.r#type = r#type.into();
        subject(&message(kind, vec![one]))
    };
    assert_eq!(of(Kind::Test, "cpu"), "[Pulse Alert] Warning: CPU on web");
    assert_eq!(of(Kind::Test, "diskRead"), "[Pulse Alert] Warning: Diskread on web");
    assert_eq!(of(Kind::Resolved, "cpu"), "[Pulse Alert] 1 alert resolved");
    assert_eq!(of(Kind::Escalated, "cpu"), "[Pulse Alert] Escalation 1: 1 Warning alert");
}

#[test]
fn a_mail_lists_every_alert_of_its_group_and_escapes_what_names_bring() {
    let mut items: Vec<_> = (0..40).map(|n| item(alert(&format!("vm-{n}"), "warning"))).collect();
    for (n, i) in items.iter_mut().enumerate() {
        i.alert.resource_name = format!("guest<{n}>&\"x\"");
    }
    items[0].unit = Unit::None;
    let mail = compose(&email(json!({})), &message(Kind::Raised, items), at(START_MS + 60_000)).unwrap();
    let text = String::from_utf8(mail.bytes).unwrap();
    for header in [
        "From: pulse@example.org",
        "To: admin@example.org",
        "X-Mailer: Pulse Monitoring System",
        "MIME-Version: 1.0",
        "Date: Wed, 27 Aug 2025 10:16:",
        "Message-ID: <",
        "Content-Type: multipart/alternative",
    ] {
        assert!(text.contains(header), "{header} in {}", &text[..600]);
    }
    assert!(text.is_ascii(), "nothing is sent in eight bits");
    assert!(text.lines().all(|l| l.len() <= 998));
    let plain = text.replace("=\r\n", "");
    for n in 0..40 {
        assert!(plain.contains(&format!("guest<{n}>&\"x\"")), "{n} in the text");
        assert!(plain.contains(&format!("guest&lt;{n}&gt;&amp;&quot;x&quot;")), "{n} in the HTML");
    }
}

#[test]
fn no_name_and_no_setting_adds_a_header_or_a_recipient() {
    let mut evil = item(alert("x", "critical"));
    evil.alert.resource_name = "a\r\nBcc: evil@example.org\r\n\r\nbody".into();
    let message = message(Kind::Test, vec![evil]);
    let mail = compose(&email(json!({})), &message, at(START_MS)).unwrap();
    let head = String::from_utf8(mail.bytes).unwrap().split("\r\n\r\n").next().unwrap().to_owned();
    assert!(!head.lines().any(|l| l.starts_with("Bcc:")), "{head}");
    for bad in ["a@b.c\r\nRCPT TO:<x@y.z>", "<a@b.c> SIZE=1", "no address", "a b@c", ">@x"] {
        assert!(compose(&email(json!({"to": [bad]})), &message, at(START_MS)).is_err(), "{bad:?}");
        assert!(compose(&email(json!({"from": bad})), &message, at(START_MS)).is_err(), "{bad:?}");
    }
}

#[test]
fn senders_recipients_and_reply_address_may_have_names() {
    let settings = email(
        json!({"from":"Pülse <p@example.org>","to":["Ann <a@example.org>","b@example.org"],"replyTo":"r@example.org"}),
    );
    let mail = compose(&settings, &raised(&["x"]), at(START_MS)).unwrap();
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("p@example.org", ["a@example.org".to_owned(), "b@example.org".into()].as_slice())
    );
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.contains("From: =?utf-8?") && text.contains("Reply-To: r@example.org"), "{text}");
    assert!(text.contains("To: Ann <a@example.org>, b@example.org"), "one mail to all");
    let alone = compose(&email(json!({"to": []})), &raised(&["x"]), at(START_MS)).unwrap();
    assert_eq!(alone.to, ["pulse@example.org"], "without recipients it goes to the sender");
}

#[test]
fn a_copy_has_the_same_message_id() {
    let id = |ms: i64| {
        let mail = compose(&email(json!({})), &raised(&["x"]), at(ms)).unwrap();
        let text = String::from_utf8(mail.bytes).unwrap();
        text.lines().find(|l| l.starts_with("Message-ID:")).unwrap().to_owned()
    };
    assert_eq!(id(START_MS), id(START_MS + 500_000));
}

#[test]
fn a_server_without_anything_special_gets_the_mail() {
    let peer = Peer::start(Manner::default());
    let sent = send_to(&peer, json!({"to": ["a@example.org", "b@example.org"]}), TIME);
    assert_eq!((sent.status, sent.answer.as_str(), sent.ok()), (250, "250 2.0.0 queued as 4711", true), "{sent:?}");
    let seen = peer.seen();
    assert!(seen.commands[0].starts_with("EHLO "));
    assert_eq!(
        seen.commands[1..],
        ["MAIL FROM:<pulse@example.org>", "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "QUIT"]
    );
    assert!(String::from_utf8(seen.mail).unwrap().contains("Subject: [Pulse Alert] 1 Warning alert\r\n"));
}

#[test]
fn a_server_that_does_not_know_ehlo_is_greeted_in_the_old_way() {
    let peer = Peer::start(Manner { old: true, ..Manner::default() });
    assert!(send_to(&peer, json!({}), TIME).ok());
    assert!(peer.seen().commands[1].starts_with("HELO "));
}

#[test]
fn tls_from_the_first_byte() {
    let peer = Peer::start(Manner { implicit: true, auth: "PLAIN LOGIN", ..Manner::default() });
    let sent = send_to(&peer, with(login(), json!({"security": "tls", "skipTLSVerify": true})), TIME);
    assert!(sent.ok(), "{sent:?}");
    let seen = peer.seen();
    assert!(seen.commands.iter().all(|c| c.starts_with("tls ")), "{:?}", seen.commands);
    let token = base64::encode("\0pulse\0p\u{e4}ss w0rd".as_bytes());
    assert!(seen.commands.contains(&format!("tls AUTH PLAIN {token}")));
}

#[test]
fn starttls_and_login_in_three_steps() {
    let peer = Peer::start(Manner { starttls: true, auth: "LOGIN", ..Manner::default() });
    let sent = send_to(&peer, with(login(), json!({"security": "starttls", "skipTLSVerify": true})), TIME);
    assert!(sent.ok(), "{sent:?}");
    let seen = peer.seen();
    assert_eq!(seen.commands[1], "STARTTLS");
    assert!(seen.commands[2].starts_with("tls EHLO "), "the server is asked again what it can do");
    assert_eq!(
        seen.commands[3..6],
        ["tls AUTH LOGIN".to_owned(), base64::encode(b"pulse"), base64::encode("p\u{e4}ss w0rd".as_bytes())]
    );
}

#[test]
fn a_certificate_nobody_signed_is_refused_unless_told_otherwise() {
    for (manner, security) in [
        (Manner { implicit: true, ..Manner::default() }, "tls"),
        (Manner { starttls: true, ..Manner::default() }, "starttls"),
        (Manner { starttls: true, auth: "PLAIN", ..Manner::default() }, "opportunistic"),
    ] {
        let peer = Peer::start(manner);
        let sent = send_to(&peer, with(login(), json!({ "security": security })), TIME);
        let why = sent.error.unwrap();
        assert!(why.contains("certificate was refused"), "{security}: {why}");
        assert_eq!(sent.retry, Retry::No);
        assert!(!peer.seen().commands.iter().any(|c| c.contains("AUTH") || c.contains("MAIL")));
    }
    let peer = Peer::start(Manner { starttls: true, ..Manner::default() });
    let sent = send_to(&peer, json!({"security": "opportunistic"}), TIME);
    assert!(sent.ok(), "without a password any encryption is better than none: {sent:?}");
    assert!(peer.seen().commands.iter().any(|c| c.starts_with("tls MAIL")));
}

#[test]
fn a_password_never_goes_out_in_clear_text_unasked() {
    // This machine is trusted, as in 4.9; its address in another spelling is not known to be this machine.
    let peer = Peer::start(Manner { auth: "PLAIN", ..Manner::default() });
    assert!(send_to(&peer, login(), TIME).ok());
    peer.seen();
    let sent = send_to(&peer, with(login(), json!({"server": "2130706433"})), TIME);
    assert!(sent.error.as_ref().unwrap().contains("not sent in clear text"), "{sent:?}");
    assert!(!peer.seen().commands.iter().any(|c| c.starts_with("AUTH")));
    assert!(send_to(&peer, with(login(), json!({"server": "2130706433", "security": "none"})), TIME).ok(), "asked for");
    let needs = Peer::start(Manner { auth: "PLAIN", ..Manner::default() });
    let sent = send_to(&needs, with(login(), json!({"security": "starttls"})), TIME);
    assert!(sent.error.unwrap().contains("does not offer STARTTLS"));
    assert!(!needs.seen().commands.iter().any(|c| c.starts_with("AUTH")));
}

#[test]
fn words_before_the_encryption_are_not_believed() {
    let inject = "220 go ahead\r\n250 2.0.0 queued";
    let peer = Peer::start(Manner { starttls: true, instead: vec![("STARTTLS", inject)], ..Manner::default() });
    let sent = send_to(&peer, json!({"security": "starttls", "skipTLSVerify": true}), TIME);
    assert!(sent.error.unwrap().contains("before the encryption"));
}

#[test]
fn refusals_come_back_in_the_servers_own_words() {
    let cases = [
        ("", "554 go away", Retry::No, "the connection"),
        ("MAIL", "550 5.7.1 sender not allowed", Retry::No, "the sender"),
        ("RCPT", "550 5.1.1 no such user", Retry::No, "the recipient admin@example.org"),
        ("RCPT", "451 4.7.1 greylisted, come back later", Retry::Later, "the recipient"),
        ("DATA", "452 disk full", Retry::Later, "the message"),
        (".", "554 5.7.1 looks like spam", Retry::No, "the message"),
    ];
    for (at, words, retry, step) in cases {
        let peer = Peer::start(Manner { instead: vec![(at, words)], ..Manner::default() });
        let sent = send_to(&peer, json!({}), TIME);
        let why = sent.error.unwrap();
        assert!(why.starts_with("failed to send email: the server refused "), "{why}");
        assert!(why.contains(step) && why.contains(words), "{why}");
        assert_eq!((sent.retry, sent.status), (retry, words[..3].parse().unwrap()));
    }
    let peer = Peer::start(Manner {
        auth: "PLAIN",
        instead: vec![("AUTH", "535 5.7.8 bad password p\u{e4}ss w0rd")],
        ..Manner::default()
    });
    let why = send_to(&peer, login(), TIME).error.unwrap();
    assert!(why.contains("the login: 535 5.7.8 bad password ***"), "{why}");
    let peer = Peer::start(Manner { auth: "GSSAPI XOAUTH2", ..Manner::default() });
    assert!(send_to(&peer, login(), TIME).error.unwrap().contains("GSSAPI, XOAUTH2"));
    let peer = Peer::start(Manner::default());
    assert!(send_to(&peer, login(), TIME).error.unwrap().contains("offers no login"));
}

#[test]
fn one_refused_recipient_does_not_keep_the_others_from_their_mail() {
    let peer = Peer::start(Manner { instead: vec![("RCPT TO:<gone", "550 no such user")], ..Manner::default() });
    let sent = send_to(&peer, json!({"to": ["gone@example.org", "here@example.org"]}), TIME);
    assert!(sent.ok(), "{sent:?}");
    assert!(
        sent.answer.contains("queued") && sent.answer.contains("gone@example.org: 550 no such user"),
        "{}",
        sent.answer
    );
    assert!(!peer.seen().mail.is_empty());
}

#[test]
fn a_server_that_hangs_drips_or_floods_is_left_at_the_deadline_and_costs_little() {
    for how in [Stall::Silent, Stall::Drip, Stall::Flood] {
        for at in ["", "EHLO", "RCPT", "."] {
            let peer = Peer::start(Manner { stalls_at: Some((at, how)), ..Manner::default() });
            let began = Instant::now();
            let sent = send_to(&peer, json!({}), Duration::from_millis(400));
            assert!(!sent.ok() && sent.retry == Retry::Later, "{at}: {sent:?}");
            assert!(began.elapsed() < Duration::from_secs(3), "{at}: {:?}", began.elapsed());
        }
    }
    let silent_tls = Peer::start(Manner { stalls_at: Some(("", Stall::Silent)), ..Manner::default() });
    let sent = send_to(&silent_tls, json!({"security": "tls"}), Duration::from_millis(400));
    assert!(sent.error.unwrap().contains("no answer in time"));
}

#[test]
fn a_server_that_drops_the_connection_gets_the_mail_again_later() {
    for at in ["EHLO", "MAIL", "DATA", "the middle of the message"] {
        let peer = Peer::start(Manner { drops_at: Some(at), ..Manner::default() });
        let sent = send_to(&peer, json!({}), TIME);
        assert!(!sent.ok() && sent.retry == Retry::Later, "{at}: {sent:?}");
    }
    let refused = send(email(json!({"port": 1})), raised(&["x"]), TIME);
    assert!(refused.error.unwrap().contains("failed to connect to 127.0.0.1:1"));
    let metadata = send(email(json!({"server": "169.254.169.254"})), raised(&["x"]), TIME);
    assert!(metadata.error.unwrap().contains("may not be called"));
}

#[test]
fn tls_where_none_is_spoken_is_said_clearly() {
    let peer = Peer::start(Manner::default());
    let why = send_to(&peer, json!({"security": "tls"}), TIME).error.unwrap();
    assert!(why.contains("does not speak TLS on this port"), "{why}");
    let not_mail = super::receiver::Receiver::start(vec![super::receiver::says(200, "")]);
    let why = send(email(json!({"port": not_mail.address.port()})), raised(&["x"]), Duration::from_millis(500))
        .error
        .unwrap();
    assert!(why.contains("in time") || why.contains("does not speak SMTP"), "{why}");
}

#[test]
fn incomplete_settings_are_named_in_4_9s_words() {
    let why = send(email(json!({"server": ""})), raised(&["x"]), TIME).error.unwrap();
    assert_eq!(why, "email configuration is incomplete: SMTP host and from address are required");
}
