//! `pulse hash-password`: a password in, its bcrypt hash out, for `PULSE_AUTH_PASS`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::process::ExitCode;

/// As everywhere in Pulse (contract rest.md 2.1).
const COST: u32 = 12;

/// Reads one line from standard input (unseen on a terminal) and prints the hash.
pub fn run() -> ExitCode {
    let line = match read() {
        Ok(line) => line,
        Err(e) => {
            eprintln!("failed to read the password: {e}");
            return ExitCode::FAILURE;
        }
    };
    let password = line.trim_end_matches(['\r', '\n']);
    if password.len() < 8 || password.len() > 72 {
        eprintln!("The password must have 8 to 72 bytes.");
        return ExitCode::FAILURE;
    }
    match bcrypt::hash(password, COST) {
        Ok(hash) => {
            println!("{hash}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("failed to hash the password: {e}");
            ExitCode::FAILURE
        }
    }
}

fn read() -> io::Result<String> {
    let stdin = io::stdin();
    let _hidden = if stdin.is_terminal() {
        eprint!("Password: ");
        io::stderr().flush()?;
        Hidden::on(stdin.as_raw_fd())
    } else {
        None
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line)
}

/// A terminal that does not show what is typed; shown again when this is dropped.
struct Hidden {
    fd: i32,
    before: libc::termios,
}

impl Hidden {
    fn on(fd: i32) -> Option<Hidden> {
        // SAFETY: tcgetattr fills the structure it is given, or fails and it is not used.
        unsafe {
            let mut before = std::mem::zeroed::<libc::termios>();
            if libc::tcgetattr(fd, &raw mut before) != 0 {
                return None;
            }
            let mut quiet = before;
            quiet.c_lflag &= !libc::ECHO;
            (libc::tcsetattr(fd, libc::TCSANOW, &raw const quiet) == 0).then_some(Hidden { fd, before })
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // SAFETY: the structure was filled by tcgetattr for this descriptor.
        unsafe { libc::tcsetattr(self.fd, libc::TCSANOW, &raw const self.before) };
        eprintln!();
    }
}
