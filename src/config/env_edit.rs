//! Changing variables in the text of a `.env` file: other lines, comments and order stay as they are.

/// What an empty file begins with.
const HEADER: &str = "# Written by Pulse. Variables given to the process itself go first, except for the account.\n";

/// The text with these variables set. A variable that is there more than once is there once afterwards.
pub fn with_vars(text: &str, vars: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut missing: Vec<(&str, &str)> = vars.to_vec();
    if text.trim().is_empty() {
        out.push_str(HEADER);
    }
    for line in text.lines() {
        let Some((name, value)) = vars.iter().find(|(name, _)| name_of(line) == Some(name)) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        if missing.iter().any(|(n, _)| n == name) {
            missing.retain(|(n, _)| n != name);
            out.push_str(&assignment(name, value));
        }
    }
    for (name, value) in missing {
        out.push_str(&assignment(name, value));
    }
    out
}

/// The variable a line sets, if it sets one.
fn name_of(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, _) = line.split_at(line.find(['=', ':'])?);
    Some(name.trim())
}

/// One line that every reader takes literally; line breaks cannot be part of a value.
fn assignment(name: &str, value: &str) -> String {
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    if value.contains('\'') {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        return format!("{name}=\"{escaped}\"\n");
    }
    format!("{name}='{value}'\n")
}

#[cfg(test)]
mod tests {
    use super::super::{EnvFile, Vars};
    use super::with_vars;

    #[test]
    fn only_the_named_variables_change() {
        let before = "# mine\nLOG_LEVEL=debug # loud\nexport API_TOKEN=old\n\nbroken line\nAPI_TOKEN='older'\nX_API_TOKEN=other\n";
        let after = with_vars(before, &[("API_TOKEN", "new"), ("PULSE_AUTH_USER", "admin")]);
        assert_eq!(
            after,
            "# mine\nLOG_LEVEL=debug # loud\nAPI_TOKEN='new'\n\nbroken line\nX_API_TOKEN=other\nPULSE_AUTH_USER='admin'\n"
        );
        assert_eq!(with_vars(&after, &[("API_TOKEN", "new")]), after);
    }

    #[test]
    fn whatever_is_written_is_read_back_and_sets_nothing_else() {
        let values = [
            "$2b$12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUV0123456789.",
            "a'b",
            "a\"b$HOME\\",
            "a'b\"c",
            "it's $HOME, ${HOME}, \\$HOME and \\\\\"",
            " # x ",
            "é",
        ];
        for value in values {
            let file = EnvFile::parse(&with_vars("", &[("V", value)]), &Vars::from([("HOME".into(), "/root".into())]));
            assert_eq!(file.problems, Vec::<String>::new(), "{value}");
            assert_eq!(file.vars, Vars::from([("V".to_owned(), value.to_owned())]), "{value}");
        }
        let file = EnvFile::parse(&with_vars("", &[("V", "x'\nDISABLE_AUTH=true\n")]), &Vars::new());
        assert_eq!(file.vars.keys().collect::<Vec<_>>(), ["V"]);
    }
}
