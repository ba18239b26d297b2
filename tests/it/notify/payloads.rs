//! What each service is sent, checked against the fields and limits it documents, for names that try to break out.

use super::scene::{START_MS, alert, at, item, message, webhook};
use pulse::alerts::outgoing::{Item, Unit};
use pulse::model::Alert;
use pulse::notify::settings::Webhook;
use pulse::notify::{HttpRequest, Kind, Message, request};
use serde_json::{Value, json};

/// Names and messages that people and attackers give.
fn nasty() -> Vec<String> {
    let mut list: Vec<String> = [
        "web",
        "say \"hi\"",
        "C:\\temp\\",
        "two\nlines\r\nand a\ttab",
        "\u{1f525}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} caf\u{e9} \u{65e5}\u{672c}",
        "*bold* _it_ `code` [a](http://x) ~~s~~ # h > q | t",
        "<b>html</b> &amp; <script>alert(1)</script> <!channel> <@U1>",
        "@everyone @here @channel",
        "{{.Level}} ${x} %s %d",
        "nul\u{0} bell\u{7} esc\u{1b}[31m",
        "\u{202e}right to left",
        "",
    ]
    .map(str::to_owned)
    .into();
    list.push("x".repeat(5_000));
    list.push("\"".repeat(3_000));
    list
}

fn named(n: usize, name: &str) -> Item {
    let alert = Alert {
        resource_name: name.to_owned(),
        message: format!("VM cpu of {name} at 91.2%"),
        node: name.to_owned(),
        ..alert(&format!("pve1-{n}-{name}"), if n.is_multiple_of(2) { "critical" } else { "warning" })
    };
    item(alert)
}

/// Every message of the test: single, groups, all kinds, all names.
fn messages() -> Vec<Message> {
    let mut out = Vec::new();
    for name in nasty() {
        for kind in [Kind::Raised, Kind::Escalated, Kind::Resolved] {
            for count in [1, 3, 40] {
                out.push(message(kind, (0..count).map(|n| named(n, &name)).collect()));
            }
        }
    }
    let mut offline = named(0, "alpha");
    offline.unit = Unit::None;
    offline.host = String::new();
    out.push(message(Kind::Raised, vec![offline]));
    let mut odd_host = named(0, "alpha");
    odd_host.host = "javascript:alert(1)".into();
    out.push(message(Kind::Raised, vec![odd_host]));
    let many = (0..800).map(|n| named(n, "n")).collect();
    out.push(message(Kind::Raised, many));
    out
}

fn sent(webhook: &Webhook, message: &Message) -> HttpRequest {
    request(webhook, message, at(START_MS + 125_000)).unwrap().unwrap()
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).expect("the body is JSON")
}

/// Checks every message's body.
fn each(hook: &Value, mut check: impl FnMut(&Message, &Value, &HttpRequest)) {
    let webhook = webhook(hook.clone());
    for message in messages() {
        let request = sent(&webhook, &message);
        check(&message, &body(&request), &request);
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

fn no_longer(value: &Value, most: usize, what: &str) {
    let length = value.as_str().unwrap_or_else(|| panic!("{what}: {value}")).chars().count();
    assert!(length <= most, "{what} has {length} of {most} characters");
}

fn is_http(url: &str) -> bool {
    let uri: Result<ureq::http::Uri, _> = url.parse();
    uri.is_ok_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some())
}

fn time(value: &Value) {
    assert!(pulse::model::Time::parse(value.as_str().unwrap()).is_some(), "{value}");
}

fn single() -> Message {
    message(Kind::Raised, vec![item(alert("pve1-101-cpu", "critical"))])
}

#[test]
fn discord() {
    each(&json!({"service":"discord"}), |message, body, _| {
        let embeds = body["embeds"].as_array().unwrap();
        assert!((1..=10).contains(&embeds.len()));
        let mut all = 0;
        for embed in embeds {
            no_longer(&embed["title"], 256, "title");
            no_longer(&embed["description"], 4096, "description");
            assert!(!text(embed, "/description").is_empty());
            assert!(embed.get("url").is_none_or(|u| is_http(u.as_str().unwrap())), "{embed}");
            assert!(embed["color"].as_u64().unwrap() <= 0xFF_FFFF);
            time(&embed["timestamp"]);
            let fields = embed["fields"].as_array().unwrap();
            assert!(fields.len() <= 25);
            for field in fields {
                no_longer(&field["name"], 256, "field name");
                no_longer(&field["value"], 1024, "field value");
                assert!(!text(field, "/value").is_empty() && field["inline"].is_boolean());
                all += text(field, "/name").chars().count() + text(field, "/value").chars().count();
            }
            all += text(embed, "/title").chars().count() + text(embed, "/description").chars().count();
            all += text(embed, "/footer/text").chars().count();
        }
        assert!(all <= 6000, "{all} characters in all embeds");
        if let Some(content) = body.get("content") {
            no_longer(content, 2000, "content");
        }
        assert_eq!(body["allowed_mentions"], json!({"parse": []}), "no name calls people");
        if message.count() > 10 {
            assert!(text(body, "/content").contains(&format!("and {} more alerts", message.count() - 10)), "{body}");
        }
    });
    let body = body(&sent(&webhook(json!({"service":"discord","mention":"<@&42>"})), &single()));
    let reference = json!({"title":"Pulse Alert: Critical","description":"web: VM cpu at 91.2%","url":"https://192.0.2.10:8006",
        "color":15158332,"timestamp":at(START_MS + 125_000),"footer":body["embeds"][0]["footer"],"fields":[
        {"name":"Resource","value":"web","inline":true},{"name":"Node","value":"alpha","inline":true},
        {"name":"Type","value":"Cpu","inline":true},{"name":"Value","value":"91.2%","inline":true},
        {"name":"Threshold","value":"80%","inline":true},{"name":"Duration","value":"2m","inline":true}]});
    assert_eq!(body["embeds"][0], reference);
    assert_eq!((&body["username"], &body["content"]), (&json!("Pulse Monitoring"), &json!("<@&42>")));
}

#[test]
fn slack() {
    each(&json!({"service":"slack"}), |_, body, _| {
        no_longer(&body["text"], 3000, "text");
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            match text(block, "/type") {
                "header" => {
                    assert_eq!(block["text"]["type"], "plain_text");
                    no_longer(&block["text"]["text"], 150, "header");
                }
                "section" => {
                    let fields = block["fields"].as_array().cloned().unwrap_or_default();
                    assert!(fields.len() <= 10 && (block.get("text").is_some() != block.get("fields").is_some()));
                    fields.iter().for_each(|f| no_longer(&f["text"], 2000, "field"));
                    if block.get("text").is_some() {
                        no_longer(&block["text"]["text"], 3000, "section");
                        assert!(!text(block, "/text/text").is_empty());
                    }
                }
                "context" => assert!((1..=10).contains(&block["elements"].as_array().unwrap().len())),
                other => panic!("block {other}"),
            }
        }
        let is_marked = |b: &&Value| b["type"] != "header";
        let marked: String =
            blocks.iter().filter(is_marked).map(Value::to_string).collect::<String>() + text(body, "/text");
        assert!(!marked.contains("<!channel>") && !marked.contains("<@U1>"), "no name calls people");
    });
    let body = body(&sent(&webhook(json!({"service":"slack"})), &single()));
    assert_eq!(body["text"], "Pulse Alert: Critical - web");
    assert_eq!(body["blocks"][2]["fields"][0]["text"], "*Resource:*\nweb");
    assert_eq!(body["blocks"][3]["elements"][0]["text"], "<https://192.0.2.10:8006|Proxmox>");
    assert_eq!(body["blocks"][3]["elements"][1]["text"], "Alert ID: pve1-101-cpu");
}

#[test]
fn mattermost() {
    each(&json!({"service":"mattermost"}), |_, body, _| {
        no_longer(&body["text"], 16_383, "text");
        let attachments = body["attachments"].as_array().unwrap();
        assert!(attachments.len() <= 10);
        for a in attachments {
            assert!(a.get("title_link").is_none_or(|u| is_http(u.as_str().unwrap())));
            let color = text(a, "/color");
            assert!(color.len() == 7 && color.starts_with('#'), "{color}");
        }
        assert!(!body.to_string().contains("@channel VM") && !text(body, "/text").contains("@here"));
    });
}

#[test]
fn telegram() {
    let url = "https://api.telegram.org/bot1:A/sendMessage?chat_id=-100123&message_thread_id=7";
    each(&json!({"service":"telegram","url":url}), |_, body, request| {
        assert_eq!(
            (&body["chat_id"], &body["parse_mode"], &body["message_thread_id"]),
            (&json!("-100123"), &json!("HTML"), &json!(7))
        );
        assert_eq!(body["disable_web_page_preview"], true);
        assert_eq!(request.url, "https://api.telegram.org/bot1:A/sendMessage");
        let html = text(body, "/text");
        // Only the tags of ours, each closed.
        let bare = html.replace("<b>", "").replace("</b>", "").replace("</a>", "");
        let shown = bare
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#39;", "'")
            .replace("&amp;", "&");
        assert!(
            shown.encode_utf16().count() <= 4096,
            "the limit counts what is shown: {}",
            shown.encode_utf16().count()
        );
        let opened = bare.matches('<').count();
        assert_eq!(opened, bare.matches("<a href=\"http").count(), "{html}");
    });
    let url = |query: &str| {
        webhook(json!({"service":"telegram","url":format!("https://api.telegram.org/bot1:A/sendMessage{query}")}))
    };
    for (query, fine) in [
        ("?chat_id=@pulse_alerts", true),
        ("?chat_id=42", true),
        ("", false),
        ("?chat_id=a b", false),
        ("?chat_id=@", false),
    ] {
        assert_eq!(request(&url(query), &single(), at(START_MS)).is_ok(), fine, "{query}");
    }
}

#[test]
fn matrix() {
    let url = "https://matrix.org/_matrix/client/v3/rooms/!abc:matrix.org";
    each(&json!({"service":"matrix","url":url}), |message, body, request| {
        assert_eq!(request.method, "PUT");
        assert_eq!(request.url, format!("{url}/send/m.room.message/{}", message.key), "copies have one transaction id");
        assert!(["m.text", "m.notice"].contains(&text(body, "/msgtype")));
        assert!(request.body.len() < 60_000, "an event has at most 64 kB");
        let bare = text(body, "/formatted_body").replace("<strong>", "").replace("</strong>", "").replace("<br>", "");
        assert!(!bare.contains('<') && !bare.contains('>'), "{bare}");
    });
    let bad = webhook(json!({"service":"matrix","url":"https://matrix.org/"}));
    assert!(request(&bad, &single(), at(START_MS)).is_err());
}

#[test]
fn teams() {
    each(&json!({"service":"teams"}), |_, body, request| {
        assert_eq!(
            (&body["@type"], &body["@context"]),
            (&json!("MessageCard"), &json!("http://schema.org/extensions"))
        );
        assert!(["FF0000", "FFA500", "00FF00"].contains(&text(body, "/themeColor")));
        assert!(!text(body, "/summary").is_empty());
        assert!(request.body.len() < 28 * 1024, "{} bytes", request.body.len());
        for section in body["sections"].as_array().unwrap() {
            assert_eq!(section["markdown"], true);
        }
        if let Some(actions) = body.get("potentialAction") {
            assert!(is_http(text(actions, "/0/targets/0/uri")));
        }
        assert!(request.failure_words.is_some(), "Teams says 200 and means failure");
    });
    each(&json!({"service":"teams-adaptive"}), |_, body, request| {
        assert_eq!(body["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &body["attachments"][0]["content"];
        assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
        assert!(["Attention", "Warning", "Good"].contains(&text(card, "/body/0/color")));
        assert!(request.body.len() < 28 * 1024, "{} bytes", request.body.len());
        assert!(card.get("actions").is_none_or(|a| is_http(text(a, "/0/url"))));
    });
}

#[test]
fn pagerduty() {
    let hook = json!({"service":"pagerduty","url":"https://events.pagerduty.com/v2/enqueue","headers":{"routing_key":"R0UTE"}});
    each(&hook, |message, body, request| {
        assert_eq!(body["routing_key"], "R0UTE");
        no_longer(&body["dedup_key"], 255, "dedup_key");
        assert!(request.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("routing_key")), "it is no header");
        if message.kind == Kind::Resolved {
            assert_eq!(body["event_action"], "resolve");
            return;
        }
        assert_eq!(body["event_action"], "trigger");
        no_longer(&body["payload"]["summary"], 1024, "summary");
        assert!(["critical", "warning", "info", "error"].contains(&text(body, "/payload/severity")));
        assert!(!text(body, "/payload/source").is_empty() && !text(body, "/payload/summary").is_empty());
        time(&body["payload"]["timestamp"]);
        assert!(body.get("client_url").is_none_or(|u| is_http(u.as_str().unwrap())));
        assert!(request.body.len() < 512 * 1024);
    });
    let pager = webhook(hook);
    let acknowledged = Message::acknowledged(alert("pve1-101-cpu", "critical"), at(START_MS));
    let body = body(&sent(&pager, &acknowledged));
    assert_eq!(body, json!({"routing_key":"R0UTE","event_action":"acknowledge","dedup_key":"pve1-101-cpu"}));
    assert!(request(&webhook(json!({"service":"pagerduty"})), &single(), at(START_MS)).is_err(), "without a key");
}

#[test]
fn gotify() {
    each(&json!({"service":"gotify"}), |message, body, _| {
        assert!((0..=10).contains(&body["priority"].as_i64().unwrap()));
        assert!(!text(body, "/title").is_empty() && !text(body, "/message").is_empty());
        assert_eq!(body["extras"]["client::display"]["contentType"], "text/markdown");
        if message.items.len() == 1 {
            assert!(body["extras"]["pulse::alert"]["value"].is_number());
        }
    });
}

#[test]
fn ntfy() {
    each(&json!({"service":"ntfy","url":"https://ntfy.sh/my-alerts"}), |_, body, request| {
        assert_eq!((&body["topic"], request.url.as_str()), (&json!("my-alerts"), "https://ntfy.sh/"));
        assert!((1..=5).contains(&body["priority"].as_i64().unwrap()));
        assert!(text(body, "/message").len() <= 4096, "longer ones become attachments");
        assert!(body["tags"].as_array().unwrap().iter().all(Value::is_string));
        assert!(body.get("click").is_none_or(|u| is_http(u.as_str().unwrap())));
    });
    let url = |url: &str| {
        request(&webhook(json!({"service":"ntfy","url":url})), &single(), at(START_MS)).map(|r| r.unwrap().url)
    };
    assert_eq!(url("http://ntfy.lan:8080/base/topic?auth=abc").unwrap(), "http://ntfy.lan:8080/base/?auth=abc");
    assert!(url("https://ntfy.sh/").is_err());
}

#[test]
fn pushover() {
    let hook = json!({"service":"pushover","url":"https://api.pushover.net/1/messages.json","customFields":{"token":"T","user":"U"}});
    each(&hook, |_, body, _| {
        assert_eq!((&body["token"], &body["user"]), (&json!("T"), &json!("U")));
        no_longer(&body["title"], 250, "title");
        no_longer(&body["message"], 1024, "message");
        assert!(!text(body, "/message").is_empty());
        assert!((-2..=2).contains(&body["priority"].as_i64().unwrap()));
        assert!(body.get("url").is_none_or(|u| u.as_str().unwrap().len() <= 512));
    });
    let loud = webhook(
        json!({"service":"pushover","url":"https://api.pushover.net/1/messages.json?token=T&user=U&priority=2"}),
    );
    let request = sent(&loud, &single());
    let body = body(&request);
    assert_eq!((&body["priority"], &body["retry"], &body["expire"]), (&json!(2), &json!(60), &json!(3600)));
    assert!(!request.url.contains('T'), "{}", request.url);
}

#[test]
fn apprise_and_healthchecks() {
    each(&json!({"service":"apprise","customFields":{"tag":"ops"}}), |message, body, _| {
        assert!(["info", "success", "warning", "failure"].contains(&text(body, "/type")));
        assert_eq!((&body["format"], &body["tag"]), (&json!("text"), &json!("ops")));
        assert!(!text(body, "/body").is_empty());
        assert_eq!(message.kind == Kind::Resolved, body["type"] == "success");
    });
    let check = webhook(json!({"service":"healthchecks","url":"https://hc-ping.com/0f-1?create=1"}));
    for message in messages() {
        let request = sent(&check, &message);
        let fail = if message.kind == Kind::Resolved { "" } else { "/fail" };
        assert_eq!(request.url, format!("https://hc-ping.com/0f-1{fail}?create=1"));
        assert!(!request.body.is_empty() && request.body.len() <= 100_000);
    }
}

#[test]
fn alertmanager() {
    each(&json!({"service":"alertmanager"}), |message, body, _| {
        let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = [
            "alerts",
            "commonAnnotations",
            "commonLabels",
            "externalURL",
            "groupKey",
            "groupLabels",
            "receiver",
            "status",
            "truncatedAlerts",
            "version",
        ];
        assert_eq!(keys, wanted);
        assert_eq!(body["version"], "4");
        let resolved = message.kind == Kind::Resolved;
        assert_eq!(body["status"], if resolved { "resolved" } else { "firing" });
        for alert in body["alerts"].as_array().unwrap() {
            assert!(alert["labels"].as_object().unwrap().values().all(Value::is_string));
            assert!(alert["annotations"].as_object().unwrap().values().all(Value::is_string));
            assert!(!text(alert, "/labels/alertname").is_empty());
            assert_eq!(text(alert, "/fingerprint").len(), 16);
            time(&alert["startsAt"]);
            assert_eq!(alert["endsAt"] == "0001-01-01T00:00:00Z", !resolved);
        }
        for (name, value) in body["commonLabels"].as_object().unwrap() {
            assert!(body["alerts"].as_array().unwrap().iter().all(|a| a["labels"][name] == *value));
        }
    });
    let push = webhook(json!({"service":"alertmanager","url":"http://am.lan:9093/api/v2/alerts"}));
    let list = body(&sent(&push, &single()));
    assert!(list.is_array() && list[0].get("endsAt").is_none() && list[0].get("status").is_none());
}

#[test]
fn generic_and_unknown_services_get_4_9s_object() {
    for service in ["", "generic", "something-new"] {
        each(&json!({ "service": service }), |message, body, request| {
            assert_eq!((&body["grouped"], &body["source"]), (&json!(true), &json!("pulse-monitoring")));
            assert_eq!(body["count"].as_u64().unwrap(), message.count());
            assert_eq!(body["timestamp"], START_MS / 1000 + 125);
            let first = &body["alerts"][0];
            assert_eq!(first["resourceName"].as_str(), Some(message.items[0].alert.resource_name.as_str()));
            assert_eq!((&first["instance"], &first["lastSeen"]), (&json!("homelab"), &json!("0001-01-01T00:00:00Z")));
            assert!(request.headers.contains(&("Content-Type".into(), "application/json".into())));
            assert!(request.headers.contains(&("User-Agent".into(), "Pulse-Monitoring/2.0".into())));
        });
    }
}

#[test]
fn custom_templates_stay_valid_whatever_the_names() {
    let document = r#"{"alert": "{{.Level}}: {{.Message}}", "value": {{.Value}}}"#;
    each(&json!({ "template": document }), |message, body, _| {
        let expected = format!("{}: {}", message.items[0].alert.level, message.items[0].alert.message);
        assert!(text(body, "/alert").starts_with(&expected));
        assert_eq!(body["value"], 91.23456);
    });
    let list = r#"{"n": {{.AlertCount}}, "names": [{{range $i, $a := .Alerts}}{{if $i}},{{end}}"{{$a.ResourceName}}"{{end}}]}"#;
    each(&json!({ "template": list }), |message, body, _| {
        assert_eq!(body["n"].as_u64().unwrap(), message.count());
        let names: Vec<&str> = body["names"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        assert!(message.items.iter().map(|i| i.alert.resource_name.as_str()).eq(names));
    });
    let wrong = body(&sent(&webhook(json!({"template":"{\"at\": {{.Timestamp}}}"})), &single()));
    assert_eq!(wrong["source"], "pulse-monitoring", "a template that fails does not lose the message");
    let plain = webhook(json!({"template":"{{.Message}}","headers":{"Content-Type":"text/plain"}}));
    assert_eq!(sent(&plain, &single()).body, b"VM cpu at 91.2%");
    let picky = webhook(json!({"template":"{{if eq .Level \"warning\"}}{\"a\":1}{{end}}"}));
    assert!(request(&picky, &single(), at(START_MS)).unwrap().is_none(), "a template may choose to send nothing");
    let fields = webhook(
        json!({"template":"{\"k\":\"{{.CustomFields.key}} {{.Instance}} {{.ValueFormatted}}\"}","customFields":{"key":"v"}}),
    );
    assert_eq!(body(&sent(&fields, &single()))["k"], "v https://192.0.2.10:8006 91.2%");
}

// Row 77: rates were printed as percent, and `0.0%` for what is offline.
#[test]
fn row_77_alerts_without_figures_have_none_in_the_message() {
    let mut offline = item(alert("node-offline-pve1-alpha", "critical"));
    offline.unit = Unit::None;
    offline.alert.value = 0.0;
    let message = message(Kind::Raised, vec![offline]);
    for service in
        ["discord", "slack", "telegram", "teams", "teams-adaptive", "gotify", "ntfy", "mattermost", "matrix", "apprise"]
    {
        let url = "https://x.example/rooms/!r:x?chat_id=1&topic=t";
        let body = body(&sent(&webhook(json!({ "service": service, "url": url })), &message)).to_string();
        assert!(!body.contains("0.0%") && !body.contains("Threshold"), "{service}: {body}");
    }
    let mut network = item(alert("x", "warning"));
    network.unit = Unit::MegabytesPerSecond;
    network.alert.value = 12.34;
    let body = body(&sent(&webhook(json!({"service":"discord"})), &super::scene::message(Kind::Raised, vec![network])));
    assert_eq!(body["embeds"][0]["fields"][3]["value"], "12.3 MB/s");
}

#[test]
fn the_administrators_headers_win_and_copies_are_marked() {
    let hook =
        webhook(json!({"headers":{"user-agent":"mine","X-Token":"s3cret","Content-Type":"application/vnd.x+json"}}));
    let request = sent(&hook, &single());
    let last =
        |name: &str| request.headers.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    assert_eq!((last("User-Agent"), last("X-Token")), (Some("mine"), Some("s3cret")));
    assert_eq!(last("Content-Type"), Some("application/vnd.x+json"));
    assert_eq!(last("X-Pulse-Delivery"), Some(single().key.as_str()));
    assert!(!format!("{request:?}").contains("s3cret"));
}
