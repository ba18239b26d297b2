//! File descriptors: how many the process may have, and how many of them clients may take.

/// Kept for everything that is not a client: hosts, files, jobs, tiny_http's side of the door.
const KEPT: usize = 256;
/// More is never needed.
const WANTED: libc::rlim_t = 65_536;
/// Clients are served even where little is allowed.
const LEAST_CLIENTS: usize = 32;

/// Raises the soft limit as far as the hard one allows, and gives the number of connections that fit, at most `wanted`.
pub fn connections(wanted: usize) -> usize {
    let Some(limit) = raise() else { return wanted };
    let fit = limit.saturating_sub(KEPT).max(LEAST_CLIENTS);
    if fit < wanted {
        log::warn!("only {limit} file descriptors are allowed (LimitNOFILE): at most {fit} clients at once");
    }
    fit.min(wanted)
}

fn raise() -> Option<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes into the value it is given, setrlimit reads from it; both live here.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return None;
        }
        let wanted = limit.rlim_max.min(WANTED);
        if limit.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
                limit.rlim_cur = wanted;
            }
        }
    }
    usize::try_from(limit.rlim_cur).ok()
}
