//! An owner with a data directory and the real routes, without sockets: a call goes in, an answer comes out.

use super::folder::Folder;
use super::trail;
use crossbeam_channel::{Receiver, bounded, select};
use pulse::config::{DataDir, Environment, Live, Opened, Vars, Writer};
use pulse::http::{Call, Method, Response};
use pulse::model::Now;
use pulse::owner::{Core, Event, Jobs};
use serde_json::Value;
use std::time::Duration;

pub struct Desk {
    pub core: Core,
    events: Receiver<Event>,
}

impl Desk {
    /// Opens a data directory as the server does. Variables of the test's own process are not seen.
    pub fn open(folder: &Folder, vars: &[(&str, &str)]) -> Desk {
        Desk::try_open(folder, vars).unwrap()
    }
    pub fn try_open(folder: &Folder, vars: &[(&str, &str)]) -> Result<Desk, String> {
        Desk::over(DataDir::open(folder.path())?, folder, vars)
    }
    /// The same over a directory that is already open.
    pub fn over(mut dir: DataDir, folder: &Folder, vars: &[(&str, &str)]) -> Result<Desk, String> {
        trail::started(vars);
        let mut process: Vars = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        process.insert("PULSE_DATA_DIR".to_owned(), folder.path().to_string_lossy().into_owned());
        let kept = pulse::auth::Files::read(&dir)?;
        let opened = Opened::read(&mut dir, Environment { process, ..Environment::default() })?;
        let queue = dir.read(pulse::owner::NOTIFY_QUEUE)?;
        let (sender, events) = bounded(1024);
        let outside = sender.clone();
        let writer = Writer::start(dir, Duration::from_millis(20), move |change| {
            let tell: pulse::owner::Continue = Box::new(move |core: &mut Core| {
                core.changed_outside(change);
                Response::text(200, "").into()
            });
            let _ = outside.send(Event::Done(tell, None));
        })?;
        let mut core = Core::new(Now::simulated(1_756_289_720_000), Jobs::start(sender));
        let alerts = opened.alerts.clone();
        let (email, webhooks) = (opened.email.clone(), opened.webhooks.clone());
        let metrics = opened.metrics.clone();
        core.config = Live::new(opened, writer);
        core.open_alerts(alerts.as_deref(), folder.path());
        core.open_notifications(email.as_deref(), webhooks.as_deref(), queue.as_deref());
        core.open_doors(&kept, pulse::auth::audit::Log::start(folder.path())?)?;
        core.open_exports(metrics.as_deref(), folder.path());
        core.nodes_changed();
        Ok(Desk { core, events })
    }

    /// Sends a call from this machine and waits for its answer; a body that is not JSON comes back as text.
    pub fn call(&mut self, method: Method, target: &str, body: &Value) -> (u16, Value) {
        self.send(method, target, &[], body.to_string().into_bytes())
    }
    pub fn get(&mut self, target: &str) -> Value {
        let (status, body) = self.send(Method::Get, target, &[], Vec::new());
        assert_eq!(status, 200, "{target}: {body}");
        body
    }
    pub fn send(&mut self, method: Method, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Value) {
        let answer = self.answer(method, target, headers, body);
        (answer.status, value_of(answer.body.as_slice()))
    }
    pub fn answer(&mut self, method: Method, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        trail::asked(headers.iter().copied(), &body);
        let waiting = self.start(method, target, headers, body);
        let answer = self.wait(&waiting);
        kept(method, target, answer)
    }
    /// Sends a call without waiting for its answer.
    pub fn start(
        &mut self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Receiver<Response> {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let call = Call::new(method, target, headers, body, "127.0.0.1".parse().unwrap(), false);
        let answer = pulse::web::router::handle(&mut self.core, call);
        let (reply, waiting) = bounded(1);
        self.core.finish(answer, Some(reply));
        waiting
    }
    /// Handles events until the answer is there.
    pub fn wait(&mut self, waiting: &Receiver<Response>) -> Response {
        loop {
            select! {
                recv(waiting) -> answer => return answer.expect("an answer was dropped"),
                recv(self.events) -> event => self.handle(event.unwrap()),
                default(Duration::from_secs(30)) => panic!("no answer within 30 s"),
            }
        }
    }
    /// Handles events until something holds.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Core) -> bool) {
        for _ in 0..1000 {
            if holds(&mut self.core) {
                return;
            }
            if let Ok(event) = self.events.recv_timeout(Duration::from_millis(10)) {
                self.handle(event);
            }
        }
        panic!("never: {what}");
    }
    /// Handles events for some time.
    pub fn idle(&mut self, time: Duration) {
        while let Ok(event) = self.events.recv_timeout(time) {
            self.handle(event);
        }
    }
    fn handle(&mut self, event: Event) {
        match event {
            Event::Done(then, reply) => {
                let answer = then(&mut self.core);
                self.core.finish(answer, reply);
            }
            Event::Report(report) => self.core.report(*report),
            _ => {}
        }
    }
}

/// The answer, remembered.
pub fn kept(method: Method, target: &str, answer: Response) -> Response {
    // The door does not send this one.
    let sent = answer.headers.iter().filter(|(name, _)| *name != pulse::web::hub::SESSION_HEADER);
    let headers = sent.map(|(k, v)| (*k, v.as_str()));
    trail::answered(method.as_str(), target, answer.status, headers, answer.body.as_slice());
    answer
}

fn value_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
