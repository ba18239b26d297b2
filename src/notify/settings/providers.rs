//! Presets of mail providers (contract state.md 7.4): data, and the fixed user names some of them have.

use serde::Serialize;

/// One preset of `/api/notifications/email-providers`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    pub name: &'static str,
    pub smtp_host: &'static str,
    pub smtp_port: u16,
    pub tls: bool,
    #[serde(rename = "startTLS")]
    pub start_tls: bool,
    pub auth_required: bool,
    pub instructions: &'static str,
}

const fn preset(name: &'static str, smtp_host: &'static str, instructions: &'static str) -> Provider {
    Provider { name, smtp_host, smtp_port: 587, tls: false, start_tls: true, auth_required: true, instructions }
}

/// In the order clients list them.
pub const PROVIDERS: [Provider; 11] = [
    preset(
        "Gmail / Google Workspace",
        "smtp.gmail.com",
        "1. Turn on 2-step verification for the Google account\n\
         2. Create an app password at https://myaccount.google.com/apppasswords\n\
         3. Username: the full mail address\n\
         4. Password: the app password, not the one of the account",
    ),
    preset(
        "SendGrid",
        "smtp.sendgrid.net",
        "1. Create an API key with the permission \"Mail Send\" (Settings > API Keys)\n\
         2. Username: the word apikey\n\
         3. Password: the API key\n\
         4. The From address must be a verified sender",
    ),
    preset(
        "Mailgun",
        "smtp.mailgun.org",
        "1. Add and verify the domain\n\
         2. Take the SMTP credentials of the domain (Sending > Domain settings > SMTP credentials)\n\
         3. Username and password: those of the domain\n\
         EU region: use the server smtp.eu.mailgun.org",
    ),
    preset(
        "Amazon SES (US East)",
        "email-smtp.us-east-1.amazonaws.com",
        "1. Verify the domain or the address in the SES console\n\
         2. Create SMTP credentials there (they differ from access keys)\n\
         3. Ask for production access: in the sandbox only verified addresses get mail\n\
         Other regions: replace us-east-1 in the server's name, e.g. eu-west-1",
    ),
    preset(
        "Microsoft 365 / Outlook",
        "smtp.office365.com",
        "Microsoft is retiring logins with user name and password; an app password is needed.\n\
         1. Turn on two-step verification\n\
         2. Create an app password under Security > Advanced security options\n\
         3. Username: the full mail address\n\
         4. Password: the app password\n\
         Work or school accounts: an administrator may have to allow \"Authenticated SMTP\" for the mailbox",
    ),
    preset(
        "Brevo (formerly Sendinblue)",
        "smtp-relay.brevo.com",
        "1. Open SMTP & API > SMTP\n\
         2. Username: the login shown there\n\
         3. Password: an SMTP key, not the one of the account\n\
         4. The From address must be a confirmed sender",
    ),
    preset(
        "Postmark",
        "smtp.postmarkapp.com",
        "1. Create a server and open its API Tokens\n\
         2. Username: the server token\n\
         3. Password: the same server token\n\
         4. The From address must be a confirmed sender signature",
    ),
    preset(
        "SparkPost",
        "smtp.sparkpostmail.com",
        "1. Create an API key with the permission \"Send via SMTP\"\n\
         2. Username: SMTP_Injection\n\
         3. Password: the API key\n\
         4. Verify the sending domain\n\
         EU: use the server smtp.eu.sparkpostmail.com",
    ),
    preset(
        "Resend",
        "smtp.resend.com",
        "1. Create an API key\n\
         2. Username: resend\n\
         3. Password: the API key\n\
         4. Add and verify the sending domain",
    ),
    preset(
        "SMTP2GO",
        "mail.smtp2go.com",
        "1. Add an SMTP user (Sending > SMTP Users)\n\
         2. Username and password: those of the SMTP user\n\
         3. Verify the sender domain",
    ),
    preset(
        "Custom SMTP Server",
        "",
        "Your own server. Usual ports:\n\
         - 587 with STARTTLS\n\
         - 465 with TLS from the start\n\
         - 25 between servers, mostly without a login\n\
         Leave user name and password empty for a relay that asks for none",
    ),
];

/// Providers whose user name is fixed, by a part of the server's name; empty: the password is the name, too.
const FIXED_USERS: [(&str, &str, &str); 4] = [
    ("sendgrid", "sendgrid.net", "apikey"),
    ("postmark", "postmarkapp.com", ""),
    ("sparkpost", "sparkpostmail.com", "SMTP_Injection"),
    ("resend", "resend.com", "resend"),
];

/// The user name that goes with a provider's or a server's name.
pub fn fixed_user(provider: &str, server: &str) -> Option<&'static str> {
    let (provider, server) = (provider.to_ascii_lowercase(), server.to_ascii_lowercase());
    let known = FIXED_USERS.iter().find(|(name, host, _)| provider == *name || server.ends_with(host));
    known.map(|(_, _, user)| *user)
}
