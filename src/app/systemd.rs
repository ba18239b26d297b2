//! Talking to systemd: readiness, status and the watchdog, by datagrams to `NOTIFY_SOCKET` (sd_notify(3)).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The notification socket, if systemd gave one.
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often the watchdog wants to hear from the owner: half of `WATCHDOG_USEC`.
    pub watchdog_every: Option<Duration>,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`; without them every call does nothing.
    pub fn from_env() -> Notifier {
        let socket = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name).ok()?,
                None => SocketAddr::from_pathname(&name).ok()?,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        let watchdog_every = std::env::var("WATCHDOG_USEC")
            .ok()
            .and_then(|usec| usec.parse::<u64>().ok())
            .filter(|usec| *usec > 0)
            .map(|usec| Duration::from_micros(usec / 2));
        Notifier { socket, watchdog_every }
    }

    /// Sends one state line, e.g. `READY=1`. A lost datagram is not worth an error.
    pub fn send(&self, line: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(line.as_bytes(), address);
        }
    }
}
