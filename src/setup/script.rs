//! The script an administrator runs on a host: fixed text, and before it the values of this one host, each quoted.

use super::address::pulse_host;
use crate::proxmox::Kind;

const COMMON: &str = include_str!("common.sh");
const PVE: &str = include_str!("pve.sh");
const PBS: &str = include_str!("pbs.sh");
const MAIN: &str = include_str!("main.sh");

/// What differs from host to host. The texts were judged by `address`.
pub struct Script {
    pub kind: Kind,
    /// Address of the Proxmox host; empty: the script finds out.
    pub host: String,
    pub pulse_url: String,
    pub backup_perms: bool,
    /// A code that came in the link, as 4.9 made them; usually empty.
    pub code: String,
}

impl Script {
    pub fn text(&self) -> String {
        let (product, user, role, port, own) = match self.kind {
            Kind::Pve => ("pve", "pulse-monitor@pam", "PulseMonitor", "8006", PVE),
            Kind::Pbs => ("pbs", "pulse-monitor@pbs", "Audit", "8007", PBS),
        };
        let mut out = String::from(
            "#!/usr/bin/env bash\n\
             # Prepares a Proxmox host for Pulse: a user that may only look, an API token for it, and the registration.\n\
             # Safe to run again. With the argument --uninstall it takes everything back.\n\
             set -uo pipefail\n\n",
        );
        for (name, value) in [
            ("PRODUCT", product),
            ("PULSE_URL", &self.pulse_url),
            ("PULSE_NAME", &pulse_host(&self.pulse_url)),
            ("LINK_HOST", &self.host),
            ("LINK_CODE", &self.code),
            ("BACKUP_PERMS", if self.backup_perms { "true" } else { "false" }),
            ("MONITOR", user),
            ("ROLE", role),
            ("DEFAULT_PORT", port),
        ] {
            // Only the PVE script knows backup permissions.
            if name != "BACKUP_PERMS" || self.kind == Kind::Pve {
                out += &format!("{name}={}\n", quote(value));
            }
        }
        out += "\n";
        out += COMMON;
        out += "\n";
        out += own;
        out += MAIN;
        out
    }

    /// The name a browser saves it under.
    pub fn file_name(&self) -> String {
        format!("pulse-setup-{}.sh", self.kind.as_str())
    }
}

/// One word of a shell, whatever the text is.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_one_word() {
        assert_eq!(quote("plain"), "'plain'");
        assert_eq!(quote("a'; reboot; '"), r"'a'\''; reboot; '\'''");
        assert_eq!(quote("$(id) `id` \\"), "'$(id) `id` \\'");
    }
}
