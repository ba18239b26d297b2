//! Task lists: nightly backups, and the small change of every day around them.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::noise::hash;
use crate::demo::world::{DAY, Guest, Plan, Pve, Run};
use crate::json::json;
use serde::Serialize;
use std::collections::BTreeMap;

/// How far back a node remembers its tasks.
const REMEMBERED_DAYS: i64 = 14;

/// One task of a node.
#[derive(Serialize, Clone)]
pub struct Task {
    pub upid: String,
    pub node: String,
    pub pid: u32,
    pub pstart: u32,
    pub starttime: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endtime: Option<i64>,
    pub r#type: &'static str,
    pub id: String,
    pub user: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip)]
    pub lines: Vec<String>,
}

impl Task {
    fn new(node: &str, kind: &'static str, id: &str, user: &'static str, start: i64) -> Task {
        let h = hash(start.unsigned_abs(), kind.len() as u64, id.len() as u64 + u64::from(start.unsigned_abs() as u32));
        let (pid, pstart) = (1000 + (h % 3_000_000) as u32, (h >> 32) as u32);
        let upid = format!("UPID:{node}:{pid:08X}:{pstart:08X}:{start:08X}:{kind}:{id}:{user}:");
        let (node, id) = (node.to_owned(), id.to_owned());
        Task {
            upid,
            node,
            pid,
            pstart,
            starttime: start,
            endtime: None,
            r#type: kind,
            id,
            user,
            status: None,
            lines: Vec::new(),
        }
    }
    fn ended(mut self, end: i64, status: &str, now: i64) -> Task {
        if end <= now {
            (self.endtime, self.status) = (Some(end), Some(status.to_owned()));
        }
        self
    }
    fn failed(&self) -> bool {
        self.status.as_deref().is_some_and(|s| s != "OK")
    }
}

/// All tasks of a node since a second, newest first.
fn all(pve: &Pve, index: usize, since: i64, now: i64) -> Vec<Task> {
    let Some(node) = pve.nodes.get(index) else { return Vec::new() };
    let since = since.max(now - REMEMBERED_DAYS * DAY).max(node.booted - REMEMBERED_DAYS * DAY);
    let mut tasks = backups(pve, index, &node.name, since, now);
    let days = since.div_euclid(DAY)..=now.div_euclid(DAY);
    for day in days {
        let start = day * DAY + 3 * 3600 + 17 * 60 + (index as i64) * 61;
        tasks.push(Task::new(&node.name, "aptupdate", "", "root@pam", start).ended(start + 9, "OK", now));
        for hour in [8, 12, 17] {
            let start = day * DAY + hour * 3600 + (hash(node.seed, day.unsigned_abs(), hour as u64) % 3000) as i64;
            let id = pve.guests_on(index, now).next().map_or_else(String::new, |g| g.vmid.to_string());
            tasks.push(Task::new(&node.name, "vncproxy", &id, "admin@pve", start).ended(start + 64, "OK", now));
        }
    }
    tasks.retain(|task| (since..=now).contains(&task.starttime));
    crate::order::sort_by_key(&mut tasks, |task| std::cmp::Reverse(task.starttime));
    tasks
}

/// Guests with a job of their own have a task each; the others of a night share one, whose id is empty.
fn backups(pve: &Pve, index: usize, node: &str, since: i64, now: i64) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut nights: BTreeMap<(i64, &str), Vec<(&Guest, Run)>> = BTreeMap::new();
    for guest in pve.guests_on(index, now) {
        let Some(plan) = &guest.plan else { continue };
        let long = Plan { keep: REMEMBERED_DAYS as usize, ..plan.clone() };
        for run in long.runs(guest, now).filter(|run| run.start >= since && run.start <= now) {
            if plan.alone {
                tasks.push(backup_task(node, &guest.vmid.to_string(), &plan.storage, &[(guest, run)], now));
            } else {
                nights.entry((run.start.div_euclid(DAY), &plan.storage)).or_default().push((guest, run));
            }
        }
    }
    tasks.extend(nights.iter().map(|((_, storage), runs)| backup_task(node, "", storage, runs, now)));
    tasks
}

fn backup_task(node: &str, id: &str, storage: &str, runs: &[(&Guest, Run)], now: i64) -> Task {
    let start = runs.iter().map(|(_, run)| run.start).min().unwrap_or(now);
    let end = runs.iter().map(|(_, run)| run.end).max().unwrap_or(now) + 2;
    let bad = runs.iter().filter(|(_, run)| !run.ok).count();
    let status = match (bad, id.is_empty()) {
        (0, _) => "OK",
        (_, true) => "job errors",
        (_, false) => "unable to create snapshot: storage is busy",
    };
    let mut task = Task::new(node, "vzdump", id, "root@pam", start);
    let vmids: Vec<String> = runs.iter().map(|(guest, _)| guest.vmid.to_string()).collect();
    task.lines
        .push(format!("INFO: starting new backup job: vzdump {} --storage {storage} --mode snapshot", vmids.join(" ")));
    for (guest, run) in runs.iter().filter(|(_, run)| run.end <= now) {
        let kind = guest.kind.name();
        task.lines.push(format!("INFO: Starting Backup of VM {} ({kind})", guest.vmid));
        let took = run.end - run.start;
        let clock = format!("{:02}:{:02}:{:02}", took / 3600, took / 60 % 60, took % 60);
        task.lines.push(if run.ok {
            format!("INFO: Finished Backup of VM {} ({clock})", guest.vmid)
        } else {
            format!("ERROR: Backup of VM {} failed - unable to create snapshot: storage is busy", guest.vmid)
        });
    }
    let last = if status == "OK" { "TASK OK".to_owned() } else { format!("TASK ERROR: {status}") };
    if end <= now {
        task.lines.push(last);
    }
    task.ended(end, status, now)
}

pub fn list(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let since = ask.number("since").unwrap_or(i64::MIN);
    let source = ask.param("source").unwrap_or("archive");
    let wanted = |task: &Task| {
        let running = task.endtime.is_none();
        (source == "all" || running == (source == "active"))
            && ask.param("typefilter").is_none_or(|kind| kind == task.r#type)
            && ask.param("userfilter").is_none_or(|user| task.user.contains(user))
            && ask.number("vmid").is_none_or(|vmid| vmid.to_string() == task.id)
            && ask.number("until").is_none_or(|until| task.starttime <= until)
            && (!ask.flag("errors") || task.failed())
            && ask.param("statusfilter").is_none_or(|s| s.split(',').any(|s| status_fits(task, s)))
    };
    let skip = usize::try_from(ask.number("start").unwrap_or(0)).unwrap_or(0);
    let limit = usize::try_from(ask.number("limit").unwrap_or(50)).unwrap_or(50);
    let tasks = all(pve, index, since, ask.t);
    data(tasks.into_iter().filter(|t| wanted(t)).skip(skip).take(limit).collect::<Vec<_>>())
}

fn status_fits(task: &Task, wanted: &str) -> bool {
    match wanted {
        "ok" => task.status.as_deref() == Some("OK"),
        "error" => task.failed(),
        _ => false,
    }
}

/// The newest few of all nodes.
pub fn cluster(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let up = pve.members().filter(|(_, n)| n.online);
    let mut tasks: Vec<Task> = up.flat_map(|(i, _)| all(pve, i, ask.t - 2 * DAY, ask.t)).collect();
    crate::order::sort_by_key(&mut tasks, |task| std::cmp::Reverse(task.starttime));
    tasks.truncate(25);
    data(tasks)
}

fn found(ask: &Ask) -> Result<Task, Refusal> {
    let (pve, index) = ask.node()?;
    let upid = ask.part("upid");
    let task = all(pve, index, i64::MIN, ask.t).into_iter().find(|task| task.upid == upid);
    task.ok_or_else(|| Refusal::new(500, format!("unable to parse worker upid '{upid}' - no such task")))
}

pub fn status(ask: &Ask) -> Outcome {
    let task = found(ask)?;
    let mut row = json!({
        "upid": task.upid, "node": task.node, "pid": task.pid, "pstart": task.pstart, "starttime": task.starttime,
        "type": task.r#type, "id": task.id, "user": task.user,
        "status": if task.endtime.is_some() { "stopped" } else { "running" },
    });
    if let Some(exit) = task.status {
        row["exitstatus"] = json!(exit);
    }
    data(row)
}

pub fn log(ask: &Ask) -> Outcome {
    let task = found(ask)?;
    let skip = usize::try_from(ask.number("start").unwrap_or(0)).unwrap_or(0);
    let limit = usize::try_from(ask.number("limit").unwrap_or(50)).unwrap_or(50);
    let lines = task.lines.iter().enumerate().skip(skip).take(limit);
    data(lines.map(|(n, text)| json!({ "n": n + 1, "t": text })).collect::<Vec<_>>())
}
