//! The part of the Proxmox API that the simulator speaks: which path takes which parameters, needs which
//! privileges, and who answers it. One table serves routing, checking and counting.

use super::ask::{Ask, Outcome, Refusal};

/// One path with one method.
pub struct Route {
    pub method: &'static str,
    /// Below `/api2/json`, with `{name}` for what varies.
    pub path: &'static str,
    /// Query or form parameters: `name`, `name:int`, `name:bool`, `name=one|two`; a `!` after the name makes it
    /// required.
    pub takes: &'static [&'static str],
    /// Privileges of which one suffices. `@world`: nobody has to log in. `@agent`, `@file`: what the version
    /// wants for the guest agent. Empty: any login.
    pub needs: &'static [&'static str],
    pub answer: fn(&Ask) -> Outcome,
}

/// Shorthand for the usual row.
pub const fn get(
    path: &'static str,
    takes: &'static [&'static str],
    needs: &'static [&'static str],
    answer: fn(&Ask) -> Outcome,
) -> Route {
    Route { method: "GET", path, takes, needs, answer }
}

/// What a path's `{name}` parts matched.
pub type Parts<'a> = Vec<(&'static str, &'a str)>;

/// The route for a method and a path without prefix and query.
pub fn find<'a>(routes: &'static [Route], method: &str, path: &'a str) -> Option<(&'static Route, Parts<'a>)> {
    routes
        .iter()
        .filter(|route| route.method == method)
        .filter_map(|route| matches(route.path, path).map(|parts| (route, parts)))
        // A literal path wins over one with variable parts.
        .min_by_key(|(_, parts)| parts.len())
}

fn matches<'a>(pattern: &'static str, path: &'a str) -> Option<Parts<'a>> {
    let mut parts = Vec::new();
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let part = given.next()?;
        match wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) if !part.is_empty() => parts.push((name, part)),
            Some(_) => return None,
            None if wanted == part => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(parts)
}

/// Checks the parameters as Proxmox does: unknown, missing and ill-typed ones are refused with 400.
pub fn check(route: &Route, given: &[(String, String)]) -> Result<(), Refusal> {
    for (name, value) in given {
        let Some(rule) = route.takes.iter().find(|rule| name_of(rule) == name) else {
            return Err(Refusal::parameter(
                name,
                "property is not defined in schema and the schema does not allow additional properties",
            ));
        };
        if let Some(complaint) = complaint(rule, value) {
            return Err(Refusal::parameter(name, &complaint));
        }
    }
    let missing = |rule: &&&str| rule.contains('!') && !given.iter().any(|(name, _)| name == name_of(rule));
    match route.takes.iter().find(missing) {
        Some(rule) => Err(Refusal::parameter(name_of(rule), "property is missing and it is not optional")),
        None => Ok(()),
    }
}

/// The name that a rule is about.
pub fn name_of(rule: &str) -> &str {
    rule.split(['!', ':', '=']).next().unwrap_or(rule)
}

fn complaint(rule: &str, value: &str) -> Option<String> {
    if let Some((_, allowed)) = rule.split_once('=') {
        let fine = allowed.split('|').any(|a| a == value);
        return (!fine).then(|| format!("value '{value}' does not have a value in the enumeration '{allowed}'"));
    }
    if rule.ends_with(":int") {
        return value.parse::<i64>().is_err().then(|| format!("type check ('integer') failed - got '{value}'"));
    }
    if rule.ends_with(":bool") {
        let fine = ["0", "1", "yes", "no", "on", "off", "true", "false"].contains(&value);
        return (!fine).then(|| format!("type check ('boolean') failed - got '{value}'"));
    }
    None
}
