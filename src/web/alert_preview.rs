//! `POST /api/alerts/preview`: what a configuration would have raised in the last hours. The owner hands out snapshots
//! of the recorded figures in parts; a job reads them one after the other, so that a large installation needs little
//! memory for it, and replays them.

use crate::alerts::Config;
use crate::alerts::check::Check;
use crate::alerts::preview::{Place, Series, preview};
use crate::history::{Kind, Metric, Snapshot, Wanted};
use crate::http::{Call, Response};
use crate::model::State;
use crate::owner::{Answer, Core};
use serde_json::Value;

const HOURS_USUAL: i64 = 24;
const HOURS_MAX: i64 = 168;
/// Points of a series: five minutes apart over a day.
const POINTS: usize = 400;
/// Resources read at a time.
const PART: usize = 100;
/// A figure counts for at least this long; over longer ranges figures lie further apart.
const HOLD_LEAST_MS: i64 = 90_000;

/// `{"config": …, "hours": n}`; without `config` the body itself is the configuration, without either the present one.
pub fn answer(core: &mut Core, call: &Call) -> Answer {
    let (config, hours) = match read(core, &call.body) {
        Ok(request) => request,
        Err(why) => return Response::error(400, &why).into(),
    };
    let places = places(&core.state);
    let range_secs = hours * 3_600;
    let mut parts: Vec<(Vec<Place>, Snapshot)> = Vec::new();
    for part in places.chunks(PART) {
        let wanted = part.iter().map(|place| wanted(core, *place)).collect();
        parts.push((part.to_vec(), core.history.snapshot(core.now, range_secs, POINTS, wanted)));
    }
    let state = State {
        nodes: core.state.nodes.clone(),
        vms: core.state.vms.clone(),
        containers: core.state.containers.clone(),
        storage: core.state.storage.clone(),
        pbs: core.state.pbs.clone(),
        ..State::default()
    };
    Answer::job("preview alerts", move || {
        let mut series = Vec::new();
        for (places, snapshot) in parts {
            for (place, read) in places.iter().zip(snapshot.read()) {
                series.extend(of_place(*place, &read, &config));
            }
        }
        // Buckets are at most this wide; a gap of more than two is a gap.
        let hold_ms = (range_secs * 1_000 / (POINTS as i64 / 3)).max(HOLD_LEAST_MS);
        Response::json(&preview(config, &state, &series, hold_ms))
    })
}

fn read(core: &Core, body: &[u8]) -> Result<(Config, i64), String> {
    let present = core.alerts.engine.config();
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok((Config::clone(present), HOURS_USUAL));
    }
    let mut value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let hours = value.as_object_mut().and_then(|map| map.remove("hours"));
    let hours = hours.map_or(Some(HOURS_USUAL), |h| h.as_i64()).ok_or("hours: a whole number expected")?;
    let config = value.as_object_mut().and_then(|map| map.remove("config")).unwrap_or(value);
    let config = present.after_put(config.to_string().as_bytes())?;
    Ok((config, hours.clamp(1, HOURS_MAX)))
}

/// Everything that has recorded figures.
fn places(state: &State) -> Vec<Place> {
    let mut places: Vec<Place> = (0..state.vms.len()).map(Place::Vm).collect();
    places.extend((0..state.containers.len()).map(Place::Container));
    places.extend((0..state.nodes.len()).map(Place::Node));
    places.extend((0..state.storage.len()).map(Place::Storage));
    for (n, pbs) in state.pbs.iter().enumerate() {
        places.push(Place::Pbs(n));
        places.extend((0..pbs.datastores.as_ref().map_or(0, Vec::len)).map(|m| Place::Datastore(n, m)));
    }
    places
}

fn kind_of(place: Place) -> Kind {
    match place {
        Place::Vm(_) | Place::Container(_) => Kind::Guest,
        Place::Node(_) => Kind::Node,
        Place::Storage(_) => Kind::Storage,
        Place::Pbs(_) => Kind::Pbs,
        Place::Datastore(..) => Kind::Datastore,
    }
}

fn wanted(core: &Core, place: Place) -> Wanted {
    let (state, subjects) = (&core.state, core.history.subjects());
    let id = match place {
        Place::Vm(n) => state.vms.get(n).and_then(|g| subjects.guest(&g.instance, g.vmid)),
        Place::Container(n) => state.containers.get(n).and_then(|g| subjects.guest(&g.instance, g.vmid)),
        Place::Node(n) => state.nodes.get(n).and_then(|x| subjects.other(Kind::Node, &x.instance, &x.name)),
        Place::Storage(n) => state.storage.get(n).and_then(|s| subjects.other(Kind::Storage, &s.instance, &s.id)),
        Place::Pbs(n) => state.pbs.get(n).and_then(|p| subjects.other(Kind::Pbs, &p.name, "")),
        Place::Datastore(n, m) => state.pbs.get(n).and_then(|p| {
            let store = p.datastores.as_ref()?.get(m)?;
            subjects.other(Kind::Datastore, &p.name, &store.name)
        }),
    };
    let kind = kind_of(place);
    let columns = kind.metrics().iter().enumerate().filter(|(_, m)| check_of(**m).is_some());
    Wanted { id, kind, columns: columns.fold(0, |mask, (n, _)| mask | 1 << n) }
}

/// The check a recorded figure is for.
fn check_of(metric: Metric) -> Option<Check> {
    Some(match metric {
        Metric::Cpu => Check::Cpu,
        Metric::Memory => Check::Memory,
        Metric::Disk => Check::Disk,
        Metric::DiskRead => Check::DiskRead,
        Metric::DiskWrite => Check::DiskWrite,
        Metric::NetIn => Check::NetworkIn,
        Metric::NetOut => Check::NetworkOut,
        Metric::Usage => Check::Usage,
        Metric::Used | Metric::Total | Metric::Avail => return None,
    })
}

/// The series of one resource that anybody watches. The CPU of a guest also tells when it ran.
fn of_place(place: Place, read: &crate::history::Series, config: &Config) -> Vec<Series> {
    let rates = config.watches_rates();
    let columns = kind_of(place).metrics().iter().zip(read);
    columns
        .filter_map(|(metric, points)| {
            let check = check_of(*metric)?;
            let is_rate = check.is_load() && !matches!(check, Check::Cpu | Check::Memory);
            if points.is_empty() || (is_rate && !rates) {
                return None;
            }
            let points = points.iter().map(|p| (p.unix_secs * 1_000, p.value as f32)).collect();
            Some(Series { of: place, check, points })
        })
        .collect()
}
