//! What runs here: version, channel, and the way it was installed.

use std::path::Path;

/// The version without a leading `v`, from the build.
pub const VERSION: &str = match option_env!("PULSE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// `rc` for release candidates, else `stable`.
pub fn channel(version: &str) -> &'static str {
    if version.contains("rc") { "rc" } else { "stable" }
}

/// How it was installed decides how it is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    ProxmoxVe,
    Docker,
    Systemd,
    Manual,
}

impl Deployment {
    /// The word of the API (`/api/updates/check`, `/api/version`).
    pub fn as_str(self) -> &'static str {
        match self {
            Deployment::ProxmoxVe => "proxmoxve",
            Deployment::Docker => "docker",
            Deployment::Systemd => "systemd",
            Deployment::Manual => "manual",
        }
    }
    /// What to do to update, in one sentence.
    pub fn how_to_update(self) -> &'static str {
        match self {
            Deployment::ProxmoxVe => "Type 'update' in the container's console.",
            Deployment::Docker => "Pull the new image and create the container anew.",
            Deployment::Systemd => "Run 'pulse-update' as root.",
            Deployment::Manual => "Run the install script again.",
        }
    }
}

/// Whether this process runs in a Docker container (`PULSE_DOCKER`, `/.dockerenv`, the first process's cgroup).
pub fn is_docker() -> bool {
    std::env::var("PULSE_DOCKER").is_ok_and(|v| v == "true" || v == "1")
        || Path::new("/.dockerenv").exists()
        || std::fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| text.contains("docker"))
}

/// How Pulse was installed here; found out once.
pub fn deployment() -> Deployment {
    static FOUND: std::sync::OnceLock<Deployment> = std::sync::OnceLock::new();
    *FOUND.get_or_init(find)
}

fn find() -> Deployment {
    if is_docker() {
        return Deployment::Docker;
    }
    let mentions = |path: &str, what: &str| std::fs::read_to_string(path).is_ok_and(|text| text.contains(what));
    if ["/bin/update", "/usr/bin/update"].iter().any(|p| mentions(p, "pulse.sh")) {
        return Deployment::ProxmoxVe;
    }
    let units = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];
    if units.iter().any(|d| {
        Path::new(&format!("{d}/pulse.service")).exists() || Path::new(&format!("{d}/pulse-backend.service")).exists()
    }) {
        return Deployment::Systemd;
    }
    Deployment::Manual
}
