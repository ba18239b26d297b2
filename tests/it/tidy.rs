//! The house stays in order: rooms know only whom they may know, files stay readable, one version stands everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room → the rooms it may import. What is not named here may be imported by nobody but `app` and `cli`.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("http", &[]),
    ("proxmox", &[]),
    ("config", &["model", "proxmox"]),
    // How slots of a chart are packed: a day of rows would be ten times as large in a report.
    ("poll", &["model", "proxmox", "owner", "history"]),
    ("history", &["model"]),
    ("alerts", &["model", "config"]),
    ("notify", &["model", "http", "alerts", "config", "proxmox"]),
    ("auth", &["model", "http", "config"]),
    ("discover", &["model", "proxmox"]),
    ("setup", &["model", "config", "auth", "proxmox"]),
    ("update", &["model", "proxmox"]),
    ("export", &["model", "config", "poll", "alerts", "notify", "history", "proxmox"]),
    (
        "owner",
        &[
            "model", "http", "poll", "proxmox", "config", "history", "alerts", "notify", "auth", "discover", "setup",
            "update", "export", "web",
        ],
    ),
    (
        "web",
        &[
            "model", "http", "owner", "poll", "proxmox", "config", "history", "alerts", "notify", "auth", "discover",
            "setup", "update", "export",
        ],
    ),
    ("demo", &["model"]),
];

/// Lines a source file may have. A table of data may be longer; such files are named here with their reason.
const MOST_LINES: usize = 480;
const LONG_FILES: &[(&str, &str)] = &[
    ("src/proxmox/pve.rs", "one typed answer for each endpoint: a table"),
    ("src/notify/queue/mod.rs", "the life of one message"),
];

fn sources(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, ending, out);
        } else if path.to_string_lossy().ends_with(ending) {
            out.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust without its unit tests and comments.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// `crate::room` and the rooms of `crate::{a::…, b}`.
fn imported(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.push(word(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            rooms.push(word(item.trim()));
        } else {
            rooms.push(word(rest));
        }
    }
    rooms.retain(|r| !r.is_empty());
    rooms
}

#[test]
fn rooms_import_only_whom_the_map_allows() {
    let may: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, ".rs", &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let Some(allowed) = may.get(room.as_str()) else { continue };
        for other in imported(&code_of(file)) {
            if other != room && may.contains_key(other.as_str()) && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{} imports {other}", inside.display()));
            }
            if matches!(other.as_str(), "app" | "cli") {
                wrong.push(format!("{} imports {other}, which wires and is not to be known", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_rooms_one_can_see_at_once() {
    let mut files = Vec::new();
    for (dir, ending) in [("src", ".rs"), ("assets", ".js"), ("tests/it", ".rs")] {
        sources(&root().join(dir), ending, &mut files);
    }
    let mut long = Vec::new();
    for file in files {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let most = if name.starts_with("tests/") { MOST_LINES * 2 } else { MOST_LINES };
        if lines > most && !LONG_FILES.iter().any(|(f, _)| *f == name) {
            long.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_module_says_what_lives_there() {
    let mut files = Vec::new();
    sources(&root().join("src"), ".rs", &mut files);
    let silent: Vec<_> = files
        .iter()
        .filter(|f| !fs::read_to_string(f).unwrap().trim_start().starts_with("//!"))
        .map(|f| f.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! header: {silent:?}");
}

#[test]
fn no_lock_guards_state_and_nothing_is_left_to_do() {
    let mut files = Vec::new();
    sources(&root().join("src"), ".rs", &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let code = code_of(&file);
        for word in ["Mutex", "RwLock", "todo!(", "unimplemented!(", "dbg!("] {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_version_in_the_changelog_is_the_version_of_the_package() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let newest = changelog.lines().find_map(|l| l.strip_prefix("## ")).unwrap_or_default();
    assert!(newest.starts_with(env!("CARGO_PKG_VERSION")), "CHANGELOG.md begins with '{newest}'");
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root().join("src")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "lib.rs" {
            continue;
        }
        assert!(map.contains(&format!("`{}", name.trim_end_matches(".rs"))), "ARCHITECTURE.md does not name {name}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in dependencies.lines().filter(|l| l.contains('=')) {
        let name = line.split([' ', '=']).next().unwrap();
        assert!(map.contains(&format!("| {name} |")), "the ledger in ARCHITECTURE.md does not name the crate {name}");
    }
}
