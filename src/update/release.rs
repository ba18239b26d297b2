//! What a release server says, and whether it is newer than what runs. Pure; the wire format is that of GitHub's
//! releases (contract rest.md 12).

use serde::Deserialize;
use std::cmp::Ordering;

/// One release, as far as it matters. Everything in it was written by the server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Release {
    pub tag_name: String,
    pub body: Option<String>,
    pub prerelease: bool,
    pub published_at: Option<String>,
    pub assets: Vec<Asset>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Asset {
    pub name: String,
    pub browser_download_url: String,
}

/// The path that is asked for a channel: only the stable one has a "latest".
pub fn path(channel: &str) -> &'static str {
    match channel {
        "stable" => "/repos/rcourtman/Pulse/releases/latest",
        _ => "/repos/rcourtman/Pulse/releases",
    }
}

/// Picks the channel's release from an answer: one release or a list, newest first.
pub fn pick(channel: &str, body: &[u8]) -> Result<Release, String> {
    let unreadable = |e: serde_json::Error| format!("failed to read the release list: {e}");
    let release = if channel == "stable" {
        Some(serde_json::from_slice(body).map_err(unreadable)?)
    } else {
        let list: Vec<Release> = serde_json::from_slice(body).map_err(unreadable)?;
        list.into_iter().find(|r| channel == "rc" || !r.prerelease)
    };
    release.filter(|r| !r.tag_name.is_empty()).ok_or_else(|| format!("failed to find a release of channel {channel}"))
}

impl Release {
    /// The archive for a processor architecture as Rust names it; empty when there is none.
    pub fn download(&self, arch: &str) -> &str {
        let arch = match arch {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "arm" => "armv7",
            other => other,
        };
        let exact = format!("pulse-{}-linux-{arch}.tar.gz", self.tag_name);
        let any = |a: &&Asset| a.name.starts_with("pulse-") && a.name.contains("linux") && a.name.ends_with(".tar.gz");
        let found = self.assets.iter().find(|a| a.name == exact).or_else(|| self.assets.iter().find(any));
        found.map_or("", |a| a.browser_download_url.as_str())
    }
}

/// `X.Y.Z[-pre][+build]`, with or without a `v` in front. `None`: one of the two is no version.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    Some(a.numbers.cmp(&b.numbers).then_with(|| match (a.pre, b.pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(x), Some(y)) => match (candidate(x), candidate(y)) {
            (Some(n), Some(m)) => n.cmp(&m),
            _ => x.cmp(y),
        },
    }))
}

struct Version<'a> {
    numbers: [u64; 3],
    pre: Option<&'a str>,
}

impl Version<'_> {
    fn parse(text: &str) -> Option<Version<'_>> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split('+').next().unwrap_or(text);
        let (plain, pre) = text.split_once('-').map_or((text, None), |(plain, pre)| (plain, Some(pre)));
        let mut parts = plain.split('.').map(|p| p.parse::<u64>().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Version { numbers, pre })
    }
}

/// The number of a release candidate: `rc.2`, `rc2`.
fn candidate(pre: &str) -> Option<u64> {
    pre.strip_prefix("rc")?.trim_start_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        let rising =
            ["4.9.0-alpha", "v4.9.0-rc.2", "4.9.0-rc10", "4.9.0", "4.9.1-rc.1", "v4.9.1+build", "4.10.0", "5.0.0"];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare("v4.9.0", "4.9.0"), Some(Ordering::Equal));
        for odd in ["", "4", "4.9", "4.9.x", "4.9.0.1", "latest", "99999999999999999999.0.0"] {
            assert_eq!(compare(odd, "4.9.0"), None, "{odd}");
        }
    }

    #[test]
    fn each_channel_has_its_release() {
        let list = br#"[{"tag_name":"v5.1.0-rc.1","prerelease":true},{"tag_name":"v5.0.0","body":null}]"#;
        assert_eq!(pick("rc", list).unwrap().tag_name, "v5.1.0-rc.1");
        assert_eq!(pick("beta", list).unwrap().tag_name, "v5.0.0");
        assert_eq!(pick("stable", br#"{"tag_name":"v5.0.0"}"#).unwrap().tag_name, "v5.0.0");
        for bad in [&b"[]"[..], b"{}", b"<html>", b"[{}]"] {
            assert!(pick("rc", bad).is_err() && pick("stable", bad).is_err());
        }
    }

    #[test]
    fn the_archive_fits_the_processor() {
        let asset = |name: &str| Asset { name: name.to_owned(), browser_download_url: format!("https://x/{name}") };
        let assets = ["SHA256SUMS", "pulse-v5.0.0-linux-amd64.tar.gz", "pulse-v5.0.0-linux-arm64.tar.gz"].map(asset);
        let release = Release { tag_name: "v5.0.0".into(), assets: assets.into(), ..Release::default() };
        assert_eq!(release.download("aarch64"), "https://x/pulse-v5.0.0-linux-arm64.tar.gz");
        assert_eq!(release.download("riscv64"), "https://x/pulse-v5.0.0-linux-amd64.tar.gz");
        assert_eq!(Release::default().download("x86_64"), "");
    }
}
