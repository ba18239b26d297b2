//! Names of things, as a home laboratory or a small company would have them.

use super::guest::Os;

/// A role that a guest plays: its name, the operating system, tags and whether it runs as a container.
pub struct Role {
    pub name: &'static str,
    pub os: Os,
    pub container: bool,
    pub tags: &'static str,
    pub pool: &'static str,
}

const fn vm(name: &'static str, os: Os, tags: &'static str, pool: &'static str) -> Role {
    Role { name, os, container: false, tags, pool }
}

const fn ct(name: &'static str, os: Os, tags: &'static str, pool: &'static str) -> Role {
    Role { name, os, container: true, tags, pool }
}

/// Guests take these in order, so that a few guests already show most kinds.
pub const ROLES: [Role; 28] = [
    vm("web", Os::Debian, "prod;web", "production"),
    ct("proxy", Os::Alpine, "prod;web", "production"),
    vm("db", Os::Debian, "critical;database;prod", "production"),
    ct("dns", Os::Debian, "network", "infra"),
    vm("dc", Os::Windows, "windows;prod", "production"),
    ct("git", Os::Ubuntu, "dev", "development"),
    vm("home-assistant", Os::HomeAssistant, "iot", ""),
    ct("pihole", Os::Debian, "network", "infra"),
    vm("mail", Os::Debian, "critical;prod", "production"),
    ct("monitor", Os::Debian, "monitoring", "infra"),
    vm("firewall", Os::FreeBsd, "network", "infra"),
    ct("wiki", Os::Ubuntu, "", "production"),
    vm("ci-runner", Os::Ubuntu, "ci;dev;pulse-relaxed", "development"),
    ct("vpn", Os::Alpine, "network", "infra"),
    vm("fileserver", Os::Debian, "storage", "production"),
    ct("cache", Os::Debian, "prod", "production"),
    vm("desktop", Os::Windows, "windows", ""),
    ct("media", Os::Ubuntu, "media", ""),
    vm("k8s-worker", Os::Ubuntu, "k8s;prod", "production"),
    ct("mqtt", Os::Alpine, "iot", ""),
    vm("erp", Os::Windows, "critical;windows", "production"),
    ct("paperless", Os::Debian, "", ""),
    vm("registry", Os::Debian, "ci", "development"),
    ct("ldap", Os::Debian, "prod", "infra"),
    vm("sandbox", Os::Ubuntu, "dev;pulse-no-alerts", "development"),
    ct("immich", Os::Ubuntu, "media", ""),
    vm("log", Os::Debian, "monitoring", "infra"),
    ct("influx", Os::Debian, "monitoring;pulse-monitor-only", "infra"),
];

pub const POOLS: [(&str, &str); 3] = [
    ("development", "Build and test machines"),
    ("infra", "Network and services"),
    ("production", "What customers use"),
];

pub const CPU_MODELS: [(&str, &str); 4] = [
    ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "2394.455"),
    ("AMD EPYC 7402P 24-Core Processor", "2794.748"),
    ("13th Gen Intel(R) Core(TM) i5-13500", "2496.000"),
    ("Intel(R) N100", "806.400"),
];

pub const SSD_MODELS: [&str; 3] = ["Samsung_SSD_870_EVO_1TB", "CT1000MX500SSD1", "INTEL_SSDSC2KB960G8"];
pub const NVME_MODELS: [&str; 2] = ["Samsung SSD 980 PRO 1TB", "WD_BLACK SN850X 2000GB"];
pub const HDD_MODELS: [&str; 2] = ["ST4000VN008-2DR166", "WDC_WD40EFRX-68N32N0"];

/// Where snapshots of guests come from, with what an administrator would have written.
pub const SNAPSHOTS: [(&str, &str); 5] = [
    ("before-upgrade", "Before the upgrade\n"),
    ("clean", ""),
    ("pre-migration", "State before moving the database\n"),
    ("auto-weekly", "weekly"),
    ("test", "to be deleted\n"),
];
