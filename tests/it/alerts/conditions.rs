//! Conditions beyond 4.9's metrics: what announces the loss of data is on by default, the rest on request (row 79).

use super::bench::{Bench, brief};
use pulse::alerts::Lists;
use pulse::alerts::outgoing::Unit;
use pulse::model::{
    BackupTask, Ceph, Cluster, ClusterMember, GuestSnapshot, PbsBackup, PhysicalDisk, ReplicationJob, Service,
    StorageBackup, Time, ZfsPool,
};
use serde_json::{Value, json};
use std::time::Duration;

const NONE: [&str; 0] = [];

fn on(check: &str) -> Value {
    json!({ "checks": { check: { "enabled": true } } })
}

fn days_ago(b: &Bench, days: u64) -> Time {
    Time(b.now.wall.0 - (days * 86_400 * 1_000_000_000) as i64)
}

fn task(b: &Bench, vmid: i64, status: &str) -> BackupTask {
    BackupTask {
        id: format!("lab-UPID:{vmid}:{}", b.now.wall.0),
        node: "alpha".into(),
        vmid,
        status: status.into(),
        start_time: Time(b.now.wall.0 - 60_000_000_000),
        end_time: if status.is_empty() { Time::UNSET } else { b.now.wall },
        instance: "lab".into(),
        ..BackupTask::default()
    }
}

// Row 79: 4.9 has no alert for any of these.
#[test]
fn row_79_what_announces_loss_of_data_is_on_and_everything_else_is_off() {
    let mut b = Bench::new(json!({}));
    let old = days_ago(&b, 100);
    b.vm().last_backup = old;
    b.state.containers[0].status = "stopped".into();
    b.state.nodes[0].certificate_expiry = Some(b.now.wall);
    b.state.nodes[0].reboot_pending = Some(true);
    b.state.nodes[0].updates_pending = Some(40);
    b.state.nodes[0].failed_services = vec![Service { name: "pveproxy".into(), state: "dead".into() }];
    b.state.pve_backups.guest_snapshots = vec![GuestSnapshot {
        vmid: 101,
        instance: "lab".into(),
        name: "old".into(),
        time: old,
        ..GuestSnapshot::default()
    }];
    b.state.pve_backups.storage_backups =
        vec![StorageBackup { vmid: 101, instance: "lab".into(), is_pbs: true, time: old, ..StorageBackup::default() }];
    b.state.physical_disks = vec![disk("PASSED", Some(1.0))];
    b.state.ceph = vec![ceph("HEALTH_WARN")];
    assert_eq!(brief(&b.polls(5)), NONE);
    b.state.pve_backups.backup_tasks = vec![task(&b, 101, "job failed")];
    b.vm().last_backup = Time::UNSET;
    b.state.physical_disks = vec![disk("FAILED!", Some(1.0))];
    b.state.ceph = vec![ceph("HEALTH_ERR")];
    b.state.zfs_pools = vec![pool("DEGRADED")];
    b.state.replication = vec![job(1, "")];
    b.state.clusters = vec![cluster(false)];
    b.state.pbs_backups = vec![broken()].into();
    let mut got = brief(&b.polls(2));
    got.sort();
    assert_eq!(
        got,
        [
            "+lab-alpha-101-backup-failed",
            "+lab-alpha-disk-S1-smart",
            "+lab-alpha-zfs-tank-zfs-health",
            "+lab-ceph-ceph-health",
            "+lab-cluster-quorum",
            "+lab-replication-101-0-replication",
            "+pbs-vault-store1-verify-failed",
        ]
    );
}

fn disk(health: &str, wearout: Option<f64>) -> PhysicalDisk {
    PhysicalDisk {
        instance: "lab".into(),
        node: "alpha".into(),
        device: "/dev/sda".into(),
        model: "Disk 9000".into(),
        serial: "S1".into(),
        health: health.into(),
        wearout,
        ..PhysicalDisk::default()
    }
}
fn pool(health: &str) -> ZfsPool {
    ZfsPool {
        instance: "lab".into(),
        node: "alpha".into(),
        name: "tank".into(),
        health: health.into(),
        ..ZfsPool::default()
    }
}
fn ceph(health: &str) -> Ceph {
    Ceph { instance: "lab".into(), health: health.into(), checks: vec!["1 osds down".into()], ..Ceph::default() }
}
fn job(fail_count: i64, error: &str) -> ReplicationJob {
    ReplicationJob {
        instance: "lab".into(),
        id: "101-0".into(),
        source: "alpha".into(),
        target: "beta".into(),
        fail_count,
        error: error.into(),
        enabled: true,
        ..ReplicationJob::default()
    }
}
fn cluster(quorate: bool) -> Cluster {
    let member = |name: &str, online| ClusterMember { name: name.into(), online, ..ClusterMember::default() };
    Cluster {
        instance: "lab".into(),
        name: "lab".into(),
        quorate,
        members: vec![member("alpha", true), member("beta", false)],
        ha: vec![],
    }
}
fn broken() -> PbsBackup {
    PbsBackup {
        instance: "vault".into(),
        datastore: "store1".into(),
        verification: Some("failed".into()),
        ..PbsBackup::default()
    }
}

#[test]
fn a_guest_that_is_powered_off_alerts_on_request_and_not_when_it_was_only_unknown() {
    let mut b = Bench::new(on("powered-off"));
    b.vm().status = "unknown".into();
    assert_eq!(brief(&b.polls(5)), NONE);
    b.vm().status = "stopped".into();
    assert_eq!(brief(&b.poll()), NONE);
    assert_eq!(brief(&b.poll()), ["+guest-powered-off-lab-alpha-101"]);
    let a = b.alert("guest-powered-off-lab-alpha-101");
    assert_eq!(
        (a.r#type.as_str(), a.level.as_str(), a.message.as_str()),
        ("powered-off", "warning", "VM 'guest101' is powered off")
    );
    b.vm().status = "running".into();
    assert_eq!(brief(&b.poll()), ["-guest-powered-off-lab-alpha-101"]);
}

#[test]
fn a_check_is_switched_on_or_off_for_one_resource() {
    let mut b = Bench::new(
        json!({"overrides": {"lab:101": {"checks": {"powered-off": {"enabled": true, "level": "critical"}}}}}),
    );
    b.vm().status = "stopped".into();
    b.state.containers[0].status = "stopped".into();
    b.polls(3);
    assert_eq!(b.ids(), ["guest-powered-off-lab-alpha-101"]);
    assert_eq!(b.alert("guest-powered-off-lab-alpha-101").level, "critical");
    b.set(json!({"checks": {"powered-off": true}, "overrides": {"lab:101": {"disableConnectivity": true}}}));
    assert_eq!(brief(&b.polls(3)), ["-guest-powered-off-lab-alpha-101 notWatched", "+guest-powered-off-lab-alpha-201"]);
}

#[test]
fn a_failed_backup_alerts_until_one_works() {
    let mut b = Bench::new(json!({}));
    b.state.pve_backups.backup_tasks = vec![task(&b, 101, "unable to find VM 101"), task(&b, 201, "OK")];
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-backup-failed"]);
    assert_eq!(b.alert("lab-alpha-101-backup-failed").message, "Backup of VM 'guest101' failed: unable to find VM 101");
    let running = task(&b, 101, "");
    b.state.pve_backups.backup_tasks.insert(0, running);
    assert_eq!(brief(&b.polls(3)), NONE, "the next one is still at work");
    b.state.pve_backups.backup_tasks[0] = task(&b, 101, "WARNINGS: 2");
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-backup-failed"], "warnings are no failure");
    b.state.pve_backups.backup_tasks[0] = task(&b, 0, "job errors");
    assert_eq!(brief(&b.poll()).len(), 2, "a job over several guests belongs to its node: {:?}", b.ids());
    assert!(b.ids().contains(&"lab-alpha-backup-failed"));
}

#[test]
fn a_newer_backup_by_other_means_makes_a_failure_history() {
    let mut b = Bench::new(json!({}));
    b.state.pve_backups.backup_tasks = vec![task(&b, 101, "failed")];
    b.poll();
    b.vm().last_backup = b.now.wall;
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-backup-failed"]);
}

#[test]
fn a_backup_that_is_too_old_or_missing_alerts_once_every_list_is_there() {
    let mut b = Bench::new(on("backup-age"));
    b.vm().last_backup = days_ago(&b, 4);
    b.state.containers[0].last_backup = b.now.wall;
    let nothing = Lists::default();
    assert!(b.poll_with(nothing).is_empty());
    let without_pbs = Lists { tasks: true, ..nothing };
    assert!(b.poll_with(without_pbs).is_empty(), "the backup server may know a newer one");
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-backup-age"]);
    let a = b.alert("lab-alpha-101-backup-age");
    assert_eq!(
        (a.level.as_str(), a.threshold, a.value.round(), a.message.as_str()),
        ("warning", 3.0, 4.0, "VM 'guest101': last backup 4 days ago")
    );
    assert_eq!(b.told[0].items[0].unit, Unit::Days);
    b.now = b.now.plus(Duration::from_secs(4 * 86_400));
    assert_eq!(brief(&b.poll()), ["^lab-alpha-101-backup-age critical", "+lab-alpha-201-backup-age"]);
    b.vm().last_backup = b.now.wall;
    b.state.containers[0].last_backup = Time::UNSET;
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-backup-age"]);
    assert_eq!(b.alert("lab-alpha-201-backup-age").message, "Container 'guest201' has no backup");
}

#[test]
fn snapshots_and_verification_have_an_age() {
    let mut b =
        Bench::new(json!({"checks": {"snapshot-age": true, "backup-unverified": {"enabled": true, "warning": 2}}}));
    let snapshot = |name: &str, time| GuestSnapshot {
        vmid: 101,
        instance: "lab".into(),
        name: name.into(),
        time,
        ..GuestSnapshot::default()
    };
    b.state.pve_backups.guest_snapshots =
        vec![snapshot("new", days_ago(&b, 1)), snapshot("pre-upgrade", days_ago(&b, 8))];
    let copy = |time, verified| StorageBackup {
        vmid: 101,
        instance: "lab".into(),
        is_pbs: true,
        time,
        verified,
        ..StorageBackup::default()
    };
    b.state.pve_backups.storage_backups = vec![copy(days_ago(&b, 3), false), copy(days_ago(&b, 9), true)];
    let mut got = brief(&b.poll());
    got.sort();
    assert_eq!(got, ["+lab-alpha-101-backup-unverified", "+lab-alpha-101-snapshot-age"]);
    assert_eq!(b.alert("lab-alpha-101-snapshot-age").message, "VM 'guest101': snapshot 'pre-upgrade' is 8 days old");
    b.state.pve_backups.guest_snapshots.pop();
    b.state.pve_backups.storage_backups[0].verified = true;
    assert_eq!(brief(&b.poll()).len(), 2);
    assert!(b.ids().is_empty());
}

#[test]
fn zfs_smart_ceph_and_replication_speak_and_unknown_words_are_no_news() {
    let mut b = Bench::new(json!({"checks": {"ceph-health": {"minLevel": "warning"}, "wearout": true}}));
    b.state.zfs_pools = vec![pool("ONLINE")];
    b.state.physical_disks = vec![disk("OK", Some(50.0))];
    b.state.ceph = vec![ceph("HEALTH_OK")];
    b.state.replication = vec![job(0, "")];
    assert_eq!(brief(&b.polls(2)), NONE);
    b.state.zfs_pools = vec![pool("FAULTED")];
    b.state.physical_disks = vec![disk("UNKNOWN", Some(4.0))];
    b.state.ceph = vec![ceph("HEALTH_WARN")];
    b.state.replication = vec![job(3, "no route to host")];
    b.poll();
    let level = |b: &Bench, id: &str| b.alert(id).level;
    assert_eq!(level(&b, "lab-alpha-zfs-tank-zfs-health"), "critical");
    assert_eq!(level(&b, "lab-alpha-disk-S1-wearout"), "critical");
    assert_eq!(level(&b, "lab-ceph-ceph-health"), "warning");
    assert_eq!(b.alert("lab-ceph-ceph-health").message, "Ceph is HEALTH_WARN: 1 osds down");
    assert_eq!(level(&b, "lab-replication-101-0-replication"), "critical");
    assert_eq!(b.ids().len(), 4, "UNKNOWN is what PVE says of disks it cannot ask");
    b.state.zfs_pools[0].health = "UNKNOWN".into();
    b.state.ceph[0].health = String::new();
    b.state.physical_disks[0].wearout = None;
    assert_eq!(brief(&b.polls(3)), NONE);
    b.state.replication[0].enabled = false;
    assert_eq!(brief(&b.poll()), ["-lab-replication-101-0-replication notWatched"]);
}

#[test]
fn a_disk_that_changes_its_device_name_is_the_same_disk() {
    let mut b = Bench::new(json!({}));
    b.state.physical_disks = vec![disk("FAILED", None)];
    b.poll();
    b.state.physical_disks[0].device = "/dev/sdb".into();
    assert_eq!(brief(&b.polls(5)), NONE);
}

#[test]
fn slow_lists_that_did_not_come_yet_end_nothing_after_a_restart() {
    let mut b = Bench::new(json!({}));
    b.state.physical_disks = vec![disk("FAILED", None)];
    b.state.pve_backups.backup_tasks = vec![task(&b, 101, "failed")];
    b.state.pbs_backups = vec![broken()].into();
    b.poll();
    assert_eq!(b.ids().len(), 3);
    let disks = std::mem::take(&mut b.state.physical_disks);
    let tasks = std::mem::take(&mut b.state.pve_backups.backup_tasks);
    let backups = std::mem::take(&mut b.state.pbs_backups);
    b.restart();
    for _ in 0..20 {
        assert!(b.poll_with(Lists::default()).is_empty());
    }
    b.state.physical_disks = disks;
    b.state.pve_backups.backup_tasks = tasks;
    b.state.pbs_backups = backups;
    assert_eq!(brief(&b.polls(5)), NONE);
    b.state.physical_disks.clear();
    assert_eq!(brief(&b.polls(3)), ["-lab-alpha-disk-S1-smart gone"]);
}

#[test]
fn a_cluster_without_quorum_is_confirmed_once() {
    let mut b = Bench::new(json!({}));
    b.state.clusters = vec![cluster(false)];
    assert_eq!(brief(&b.poll()), NONE);
    assert_eq!(brief(&b.poll()), ["+lab-cluster-quorum"]);
    assert_eq!(b.alert("lab-cluster-quorum").message, "Cluster 'lab' has no quorum (1 of 2 nodes online)");
}

#[test]
fn storages_and_datastores_that_do_not_answer_alert_and_maintenance_is_intended() {
    let mut b = Bench::new(json!({}));
    b.poll();
    b.state.storage[0].status = "inactive".into();
    b.state.storage[0].active = false;
    b.state.storage[1].enabled = false;
    b.state.storage[1].status = "disabled".into();
    b.state.pbs[0].datastores.as_mut().unwrap()[0].status = "maintenance".into();
    assert_eq!(brief(&b.poll()), NONE);
    assert_eq!(brief(&b.poll()), ["+storage-offline-lab-alpha-local"]);
    assert_eq!(b.alert("storage-offline-lab-alpha-local").level, "warning");
    let datastore = &mut b.state.pbs[0].datastores.as_mut().unwrap()[0];
    datastore.status = "error".into();
    datastore.error = "no such mount".into();
    assert_eq!(brief(&b.polls(2)), ["+storage-offline-pbs-vault-store1"]);
    assert_eq!(
        b.alert("storage-offline-pbs-vault-store1").message,
        "Datastore store1 of vault is unavailable: no such mount"
    );
}

// Rows of 8.1: 4.9 never alerts on a storage that PVE calls active, nor on a datastore.
#[test]
fn a_storage_that_is_not_active_has_no_fill() {
    let mut b = Bench::new(json!({}));
    b.state.storage[0].usage = 99.0;
    b.state.storage[0].active = false;
    assert_eq!(brief(&b.poll()), NONE);
    b.state.storage[0].active = true;
    assert_eq!(brief(&b.poll()), ["+lab-alpha-local-usage"]);
    b.state.storage[0].active = false;
    assert_eq!(brief(&b.polls(5)), NONE);
}

#[test]
fn nodes_have_certificates_reboots_updates_and_services() {
    let mut b = Bench::new(
        json!({"checks": {"certificate": true, "reboot-pending": true, "updates": {"enabled": true, "warning": 10},
        "service-failed": true}}),
    );
    b.state.nodes[0].certificate_expiry = Some(b.now.wall.plus(Duration::from_secs(10 * 86_400)));
    b.state.nodes[0].reboot_pending = Some(true);
    b.state.nodes[0].updates_pending = Some(9);
    b.state.nodes[1].certificate_expiry = Some(Time(b.now.wall.0 - 1));
    b.state.nodes[1].failed_services = vec![
        Service { name: "pvedaemon".into(), state: "failed".into() },
        Service { name: "cron".into(), state: "dead".into() },
    ];
    let mut got = brief(&b.poll());
    got.sort();
    assert_eq!(
        got,
        ["+lab-alpha-certificate", "+lab-alpha-reboot-pending", "+lab-beta-certificate", "+lab-beta-service-failed"]
    );
    assert_eq!(b.alert("lab-beta-certificate").level, "critical");
    assert_eq!(b.alert("lab-beta-service-failed").message, "Services of node 'beta' do not run: pvedaemon, cron");
}
