//! The words of a mail, as plain text and as HTML. Everything that comes from outside is escaped.

use crate::alerts::outgoing::Item;
use crate::model::{Time, local_zone};
use crate::notify::message::{Kind, Message};
use crate::notify::view::{
    counts, duration_of, html as escape, line, link, remarks, state, threshold, title_case, value,
};
use std::fmt::Write;

/// Label and value of one alert; what says nothing is left out.
fn details(item: &Item, now: Time) -> Vec<(&'static str, String)> {
    let a = &item.alert;
    let all = [
        ("Resource ID", a.resource_id.clone()),
        ("Type", title_case(&a.r#type)),
        ("Node", a.node.clone()),
        ("Instance", a.instance.clone()),
        ("Value", value(item)),
        ("Threshold", threshold(item)),
        ("Started", started(a.start_time)),
        ("Duration", duration_of(item, now)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// `Jan 2, 2006 at 3:04 PM`, in the server's zone.
fn started(at: Time) -> String {
    let Ok(stamp) = jiff::Timestamp::from_nanosecond(i128::from(at.0)) else { return String::new() };
    if !at.is_set() {
        return String::new();
    }
    stamp.to_zoned(local_zone().clone()).strftime("%b %-d, %Y at %-I:%M %p").to_string()
}

fn headline(message: &Message) -> String {
    let plural = if message.count() == 1 { "" } else { "s" };
    match message.kind {
        Kind::Resolved => format!("{} alert{plural} resolved", message.count()),
        Kind::Escalated => {
            format!("{} alert{plural} not acknowledged (escalation {})", message.count(), message.escalation)
        }
        Kind::Test => "Test of the notifications".to_owned(),
        _ => format!("{} new alert{plural}", message.count()),
    }
}

pub(super) fn text(message: &Message, now: Time) -> String {
    let mut out = format!("Pulse: {}\n{}\n", headline(message), counts(message));
    for item in &message.items {
        let a = &item.alert;
        let _ = write!(
            out,
            "\n{}: {}\n  {}\n",
            state(message, item),
            one_line(&a.resource_name),
            one_line(&line(message, item))
        );
        for (label, value) in details(item, now) {
            let _ = writeln!(out, "  {label}: {}", one_line(&value));
        }
        if let Some(link) = link(item) {
            let _ = writeln!(out, "  {link}");
        }
    }
    for remark in remarks(message, message.items.len()) {
        let _ = write!(out, "\n{remark}\n");
    }
    out
}

/// A name with line ends must not look like other lines of the mail.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// 4.9's colours for the border of an alert.
fn colour(message: &Message, item: &Item) -> &'static str {
    match (message.kind, item.alert.level.as_str()) {
        (Kind::Resolved, _) => "#51cf66",
        (_, "critical") => "#ff6b6b",
        _ => "#ffd93d",
    }
}

pub(super) fn html(message: &Message, now: Time) -> String {
    let width = if message.items.len() > 1 { 800 } else { 600 };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
         <body style=\"margin:0;background:#f4f5f7;font-family:sans-serif;color:#1f2937\">\n\
         <div style=\"max-width:{width}px;margin:0 auto;background:#ffffff\">\n\
         <div style=\"background:#1f2937;color:#ffffff;padding:16px 20px\">\
         <div style=\"font-size:13px;color:#9ca3af\">Pulse</div>\
         <div style=\"font-size:20px\">{title}</div>\
         <div style=\"font-size:14px;color:#d1d5db\">{counts}</div></div>\n",
        title = escape(&headline(message)),
        counts = escape(&counts(message)),
    );
    for item in &message.items {
        card(&mut out, message, item, now);
    }
    for remark in remarks(message, message.items.len()) {
        let _ = writeln!(out, "<p style=\"padding:0 20px;color:#6b7280\">{}</p>", escape(&remark));
    }
    out.push_str("</div>\n</body></html>\n");
    out
}

fn card(out: &mut String, message: &Message, item: &Item, now: Time) {
    let colour = colour(message, item);
    let _ = writeln!(
        out,
        "<div style=\"margin:16px 20px;padding:12px 16px;border-left:4px solid {colour};background:#f9fafb\">\n\
         <div style=\"font-size:16px\"><b>{name}</b> <span style=\"color:#6b7280\">{state}</span></div>\n\
         <div style=\"margin:4px 0 8px\">{line}</div>\n<table style=\"font-size:13px;border-collapse:collapse\">",
        name = escape(&item.alert.resource_name),
        state = escape(&state(message, item)),
        line = escape(&line(message, item)),
    );
    for (label, value) in details(item, now) {
        let _ = writeln!(
            out,
            "<tr><td style=\"color:#6b7280;padding:1px 12px 1px 0\">{label}</td><td>{}</td></tr>",
            escape(&value)
        );
    }
    out.push_str("</table>\n");
    if let Some(link) = link(item) {
        let link = escape(link);
        let _ = writeln!(out, "<div style=\"margin-top:8px\"><a href=\"{link}\">{link}</a></div>");
    }
    out.push_str("</div>\n");
}
