//! What the owner does for history: figures in after each report, finished slots out to the disk on a job thread.

use super::Core;
use super::{After, Answer, Task};
use crate::history::{Flush, Folder, History, load};
use crate::http::Response;
use crate::poll::Kind;
use std::path::Path;
use std::sync::Arc;

/// Where charts lie in the data directory.
const FOLDER: &str = "history";

impl Core {
    /// Goes on with the charts that were kept. What cannot be read is told and costs charts, never the start.
    pub fn open_history(&mut self, data_dir: &Path) {
        let path = data_dir.join(FOLDER);
        match Folder::open(&path).and_then(|folder| load(Arc::new(folder))) {
            Ok(kept) => {
                if kept.damaged > 0 {
                    log::warn!("{}: {} damaged records were left out of the charts", path.display(), kept.damaged);
                }
                self.history = History::restored(kept, self.now);
            }
            Err(e) => log::error!("failed to open {}: {e}; charts live in memory until the next start", path.display()),
        }
    }

    /// Takes the figures of a connection that has just answered into history.
    pub(super) fn remember(&mut self, kind: Kind, instance: &str) {
        match kind {
            Kind::Pve => self.history.record_pve(self.now, &self.state, instance),
            Kind::Pbs => self.history.record_pbs(self.now, &self.state, instance),
        }
    }

    /// Once a second: hands what is finished to the disk.
    pub(super) fn keep_history(&mut self) {
        if let Some(flush) = self.history.flush(self.now) {
            self.perform(flush);
        }
    }

    fn perform(&mut self, flush: Flush) {
        let Some(storage) = self.history.storage() else { return };
        let work = move || {
            let done = flush.perform(&*storage);
            After::Continue(Box::new(move |core: &mut Core| {
                if let Some(failure) = done.failure.as_deref().filter(|f| Some(*f) != core.history.failure()) {
                    log::error!("{failure}");
                }
                core.history.flushed(&done);
                Answer::Now(Response::text(200, ""))
            }))
        };
        self.jobs.submit(Task { name: "write history", work: Box::new(work) }, None);
    }

    /// At the end of the process: writes the minute that is being filled and waits for the disk.
    pub fn keep_history_finally(&mut self) {
        let flush = self.history.flush_finally(self.now);
        if let (Some(flush), Some(storage)) = (flush, self.history.storage()) {
            let done = flush.perform(&*storage);
            if let Some(failure) = &done.failure {
                log::error!("{failure}");
            }
            self.history.flushed(&done);
        }
    }
}
