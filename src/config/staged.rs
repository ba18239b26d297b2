//! Replacing several files as one: all new files are written beside the old ones, then one small journal is written
//! durably, and only then are they put in place. A start that finds the journal finishes the work; a start that finds
//! new files without a journal throws them away.

use super::durable::{Storage, durable_write, temp_name};
use std::io;

/// Lines of `staged name <tab> final name`, then `end`.
const JOURNAL: &str = ".import.journal";

fn staged_name(name: &str) -> String {
    temp_name(name).replace(".tmp", ".staged")
}

/// A journal stands: the files are a mix until [`recover`] has finished it.
pub fn is_unfinished<S: Storage + ?Sized>(storage: &S) -> bool {
    storage.stamp(JOURNAL).is_some()
}

/// Puts all contents in place, or none.
pub fn write_all<S: Storage + ?Sized>(storage: &mut S, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    let prepared = prepare(storage, files);
    if prepared.is_err() {
        // Without the journal the old files count; what is left of the new ones goes at the next start at the latest.
        for (name, _) in files {
            let _ = storage.remove(&staged_name(name));
        }
        return prepared;
    }
    let moves: Vec<(String, &str)> = files.iter().map(|(name, _)| (staged_name(name), *name)).collect();
    finish(storage, &moves)
}

fn prepare<S: Storage + ?Sized>(storage: &mut S, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    for (name, bytes) in files {
        storage.create(&staged_name(name), bytes)?;
        storage.sync(&staged_name(name))?;
    }
    storage.sync_folder(JOURNAL)?;
    let list: String = files.iter().map(|(name, _)| format!("{}\t{name}\n", staged_name(name))).collect();
    if let Err(e) = durable_write(storage, JOURNAL, format!("{list}end\n").as_bytes()) {
        // The journal may stand although its folder could not be synced: it must not come into force later.
        storage.remove(JOURNAL)?;
        storage.sync_folder(JOURNAL)?;
        return Err(e);
    }
    Ok(())
}

/// From here on only forwards: the journal is durable.
fn finish<S: Storage + ?Sized>(storage: &mut S, moves: &[(String, &str)]) -> io::Result<()> {
    for (staged, name) in moves {
        if storage.stamp(staged).is_some() {
            place(storage, staged, name)?;
        }
    }
    storage.sync_folder(JOURNAL)?;
    storage.remove(JOURNAL)?;
    storage.sync_folder(JOURNAL)
}

/// A single file mounted into a container cannot be replaced by a rename, only written.
fn place<S: Storage + ?Sized>(storage: &mut S, staged: &str, name: &str) -> io::Result<()> {
    match storage.rename(staged, name) {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
            let bytes = storage.read(staged)?.unwrap_or_default();
            storage.create(name, &bytes)?;
            storage.sync(name)?;
            storage.remove(staged)
        }
        // The command line and a server may finish the same journal.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Finishes what a journal promises. True: there was one.
pub fn recover<S: Storage + ?Sized>(storage: &mut S) -> Result<bool, String> {
    let journal = storage.read(JOURNAL).map_err(|e| format!("failed to read {JOURNAL}: {e}"))?;
    let Some(journal) = journal else { return Ok(false) };
    let text = String::from_utf8_lossy(&journal);
    match text.strip_suffix("end\n") {
        Some(list) => {
            let pair = |line: &'_ str| line.split_once('\t').map(|(from, to)| (from.to_owned(), to.to_owned()));
            let pairs: Vec<(String, String)> =
                list.lines().filter_map(pair).filter(|(from, to)| is_plain_name(from) && is_plain_name(to)).collect();
            let moves: Vec<(String, &str)> = pairs.iter().map(|(from, to)| (from.clone(), to.as_str())).collect();
            finish(storage, &moves).map_err(|e| format!("failed to finish an interrupted import: {e}"))?;
        }
        None => storage.remove(JOURNAL).map_err(|e| format!("failed to remove {JOURNAL}: {e}"))?,
    }
    Ok(true)
}

/// Removes what a process that was stopped left behind. Only for the one that owns the directory.
pub fn sweep<S: Storage + ?Sized>(storage: &mut S) {
    for name in storage.names().unwrap_or_default() {
        if name.starts_with('.') && (name.ends_with(".tmp") || name.ends_with(".staged")) {
            // A read-only directory is no reason not to start.
            let _ = storage.remove(&name);
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != ".."
}
