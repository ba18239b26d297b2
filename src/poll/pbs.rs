use super::report::Report;
use super::target::Target;
use super::worker::{Clock, Cycle};
pub(super) struct PbsPoll(Target);
impl PbsPoll {
    pub fn new(t: Target) -> Self {
        PbsPoll(t)
    }
}
impl Cycle for PbsPoll {
    fn run(&mut self, _: &Clock) -> Report {
        unimplemented!()
    }
    fn period(&self) -> std::time::Duration {
        self.0.period()
    }
}
