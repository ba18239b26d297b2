//! `GET /api/notifications/webhook-templates` (contract state.md 7.6): what the page offers, with a template of each
//! service's payload that can serve as the start of one's own. The texts live in `templates/`.

use crate::json::{json, put};
use serde_json::{Map, Value};

/// One service on offer.
#[derive(Debug, Clone, Copy)]
pub struct Catalogued {
    pub service: &'static str,
    pub name: &'static str,
    /// Shown in the empty field for the address.
    pub url_pattern: &'static str,
    pub method: &'static str,
    pub payload_template: &'static str,
    pub instructions: &'static str,
}

macro_rules! payload {
    ($name:literal) => {
        include_str!(concat!("templates/", $name, ".tmpl"))
    };
}

const fn on_offer(
    service: &'static str,
    name: &'static str,
    url_pattern: &'static str,
    payload_template: &'static str,
    instructions: &'static str,
) -> Catalogued {
    Catalogued { service, name, url_pattern, method: "POST", payload_template, instructions }
}

/// 4.9's eight first, in its order.
pub fn catalogue() -> [Catalogued; 15] {
    [
        on_offer(
            "discord",
            "Discord Webhook",
            "https://discord.com/api/webhooks/{webhook_id}/{webhook_token}",
            payload!("discord"),
            "1. In Discord: Server Settings > Integrations > Webhooks > New Webhook\n2. Choose the channel and copy the webhook URL\n3. Paste it here",
        ),
        on_offer(
            "telegram",
            "Telegram Bot",
            "https://api.telegram.org/bot{bot_token}/sendMessage",
            payload!("telegram"),
            "1. Create a bot with @BotFather and copy its token\n2. Find the chat's id (a number, negative for groups) or use the @name of a channel\n3. URL: https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat id>",
        ),
        on_offer(
            "slack",
            "Slack Incoming Webhook",
            "https://hooks.slack.com/services/{webhook_path}",
            payload!("slack"),
            "1. Create a Slack app and turn on Incoming Webhooks\n2. Add a webhook to the channel and copy its URL\n3. Paste it here",
        ),
        on_offer(
            "teams",
            "Microsoft Teams",
            "https://{tenant}.webhook.office.com/webhookb2/{webhook_path}",
            payload!("teams"),
            "The older connector format, which Microsoft is retiring: for new webhooks choose Adaptive Card.\n1. In the channel: Connectors > Incoming Webhook\n2. Copy the URL and paste it here",
        ),
        on_offer(
            "pagerduty",
            "PagerDuty Events API v2",
            "https://events.pagerduty.com/v2/enqueue",
            payload!("pagerduty"),
            "1. In PagerDuty: add the integration Events API v2 to a service\n2. Add a header named routing_key with the integration key as its value\n3. URL: https://events.pagerduty.com/v2/enqueue\nIncidents are acknowledged and resolved together with their alerts",
        ),
        on_offer(
            "teams-adaptive",
            "Microsoft Teams (Adaptive Card)",
            "https://{tenant}.webhook.office.com/webhookb2/{webhook_path}",
            payload!("teams-adaptive"),
            "1. In Teams: Workflows > Post to a channel when a webhook request is received\n2. Copy the workflow's URL and paste it here",
        ),
        on_offer(
            "gotify",
            "Gotify",
            "https://{your-gotify-server}/message?token={your-app-token}",
            payload!("gotify"),
            "1. In Gotify: Apps > Create Application and copy its token\n2. URL: https://<server>/message?token=<token>, or the URL without token and a header X-Gotify-Key",
        ),
        on_offer(
            "generic",
            "Generic JSON Webhook",
            "",
            payload!("generic"),
            "Sends all alerts of a group as one JSON object. Headers and a template of your own are optional",
        ),
        on_offer(
            "ntfy",
            "ntfy",
            "https://ntfy.sh/{topic}",
            payload!("ntfy"),
            "1. Choose a topic that nobody guesses\n2. URL: https://ntfy.sh/<topic>, or the one of your own server\n3. Protected topics: add a header Authorization with the value Bearer <access token>",
        ),
        on_offer(
            "pushover",
            "Pushover",
            "https://api.pushover.net/1/messages.json",
            payload!("pushover"),
            "1. Create an application in Pushover and copy its API token\n2. Add the fields token (the application's) and user (yours or the group's)\n3. URL: https://api.pushover.net/1/messages.json",
        ),
        on_offer(
            "mattermost",
            "Mattermost",
            "https://{your-mattermost-server}/hooks/{webhook_id}",
            payload!("mattermost"),
            "1. In Mattermost: Integrations > Incoming Webhooks > Add\n2. Copy the URL and paste it here",
        ),
        Catalogued {
            method: "PUT",
            ..on_offer(
                "matrix",
                "Matrix",
                "https://{homeserver}/_matrix/client/v3/rooms/{room_id}",
                payload!("matrix"),
                "1. Create a user for Pulse, let it join the room, and get its access token\n2. URL: https://<homeserver>/_matrix/client/v3/rooms/<room id, e.g. !abc:example.org>\n3. Add a header Authorization with the value Bearer <access token>",
            )
        },
        on_offer(
            "apprise",
            "Apprise API",
            "https://{your-apprise-server}/notify/{key}",
            payload!("apprise"),
            "URL: https://<server>/notify/<key>; a field tag chooses among the key's services",
        ),
        on_offer(
            "alertmanager",
            "Prometheus Alertmanager",
            "https://{your-receiver}/webhook",
            payload!("alertmanager"),
            "Alertmanager's webhook format, version 4, for Karma, Keep, Alerta and the like.\nA URL that ends in /api/v2/alerts pushes to an Alertmanager itself",
        ),
        on_offer(
            "healthchecks",
            "Healthchecks.io",
            "https://hc-ping.com/{uuid}",
            payload!("healthchecks"),
            "URL: the ping URL of the check. Alerts signal a failure (/fail), their end a success",
        ),
    ]
}

impl Catalogued {
    /// The item of the list.
    pub fn shown(&self) -> Value {
        let content_type =
            if self.service == "healthchecks" { "text/plain; charset=utf-8" } else { "application/json" };
        let mut headers = Map::new();
        put(&mut headers, "Content-Type", json!(content_type));
        if self.service == "pagerduty" {
            put(&mut headers, "Accept", json!("application/vnd.pagerduty+json;version=2"));
        }
        json!({
            "service": self.service,
            "name": self.name,
            "urlPattern": self.url_pattern,
            "method": self.method,
            "headers": headers,
            "payloadTemplate": self.payload_template,
            "instructions": self.instructions,
        })
    }
}
