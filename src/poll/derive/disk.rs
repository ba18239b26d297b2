//! A VM's disk figure from what its guest agent says: real file systems, each once.

use crate::model::{Filesystem, Usage};
use crate::order::Map;
use crate::proxmox::pve::AgentFilesystem;
use std::collections::HashSet;

/// Longest list that is kept for the page.
const LISTED_MAX: usize = 64;

/// Sum of the counted file systems and all of them for the page. `None` for the sum when nothing counts.
pub fn from_agent(all: &[AgentFilesystem]) -> (Option<Usage>, Vec<Filesystem>) {
    let mut sum = Sum::default();
    let mut names = HashSet::new();
    let mut twins = HashSet::new();
    let mut listed = Vec::new();
    for fs in all {
        let size = fs.total_bytes.unwrap_or(0);
        if size <= 0 {
            continue;
        }
        let taken = fs.used_bytes.unwrap_or(0).clamp(0, size);
        let devices: Vec<&str> = fs.disk.iter().map(|d| d.dev.as_str()).filter(|d| !d.is_empty()).collect();
        let device = if devices.is_empty() { fs.name.clone() } else { devices.join(",") };
        // One device mounted twice (bind mounts, subvolumes) counts once. The name is the volume; the device behind it
        // can hold several volumes, so it only tells when the figures are equal, too.
        let once = fs.name.is_empty() || names.insert(fs.name.clone());
        let new = once && (device.is_empty() || twins.insert((device.clone(), size, taken)));
        // Memory, and files of another file system.
        let made_up = ["zram", "loop"].iter().any(|of| fs.name.starts_with(of));
        let counted = new && !made_up && is_real(&fs.kind, &fs.mountpoint);
        if counted {
            sum.add(fs, size, taken);
        }
        if listed.len() < LISTED_MAX {
            listed.push(Filesystem {
                mountpoint: fs.mountpoint.clone(),
                r#type: fs.kind.clone(),
                total: size,
                used: taken,
                device,
                counted,
            });
        }
    }
    (sum.usage(), listed)
}

/// Space on disks, and in pools whose file systems share what is free.
#[derive(Default)]
struct Sum<'a> {
    total: i64,
    used: i64,
    /// Name of a pool to the bytes that its file systems use and that each of them calls free.
    pools: Map<&'a str, (i64, i64)>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, fs: &'a AgentFilesystem, size: i64, taken: i64) {
        // ZFS tells each dataset's own use out of that plus all that the pool has left.
        if fs.kind.eq_ignore_ascii_case("zfs")
            && let Some(pool) = fs.name.split('/').next().filter(|p| !p.is_empty())
        {
            let (used, free) = self.pools.entry(pool).or_default();
            *used = used.saturating_add(taken);
            *free = (*free).max(size.saturating_sub(taken));
            return;
        }
        self.total = self.total.saturating_add(size);
        self.used = self.used.saturating_add(taken);
    }

    fn usage(self) -> Option<Usage> {
        let (mut total, mut used) = (self.total, self.used);
        for (taken, free) in self.pools.into_values() {
            total = total.saturating_add(taken).saturating_add(free);
            used = used.saturating_add(taken);
        }
        (total > 0).then(|| Usage::of(total, used))
    }
}

/// A writable file system on the guest's own disks: not of the network, not virtual, not read-only media.
fn is_real(kind: &str, mountpoint: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    // NTFS and exFAT through FUSE are on real disks.
    let begins = ["nfs", "smb", "cgroup", "overlay", "fuse"];
    let virtual_kind = kind != "fuseblk" && begins.iter().any(|b| kind.starts_with(b));
    let others = [
        "cifs",
        "9p",
        "virtiofs",
        "aufs",
        "squashfs",
        "erofs",
        "cramfs",
        "romfs",
        "iso9660",
        "udf",
        "cdfs",
        "autofs",
        "ramfs",
        "tmpfs",
        "devtmpfs",
        "devfs",
        "proc",
        "procfs",
        "sysfs",
        "glusterfs",
        "ceph",
        "afs",
        "nullfs",
        "lofs",
        "ocfs2",
        "gfs2",
        "fdescfs",
        "linprocfs",
        "efivarfs",
        "rpc_pipefs",
        "securityfs",
        "debugfs",
        "tracefs",
    ];
    if virtual_kind || others.contains(&kind.as_str()) {
        return false;
    }
    // The partition that firmware boots from, wherever it is mounted.
    let place = mountpoint.rsplit('/').next().unwrap_or_default();
    if matches!(kind.as_str(), "vfat" | "msdos" | "msdosfs") && matches!(place, "boot" | "efi" | "esp" | "firmware") {
        return false;
    }
    let below = |top: &str| mountpoint == top || mountpoint.strip_prefix(top).is_some_and(|r| r.starts_with('/'));
    if ["/dev", "/proc", "/sys", "/run", "/boot/efi", "/snap"].iter().any(|top| below(top)) {
        return false;
    }
    !mountpoint.eq_ignore_ascii_case("system reserved")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxmox::pve::AgentFilesystems;

    const GIB: i64 = 1 << 30;

    fn read(json: &str) -> (Option<Usage>, Vec<Filesystem>) {
        from_agent(&serde_json::from_str::<AgentFilesystems>(json).unwrap().result)
    }

    fn fs(name: &str, mount: &str, kind: &str, dev: &str, total: i64, used: i64) -> String {
        let (total, used) = (total * GIB, used * GIB);
        format!(
            r#"{{"name":"{name}","mountpoint":"{mount}","type":"{kind}","total-bytes":{total},"used-bytes":"{used}",
                "disk":[{{"dev":"{dev}","bus-type":"scsi"}}]}}"#
        )
    }

    #[test]
    fn only_own_writable_disks_count_and_each_once() {
        let list = [
            fs("dm-0", "/", "ext4", "/dev/sda3", 30, 10),
            fs("dm-1", "/var", "xfs", "/dev/sda3", 20, 5),
            fs("dm-1", "/srv/bind", "xfs", "/dev/sda3", 20, 5),
            fs("sda1", "/boot/efi", "vfat", "/dev/sda1", 1, 1),
            fs("sdb1", "/data", "btrfs", "/dev/sdb1", 100, 50),
            fs("sdb1x", "/data/sub", "btrfs", "/dev/sdb1", 100, 50),
            fs("nas:/x", "/mnt/nas", "nfs4", "", 900, 800),
            fs("//nas/y", "/mnt/smb", "cifs", "", 900, 800),
            fs("sr0", "/media/cd", "iso9660", "/dev/sr0", 1, 1),
            fs("overlay", "/var/lib/docker/x", "overlay", "", 30, 10),
            fs("loop0", "/snap/core", "squashfs", "/dev/loop0", 1, 1),
            fs("v", "/mnt/v", "fuse.sshfs", "", 500, 1),
            fs("shm", "/dev/shm", "tmpfs", "", 8, 0),
            fs("host", "/mnt/h", "virtiofs", "", 500, 1),
            fs("e", "/", "erofs", "/dev/vda2", 1, 1),
        ];
        let (sum, all) = read(&format!("{{\"result\":[{}]}}", list.join(",")));
        assert_eq!(sum.unwrap(), Usage::of(150 * GIB, 65 * GIB));
        let counted: Vec<&str> = all.iter().filter(|f| f.counted).map(|f| f.mountpoint.as_str()).collect();
        assert_eq!(counted, ["/", "/var", "/data"]);
        assert_eq!(all.len(), list.len());
    }

    #[test]
    fn windows_volumes_on_one_disk_count_each_but_not_the_reserved_one() {
        let list = [
            fs("v1", "C:\\\\", "NTFS", "PhysicalDrive0", 60, 40),
            fs("v2", "D:\\\\", "NTFS", "PhysicalDrive0", 40, 1),
            fs("v3", "System Reserved", "NTFS", "PhysicalDrive0", 1, 1),
            fs("v4", "E:\\\\", "CDFS", "CdRom0", 4, 4),
        ];
        assert_eq!(read(&format!("{{\"result\":[{}]}}", list.join(","))).0.unwrap(), Usage::of(100 * GIB, 41 * GIB));
    }

    #[test]
    fn an_agent_s_error_or_nothing_is_unknown_not_zero() {
        for none in [
            r#"{"result":{"error":{"class":"CommandNotFound"}}}"#,
            r#"{"result":null}"#,
            r#"{"result":[]}"#,
            r#"{}"#,
            r#"{"result":[{"name":"sda1","mountpoint":"/","type":"ext4"}]}"#,
        ] {
            assert_eq!(read(none).0, None, "{none}");
        }
    }

    #[test]
    fn the_recorded_answer_gives_its_one_file_system() {
        let recorded = include_str!("../../../tests/data/pve8/get-fsinfo.json");
        let data: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let (sum, _) = read(&data["data"].to_string());
        assert_eq!(sum.unwrap(), Usage::of(53_687_091_200, 1_234_567_890));
    }
}
