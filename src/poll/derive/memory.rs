//! Memory figures, in a fixed order of trust that the answer names as its source.

use crate::model::Usage;
use crate::proxmox::pve::{GuestStatus, Space};

/// `/proc/meminfo` of a guest, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meminfo {
    pub total: i64,
    pub available: i64,
}

impl Meminfo {
    /// Reads the file; `None` when it is not a Linux meminfo with both figures.
    pub fn parse(text: &str) -> Option<Meminfo> {
        let kib = |key: &str| -> Option<i64> {
            let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
            line.trim().trim_end_matches("kB").trim().parse::<i64>().ok()?.checked_mul(1024)
        };
        let read = Meminfo { total: kib("MemTotal")?, available: kib("MemAvailable")? };
        (read.total > 0 && (0..=read.total).contains(&read.available)).then_some(read)
    }
}

/// What is known about a running VM's memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct VmMemory<'a> {
    /// `maxmem` and `mem` of the list.
    pub maxmem: i64,
    pub mem: i64,
    /// `status/current`, if recent.
    pub status: Option<&'a GuestStatus>,
    /// What the guest itself says, if recent.
    pub meminfo: Option<Meminfo>,
}

/// Memory of a running VM.
///
/// Total is `maxmem`, or the balloon when it is smaller. Used is, in this order: what the guest says is not available
/// (page cache counts as available); what the balloon driver says is not free (page cache counts as used), which PVE
/// gives as `mem` in every list, since what the guest calls its total is a little less than ours; what the list says;
/// what the status says; unknown.
pub fn vm(known: VmMemory) -> (Usage, &'static str) {
    let status = known.status.cloned().unwrap_or_default();
    let max = if known.maxmem > 0 { known.maxmem } else { status.maxmem.unwrap_or(0) };
    let total = status.balloon.filter(|b| *b > 0 && (*b < max || max == 0)).unwrap_or(max);
    let free = status.freemem.filter(|f| *f > 0 && *f < total);
    let (used, source) = if let Some(said) = known.meminfo {
        (said.total.saturating_sub(said.available), "agent-meminfo")
    } else if let Some(free) = free {
        let listed = Some(known.mem).filter(|m| (1..=total).contains(m));
        (listed.unwrap_or_else(|| total.saturating_sub(free)), "freemem")
    } else if known.mem > 0 {
        (known.mem, "resources")
    } else if let Some(mem) = status.mem.filter(|m| *m > 0) {
        (mem, "status")
    } else {
        (0, "unknown")
    };
    (Usage::of(total, used.clamp(0, total)), source)
}

/// Memory of a node: what could be had without swapping where PVE tells (9 and later), else what the node list says.
/// PVE's own `used` counts most of the page cache in on older hosts.
pub fn node(total: i64, used: i64, status: Option<&Space>) -> (Usage, &'static str) {
    let total_said = status.and_then(|s| s.total).filter(|t| *t > 0);
    let total = if total > 0 { total } else { total_said.unwrap_or(0) };
    match status.and_then(|s| s.available).filter(|a| (0..=total).contains(a)) {
        Some(available) if total > 0 => (Usage::of(total, total.saturating_sub(available)), "memavailable"),
        _ if used > 0 => (Usage::of(total, used.min(total)), "nodes"),
        _ => match status.and_then(|s| s.used).filter(|u| *u > 0) {
            Some(used) => (Usage::of(total, used.min(total)), "status"),
            None => (Usage::of(total, 0), "unknown"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: i64 = 1 << 30;

    fn status(balloon: i64, freemem: i64, mem: i64) -> GuestStatus {
        let some = |v: i64| (v >= 0).then_some(v);
        GuestStatus { balloon: some(balloon), freemem: some(freemem), mem: some(mem), ..GuestStatus::default() }
    }

    #[test]
    fn a_vm_s_memory_follows_the_order_of_trust() {
        let meminfo = Some(Meminfo { total: 4 * GIB, available: 3 * GIB });
        // (maxmem, mem, status, meminfo) -> (total, used, source)
        type Case<'a> = (i64, i64, Option<GuestStatus>, Option<Meminfo>, (i64, i64, &'a str));
        let table: &[Case] = &[
            (4, 3, None, None, (4, 3, "resources")),
            (8, 5, Some(status(-1, 2, 5)), None, (8, 5, "freemem")),
            (4, 0, Some(status(-1, 1, 3)), None, (4, 3, "freemem")),
            (4, 3, Some(status(2, 1, 3)), None, (2, 1, "freemem")),
            // A balloon that is not smaller changes nothing; free memory that cannot be is not believed.
            (4, 3, Some(status(4, 1, 3)), None, (4, 3, "freemem")),
            (4, 3, Some(status(2, 3, 3)), None, (2, 2, "resources")),
            (4, 3, Some(status(-1, 0, 3)), None, (4, 3, "resources")),
            (4, 0, Some(status(-1, -1, 2)), None, (4, 2, "status")),
            (4, 0, None, None, (4, 0, "unknown")),
            (4, 5, None, None, (4, 4, "resources")),
            (4, 3, Some(status(-1, 1, 3)), meminfo, (4, 1, "agent-meminfo")),
        ];
        for (maxmem, mem, status, meminfo, (total, used, source)) in table {
            let scaled = status.clone().map(|s| GuestStatus {
                balloon: s.balloon.map(|v| v * GIB),
                freemem: s.freemem.map(|v| v * GIB),
                mem: s.mem.map(|v| v * GIB),
                ..s
            });
            let known = VmMemory { maxmem: maxmem * GIB, mem: mem * GIB, status: scaled.as_ref(), meminfo: *meminfo };
            let (got, from) = vm(known);
            assert_eq!((got.total / GIB, got.used / GIB, from), (*total, *used, *source), "{maxmem} {mem} {status:?}");
            assert!(got.free >= 0 && got.usage <= 100.0);
        }
    }

    #[test]
    fn meminfo_is_read_in_bytes_and_only_when_it_is_one() {
        let text = "MemTotal:        8137468 kB\nMemFree:          234567 kB\nMemAvailable:    6137468 kB\n";
        assert_eq!(Meminfo::parse(text), Some(Meminfo { total: 8137468 * 1024, available: 6137468 * 1024 }));
        for bad in ["", "hello world\n", "MemTotal: 5 kB\n", "MemTotal: 5 kB\nMemAvailable: 9 kB\n"] {
            assert_eq!(Meminfo::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_node_s_memory_is_what_cannot_be_had_where_the_host_tells() {
        let space =
            |available: Option<i64>, used: Option<i64>| Space { total: Some(16), used, available, ..Space::default() };
        assert_eq!(node(16, 14, Some(&space(Some(10), Some(14)))), (Usage::of(16, 6), "memavailable"));
        assert_eq!(node(16, 14, Some(&space(None, Some(13)))), (Usage::of(16, 14), "nodes"));
        assert_eq!(node(16, 14, None), (Usage::of(16, 14), "nodes"));
        assert_eq!(node(16, 0, Some(&space(None, Some(13)))), (Usage::of(16, 13), "status"));
        assert_eq!(node(0, 0, None), (Usage::of(0, 0), "unknown"));
        assert_eq!(node(16, 99, Some(&space(Some(-1), None))).0.used, 16);
    }
}
