//! What the owner does for other systems: pages out to the senders when they are due, and `metrics.json` in force.

use super::Core;
use crate::config::METRICS;
use crate::export::push::{Batch, Paper, Sender};
use crate::export::settings::Settings;
use crate::export::{Format, Page, guests, own, pbs, pve};
use crate::poll::Kind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the data directory that keeps what waits for receivers.
const FOLDER: &str = "push";

/// The receivers, and the server that long histories come from.
#[derive(Default)]
pub struct Exports {
    /// `None`: there is no data directory, and nothing is pushed.
    folder: Option<PathBuf>,
    pub settings: Settings,
    pub senders: Vec<Sender>,
    /// Until when the source of long histories is not asked, and why.
    pub source_failed: Option<(u64, String)>,
}

impl Core {
    /// Puts `metrics.json` in force at start.
    pub fn open_exports(&mut self, metrics: Option<&[u8]>, data_dir: &Path) {
        self.exports.folder = Some(data_dir.join(FOLDER));
        if let Some(bytes) = metrics {
            self.exports_changed(bytes);
        }
    }

    /// `metrics.json` was read. What cannot be understood changes nothing.
    pub(super) fn exports_changed(&mut self, bytes: &[u8]) {
        let settings = match Settings::parse(bytes) {
            Ok(settings) => settings,
            Err(why) => {
                let why = format!("failed to read {}: {why}", METRICS.name);
                log::error!("{why}; what was in force stays");
                self.config.problems.insert(METRICS.name, why);
                return;
            }
        };
        let exports = &mut self.exports;
        let Some(folder) = &exports.folder else { return };
        let mut before = std::mem::take(&mut exports.senders);
        for end in &settings.push {
            let known = before.iter().position(|s| s.end_point.name == end.name).map(|n| before.swap_remove(n));
            match known {
                Some(sender) if sender.end_point == *end => exports.senders.push(sender),
                known => match Sender::start(end.clone(), folder.join(&end.name), known) {
                    Ok(sender) => exports.senders.push(sender),
                    Err(e) => log::error!("{e}"),
                },
            }
        }
        exports.source_failed = None;
        exports.settings = settings;
    }

    /// Once a second: hands the figures to the receivers that are due. All get the same bytes.
    pub(super) fn push_figures(&mut self) {
        let now_ms = self.now.mono_ms;
        let due: Vec<bool> = self.exports.senders.iter_mut().map(|s| s.is_due(now_ms)).collect();
        if !due.contains(&true) {
            return;
        }
        let batch = Arc::new(self.figures());
        for (sender, _) in self.exports.senders.iter_mut().zip(due).filter(|(_, due)| *due) {
            sender.send(&batch);
        }
    }

    /// Everything that can be scraped, as of now.
    fn figures(&mut self) -> Batch {
        let mut page = Page::new(Format::Prometheus);
        self.own_page(&mut page);
        let (state, now) = (&self.state, self.now.wall);
        let mut pages = Vec::new();
        let mut add = |instance: &str, page: Page| {
            pages.push(Paper { instance: instance.to_owned(), text: page.finish().into_bytes().into() });
        };
        add("pulse", page);
        for ((_, name), _) in self.connections.iter().filter(|((kind, _), _)| *kind == Kind::Pve) {
            if let Some(page) = self.pve_page(name) {
                add(name, page);
            }
        }
        for server in &state.pbs {
            let mut page = Page::new(Format::Prometheus);
            if pbs::write(&mut page, state, &server.name, now) {
                add(&server.name, page);
            }
        }
        Batch { at_ms: self.now.unix_millis(), pages }
    }

    /// The metrics of Pulse itself.
    pub fn own_page(&mut self, page: &mut Page) {
        self.settle();
        let pushed: Vec<own::Pushed> = self.exports.senders.iter().map(Sender::pushed).collect();
        own::write(page, &self.state, crate::update::VERSION, self.uptime_secs(), &pushed);
    }

    /// The metrics of a PVE connection; `None` when there is none of that name that has answered.
    pub fn pve_page(&self, name: &str) -> Option<Page> {
        let connection = self.connections.get(Kind::Pve, name).filter(|c| !c.said.resources.is_empty())?;
        let mut page = Page::new(Format::Prometheus);
        pve::write(&mut page, &connection.said);
        guests::write(&mut page, &self.state, name, self.now.wall);
        Some(page)
    }
}
