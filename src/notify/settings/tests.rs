//! The documents: read, kept, merged, shown.

use super::*;

fn email(value: Value) -> Email {
    Email::from_value(value).unwrap()
}

#[test]
fn the_default_document_is_the_one_clients_know() {
    let shown = Email::default().shown();
    let reference = json!({"enabled":false,"provider":"","server":"","port":587,"username":"","password":"","from":"",
        "to":[],"tls":true,"startTLS":false});
    assert_eq!(shown, reference);
}

#[test]
fn a_blank_password_keeps_the_stored_one_and_null_removes_it() {
    let stored = email(json!({"server":"mail.lan","password":"hunter2"}));
    assert_eq!(stored.replaced_by(json!({"server":"mail.lan","password":""})).unwrap().password.expose(), "hunter2");
    assert_eq!(stored.replaced_by(json!({"server":"mail.lan"})).unwrap().password.expose(), "hunter2");
    assert!(stored.replaced_by(json!({"password":null})).unwrap().password.is_empty());
    assert_eq!(stored.replaced_by(json!({"password":"new"})).unwrap().password.expose(), "new");
    assert!(!stored.shown().to_string().contains("hunter2") && !format!("{stored:?}").contains("hunter2"));
}

#[test]
fn a_merged_body_changes_only_what_it_names() {
    let stored = email(json!({"server":"mail.lan","password":"p","from":"a@b.c","later":{"x":1}}));
    let merged = stored.merged_with(json!({"From":"d@e.f"})).unwrap();
    assert_eq!((merged.from.as_str(), merged.server.as_str(), merged.password.expose()), ("d@e.f", "mail.lan", "p"));
    assert_eq!(merged.rest["later"], json!({"x":1}));
}

#[test]
fn the_kind_of_connection_follows_port_and_switches() {
    let of = |port: u16, tls: bool, start: bool| email(json!({"port":port,"tls":tls,"startTLS":start})).transport();
    let table = [
        (465, false, false, Transport::Tls),
        (465, true, true, Transport::Tls),
        (587, true, false, Transport::StartTls),
        (25, true, false, Transport::StartTls),
        (2525, true, false, Transport::Tls),
        (2525, true, true, Transport::StartTls),
        (587, false, true, Transport::StartTls),
        (25, false, false, Transport::Opportunistic),
        (587, false, false, Transport::Opportunistic),
    ];
    for (port, tls, start, expected) in table {
        assert_eq!(of(port, tls, start), expected, "{port} {tls} {start}");
    }
    assert_eq!(email(json!({"port":465,"security":"none"})).transport(), Transport::Plain);
    assert!(Email::from_value(json!({"security":"ssl3"})).is_err());
}

#[test]
fn some_providers_have_one_user_name_for_all() {
    let login = |v: Value| email(v).login_name().to_owned();
    assert_eq!(login(json!({"server":"smtp.sendgrid.net","password":"k"})), "apikey");
    assert_eq!(login(json!({"provider":"Postmark","password":"tok"})), "tok");
    assert_eq!(login(json!({"server":"smtp.eu.sparkpostmail.com"})), "SMTP_Injection");
    assert_eq!(login(json!({"server":"smtp.resend.com","username":"me"})), "me");
    assert_eq!(login(json!({"server":"mail.lan"})), "");
}

#[test]
fn wrong_types_and_ports_are_refused_with_the_place() {
    assert!(Email::from_value(json!({"port":70000})).unwrap_err().contains("email.port"));
    assert!(Email::from_value(json!({"to":"a@b.c"})).unwrap_err().contains("email.to"));
    assert_eq!(email(json!({"to":null})).to, Vec::<String>::new());
    assert_eq!(email(json!({"from":" a@b.c ","to":[" ", ""]})).recipients(), ["a@b.c"]);
}

#[test]
fn the_presets_are_those_of_the_contract() {
    let list = serde_json::to_value(PROVIDERS).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 11);
    for provider in list.as_array().unwrap() {
        assert_eq!((&provider["smtpPort"], &provider["tls"]), (&json!(587), &json!(false)));
        assert_eq!((&provider["startTLS"], &provider["authRequired"]), (&json!(true), &json!(true)));
        assert!(provider["instructions"].as_str().unwrap().contains('\n'));
    }
    assert_eq!(list[3]["smtpHost"], "email-smtp.us-east-1.amazonaws.com");
    assert_eq!((&list[10]["name"], &list[10]["smtpHost"]), (&json!("Custom SMTP Server"), &json!("")));
}

#[test]
fn a_webhook_keeps_unknown_keys_and_absent_ones_when_changed() {
    let stored =
        Webhook::from_body(json!({"id":"w1","name":"n","url":"https://discord.com/api/webhooks/1/tok","enabled":true,
        "service":"discord","headers":{"Authorization":"Bearer abcd","X-Title":"t"},"later":[1]}))
        .unwrap();
    let changed = stored.changed_by(json!({"Enabled":false,"headers":{"authorization":"***","X-Title":"u"}})).unwrap();
    assert!(!changed.enabled && changed.service == "discord" && changed.rest["later"] == json!([1]));
    assert_eq!(changed.header("AUTHORIZATION"), Some("Bearer abcd"));
    assert_eq!(changed.header("x-title"), Some("u"));
    let masked = stored.shown(false)["url"].clone();
    assert_eq!(masked, "https://discord.com/api/webhooks/***/***");
    assert_eq!(stored.changed_by(json!({ "url": masked })).unwrap().url, stored.url);
    assert_eq!(stored.changed_by(json!({"id":"other"})).unwrap().id, "w1");
    let shown = stored.shown(true);
    assert_eq!(shown["url"], "https://discord.com/api/webhooks/1/tok");
    assert_eq!(shown["headers"], json!({"Authorization":"***","X-Title":"t"}));
    assert!(!format!("{stored:?}").contains("tok") && !format!("{stored:?}").contains("abcd"));
}

#[test]
fn a_webhook_without_headers_shows_null_as_4_9_does() {
    let shown = Webhook::from_body(json!({"name":"n","url":"http://x"})).unwrap().shown(true);
    assert_eq!(
        shown,
        json!({"id":"","name":"n","url":"http://x","method":"","headers":null,"enabled":false,"service":"","template":""})
    );
}

#[test]
fn addresses_follow_4_9s_rule() {
    assert_eq!(check_url("").unwrap_err(), "URL cannot be empty");
    assert_eq!(check_url("ftp://x/y").unwrap_err(), "URL must use http or https scheme");
    assert!(check_url("http://[::1").unwrap_err().starts_with("invalid URL format"));
    assert!(check_url("https://").is_err() && check_url("/path").is_err());
    assert!(check_url("http://192.168.1.5:8080/hook").is_ok());
}

#[test]
fn both_files_are_read_back_as_written_and_4_9_finds_its_keys() {
    let mut settings = Settings {
        email: email(
            json!({"enabled":true,"server":"mail.lan","port":25,"password":"p","from":"a@b.c","to":["d@e.f"],"mystery":1}),
        ),
        ..Settings::default()
    };
    settings.webhooks =
        vec![Webhook::from_body(json!({"id":"w","url":"http://x","headers":{"Authorization":"s3cr3t"}})).unwrap()];
    let email_bytes = settings.email_file();
    let plain: Value = serde_json::from_slice(&email_bytes).unwrap();
    assert_eq!((&plain["password"], &plain["startTLS"], &plain["mystery"]), (&json!("p"), &json!(false), &json!(1)));
    assert!(plain.get("notifications").is_none(), "nothing beside 4.9's keys until it is used");
    settings.routes = vec![Route::from_value(json!({"tags":["prod"],"channels":["email"]})).unwrap()];
    settings.heartbeat = Heartbeat::from_value(
        json!({"enabled":true,"url":"https://hc-ping.com/u","headers":{"X-Token":"t0ken"}}),
        &Heartbeat::default(),
    )
    .unwrap();
    let again = Settings::from_files(Some(&settings.email_file()), Some(&settings.webhooks_file())).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn a_heartbeat_hides_its_address_and_takes_it_back() {
    let stored = Heartbeat::from_value(
        json!({"url":"https://hc-ping.com/secret-uuid","intervalMinutes":0}),
        &Heartbeat::default(),
    )
    .unwrap();
    assert_eq!(stored.interval_minutes, 1);
    let shown = stored.shown();
    assert_eq!(shown["url"], "https://hc-ping.com/***");
    assert_eq!(Heartbeat::from_value(shown, &stored).unwrap(), stored);
    assert!(Heartbeat::from_value(json!({"enabled":true}), &Heartbeat::default()).is_err());
    assert!(Heartbeat::from_value(json!({"method":"DELETE"}), &stored).is_err());
}

#[test]
fn routes_match_tags_levels_and_connections() {
    let route = Route::from_value(json!({"tags":["prod","db"],"levels":["critical"],"channels":["email"]})).unwrap();
    let tags = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    assert!(route.matches("critical", "homelab", &tags(&["x", "PROD"])));
    assert!(!route.matches("warning", "homelab", &tags(&["prod"])));
    assert!(!route.matches("critical", "homelab", &tags(&[])));
    assert!(Route::from_value(json!({"tags":["a"]})).is_err(), "a route without channels would lose alerts");
}
