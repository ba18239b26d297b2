//! Ways in which hosts, networks and clocks fail, and where a failure applies. Values only; `net` acts on them.

use std::time::Duration;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the API, worded as Proxmox does: 403, 500, 501, 595, 596, …
    Status { code: u16, message: String },
    /// The right answer, later.
    Delay(Duration),
    /// No answer at all; the connection stays open until the client gives up.
    Hang,
    /// A complete answer whose JSON ends in the middle.
    Truncated,
    /// The head promises more than comes: half of the body, then the end of the connection.
    CutShort,
    /// A body of this many bytes.
    Huge { bytes: u64 },
    /// The right answer, a byte at a time with this pause between.
    Drip(Duration),
    /// 302 to another address.
    Redirect { location: String },
    /// The connection is reset instead of answered.
    Reset,
    /// 200 with a page of HTML, as a proxy in between would send.
    Html,
}

/// Which requests a fault hits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Index of the host; every host when missing.
    pub host: Option<usize>,
    /// Only requests sent to this node's address.
    pub node: Option<usize>,
    /// A path below `/api2/json`, where `*` stands for anything; every path when empty.
    pub path: String,
    /// Ends by itself after so many requests.
    pub times: Option<u32>,
}

impl Scope {
    /// Everything that a host is asked.
    pub fn host(host: usize) -> Scope {
        Scope { host: Some(host), ..Scope::default() }
    }
    /// The same, only below a path pattern.
    pub fn path(mut self, pattern: &str) -> Scope {
        self.path = pattern.to_owned();
        self
    }
    /// Only what is sent to the address of node number `node`.
    pub fn node(mut self, node: usize) -> Scope {
        self.node = Some(node);
        self
    }
    pub fn times(mut self, times: u32) -> Scope {
        self.times = Some(times);
        self
    }
    /// Whether a request falls under it.
    pub fn covers(&self, host: usize, node: usize, path: &str) -> bool {
        self.host.is_none_or(|h| h == host)
            && self.node.is_none_or(|n| n == node)
            && (self.path.is_empty() || glob(&self.path, path))
    }
}

/// Whether `text` fits a pattern in which `*` stands for any run of characters.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|i| text.is_char_boundary(*i)).any(|i| text.get(i..).is_some_and(|tail| glob(rest, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_even_slashes() {
        assert!(glob("/nodes/*/status", "/nodes/pve1/status"));
        assert!(glob("/nodes/*", "/nodes/pve1/qemu/100/agent/get-fsinfo"));
        assert!(glob("*agent*", "/nodes/pve1/qemu/100/agent/get-fsinfo"));
        assert!(!glob("/nodes/*/status", "/nodes/pve1/storage"));
        assert!(!glob("/version", "/version/x"));
    }

    #[test]
    fn a_scope_covers_only_its_host_node_and_path() {
        let scope = Scope::host(1).node(2).path("/version");
        assert!(scope.covers(1, 2, "/version"));
        assert!(!scope.covers(0, 2, "/version"));
        assert!(!scope.covers(1, 0, "/version"));
        assert!(!scope.covers(1, 2, "/nodes"));
    }
}
