use super::report::Report;
use super::target::Target;
use super::worker::{Clock, Cycle};
pub(super) struct PvePoll(Target);
impl PvePoll {
    pub fn new(t: Target) -> Self {
        PvePoll(t)
    }
}
impl Cycle for PvePoll {
    fn run(&mut self, _: &Clock) -> Report {
        unimplemented!()
    }
    fn period(&self) -> std::time::Duration {
        self.0.period()
    }
}
