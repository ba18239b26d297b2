//! Jobs of the server: garbage collection, synchronisation, verification, pruning, and the tasks they left.

use super::datastore::{gc_end, gc_row, upid, visible};
use crate::demo::ask::{Ask, Outcome, data};
use crate::demo::world::{DAY, Datastore, Pbs};
use crate::json::json;
use serde_json::Value;

pub fn gc(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    data(stores.iter().map(|d| gc_row(pbs, d, ask.t)).collect::<Vec<_>>())
}

/// The end of the last daily run that starts at a second of the day and takes a while.
fn last_end(t: i64, starts_secs: i64, takes_secs: i64) -> i64 {
    (t - starts_secs - takes_secs).div_euclid(DAY) * DAY + starts_secs + takes_secs
}

/// State and dates of a daily job.
fn dated(row: &mut Value, pbs: &Pbs, kind: &str, starts_secs: i64, takes_secs: i64, state: &str, t: i64) {
    let end = last_end(t, starts_secs, takes_secs);
    let worker = row["id"].as_str().unwrap_or_default().to_owned();
    row["last-run-endtime"] = json!(end);
    row["last-run-state"] = json!(state);
    row["last-run-upid"] = json!(upid(pbs, kind, &worker, end - takes_secs));
    row["next-run"] = json!((t - starts_secs).div_euclid(DAY) * DAY + DAY + starts_secs);
}

/// The second datastore is a copy of the first; another job never ran, so its state is missing altogether.
pub fn sync(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    let mut rows = Vec::new();
    for store in stores.iter().filter(|d| d.name == "main") {
        let mut row = json!({
            "id": "s-local", "store": store.name, "remote-store": "offsite", "schedule": "weekly", "disable": true,
            "sync-direction": "push",
        });
        dated(&mut row, pbs, "syncjob", 7 * 3600, 60, "WARNINGS: 2", ask.t);
        rows.push(row);
    }
    for store in stores.iter().filter(|d| d.name == "offsite") {
        let mut row = json!({
            "id": "s-offsite", "store": store.name, "remote": "other-building", "remote-store": "main",
            "schedule": "06:30", "comment": "copy for the other building", "owner": "root@pam",
            "remove-vanished": false, "sync-direction": "pull",
        });
        let failed = "sync failed: error trying to connect: tcp connect error: Connection refused (os error 111)";
        dated(&mut row, pbs, "syncjob", 6 * 3600 + 1800, 1140, failed, ask.t);
        rows.push(row);
        rows.push(json!({
            "id": "s-new", "store": store.name, "remote": "other-building", "remote-store": "new",
            "schedule": "hourly", "sync-direction": "pull",
        }));
    }
    data(rows)
}

pub fn verify(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    let row = |d: &&Datastore| {
        let mut row = json!({
            "id": format!("v-{}", d.name), "store": d.name, "schedule": "daily", "ignore-verified": true,
            "outdated-after": 30,
        });
        dated(&mut row, pbs, "verificationjob", 4 * 3600, 3011, "OK", ask.t);
        row
    };
    data(stores.iter().map(row).collect::<Vec<_>>())
}

pub fn prune(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    let row = |d: &&Datastore| {
        let mut row = json!({
            "id": format!("default-{}", d.name), "store": d.name, "schedule": "daily", "keep-daily": 7,
            "keep-weekly": 4, "keep-monthly": 6, "max-depth": 7,
        });
        dated(&mut row, pbs, "prunejob", 0, 21, "OK", ask.t);
        row
    };
    data(stores.iter().map(row).collect::<Vec<_>>())
}

/// The tasks of the last two weeks, newest first.
pub fn tasks(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    let mut rows = Vec::new();
    for store in stores {
        for back in 0..14 {
            let t = ask.t - back * DAY;
            rows.push(task(pbs, "garbage_collection", &store.name, gc_end(t) - 312, 312, "OK"));
            let end = last_end(t, 4 * 3600, 3011);
            rows.push(task(
                pbs,
                "verificationjob",
                &format!("{}:v-{}", store.name, store.name),
                end - 3011,
                3011,
                "OK",
            ));
        }
    }
    crate::order::sort_by_key(&mut rows, |row| std::cmp::Reverse(row["starttime"].as_i64()));
    let wanted = |row: &Value| {
        let start = row["starttime"].as_i64().unwrap_or(0);
        ask.param("typefilter").is_none_or(|kind| row["worker_type"].as_str().is_some_and(|k| k.contains(kind)))
            && ask.number("since").is_none_or(|since| start >= since)
            && ask.number("until").is_none_or(|until| start <= until)
            && !ask.flag("running")
            && !ask.flag("errors")
    };
    let skip = usize::try_from(ask.number("start").unwrap_or(0)).unwrap_or(0);
    let limit = usize::try_from(ask.number("limit").unwrap_or(50)).unwrap_or(50);
    data(rows.into_iter().filter(wanted).skip(skip).take(limit).collect::<Vec<_>>())
}

fn task(pbs: &Pbs, kind: &str, worker: &str, start: i64, takes: i64, status: &str) -> Value {
    json!({
        "upid": upid(pbs, kind, worker, start), "node": pbs.name, "pid": 812, "pstart": 4711, "starttime": start,
        "endtime": start + takes, "status": status, "user": "root@pam", "worker_type": kind, "worker_id": worker,
    })
}
