//! `pulse config info`, `export`, `import`: the data directory without a server (contract rest.md 1.1). A running server
//! notices what an import changed within seconds.

use super::{options, usage};
use crate::config::{DataDir, Environment, Secret, data_dir, transfer};
use crate::model::Time;
use crate::owner::check_documents;
use std::fs::File;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::time::SystemTime;

/// Runs `pulse config` with the words after it.
pub fn run(words: &[&str]) -> ExitCode {
    let (verb, rest) = words.split_first().map_or(("", words), |(verb, rest)| (*verb, rest));
    let done = match verb {
        "info" if rest.is_empty() => info(),
        "export" => match options(rest, &["-o", "--output", "-p", "--passphrase"]) {
            Ok(given) => export(last(&given, &["-o", "--output"]), last(&given, &["-p", "--passphrase"])),
            Err(problem) => return usage(&problem),
        },
        "import" => {
            let forced = rest.iter().any(|w| matches!(*w, "-f" | "--force"));
            let rest: Vec<&str> = rest.iter().copied().filter(|w| !matches!(*w, "-f" | "--force")).collect();
            match options(&rest, &["-i", "--input", "-p", "--passphrase"]) {
                Ok(given) => match last(&given, &["-i", "--input"]) {
                    Some(input) => import(input, last(&given, &["-p", "--passphrase"]), forced),
                    None => return usage("config import needs -i FILE"),
                },
                Err(problem) => return usage(&problem),
            }
        }
        _ => return usage("config has three commands: info, export, import"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("pulse: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn last<'a>(given: &[(String, &'a str)], names: &[&str]) -> Option<&'a str> {
    given.iter().rev().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| *value)
}

fn info() -> Result<(), String> {
    let path = data_dir(&Environment::of_process());
    let dir = DataDir::open_beside(&path)?;
    println!("Data directory: {}", path.display());
    for line in transfer::describe_dir(&dir) {
        println!("  {line}");
    }
    Ok(())
}

fn export(output: Option<&str>, passphrase: Option<&str>) -> Result<(), String> {
    let env = Environment::of_process();
    let dir = DataDir::open_beside(&data_dir(&env))?;
    let passphrase = passphrase_of(&env, passphrase)?;
    let data = transfer::export_dir(&dir, passphrase.expose(), Time::from_system(SystemTime::now()))?;
    let Some(output) = output else {
        println!("{data}");
        return Ok(());
    };
    let failed = |e: std::io::Error| format!("failed to write {output}: {e}");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(output).map_err(failed)?;
    file.write_all(data.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    eprintln!("The configuration was exported to {output}.");
    Ok(())
}

fn import(input: &str, passphrase: Option<&str>, forced: bool) -> Result<(), String> {
    let env = Environment::of_process();
    let path = data_dir(&env);
    let data = std::fs::read_to_string(input).map_err(|e| format!("failed to read {input}: {e}"))?;
    let passphrase = passphrase_of(&env, passphrase)?;
    if !forced {
        let question = format!("This replaces the configuration in {}. Continue? (yes/no): ", path.display());
        let answer = ask(&question)?;
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "yes" | "y") {
            return Err("the import was cancelled".to_owned());
        }
    }
    // A new directory gets its key; one that a server owns is only written to.
    let mut dir = if path.is_dir() { DataDir::open_beside(&path) } else { DataDir::open(&path) }?;
    if dir.is_new() {
        dir = DataDir::open(&path)?;
    }
    transfer::import_dir(&mut dir, &data, passphrase.expose(), check_documents)?;
    eprintln!("The configuration was imported. A running server takes it over within seconds.");
    Ok(())
}

/// `PULSE_PASSPHRASE`, the option, or a question on the terminal.
fn passphrase_of(env: &Environment, given: Option<&str>) -> Result<Secret, String> {
    let known = env.get("PULSE_PASSPHRASE").or(given).map(str::to_owned);
    let passphrase = match known {
        Some(known) => known,
        None if std::io::stdin().is_terminal() => ask_hidden("Passphrase: ")?,
        None => return Err("a passphrase is needed: set PULSE_PASSPHRASE or use -p".to_owned()),
    };
    if passphrase.is_empty() {
        return Err("the passphrase must not be empty".to_owned());
    }
    Ok(Secret::new(passphrase))
}

fn ask(question: &str) -> Result<String, String> {
    eprint!("{question}");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("failed to read the answer: {e}"))?;
    Ok(line)
}

/// Asks without showing what is typed.
fn ask_hidden(question: &str) -> Result<String, String> {
    let shown = Echo::off();
    let answer = ask(question);
    drop(shown);
    eprintln!();
    Ok(answer?.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal's echo, switched off until dropped.
struct Echo(Option<libc::termios>);

impl Echo {
    fn off() -> Echo {
        let mut state = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: tcgetattr fills the whole structure when it returns 0, and only then is it read.
        let before =
            unsafe { (libc::tcgetattr(libc::STDIN_FILENO, state.as_mut_ptr()) == 0).then(|| state.assume_init()) };
        if let Some(mut quiet) = before {
            quiet.c_lflag &= !libc::ECHO;
            // SAFETY: a termios that tcgetattr gave, with one flag changed.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &quiet) };
        }
        Echo(before)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // SAFETY: the state as tcgetattr gave it.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &before) };
        }
    }
}
