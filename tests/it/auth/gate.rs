//! A Pulse with credentials, asked from any address.

use crate::support::desk::{self, Desk};
use crate::support::folder::Folder;
use crate::support::trail;
use crossbeam_channel::bounded;
use pulse::http::{Call, Method, Response};
use pulse::web::router;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

pub const USER: &str = "admin";
pub const PASSWORD: &str = "correct horse";
pub const TOKEN: &str = "main-token-of-the-test";
pub const HOST: &str = "pulse.lan:7655";

pub struct Gate {
    pub desk: Desk,
    pub folder: Folder,
    pub from: IpAddr,
    /// The name Pulse is asked by.
    pub host: &'static str,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub text: String,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// The value a `Set-Cookie` gives to a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        let mut set = self.headers.iter().filter(|(n, _)| *n == "Set-Cookie");
        set.find_map(|(_, v)| v.strip_prefix(&prefix)?.split(';').next())
    }
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        self.headers.iter().find(|(n, v)| *n == "Set-Cookie" && v.starts_with(&prefix)).map(|(_, v)| v.as_str())
    }
}

/// Both cookies of a login.
#[derive(Clone)]
pub struct Session {
    pub id: String,
    pub csrf: String,
}

impl Session {
    pub fn cookies(&self) -> String {
        format!("pulse_session={}; pulse_csrf={}", self.id, self.csrf)
    }
}

impl Gate {
    /// No credentials at all.
    pub fn open() -> Gate {
        Gate::with(&[])
    }
    /// User, password and token. The hash is a cheap one, so that tests are fast.
    pub fn closed() -> Gate {
        let hash = cheap_hash(PASSWORD);
        Gate::with(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash), ("API_TOKEN", TOKEN)])
    }
    pub fn with(vars: &[(&str, &str)]) -> Gate {
        Gate::over(Folder::new("auth"), vars)
    }
    pub fn over(folder: Folder, vars: &[(&str, &str)]) -> Gate {
        Gate { desk: Desk::open(&folder, vars), folder, from: ip("192.168.1.20"), host: HOST }
    }
    /// The same program started again.
    pub fn restarted(self, vars: &[(&str, &str)]) -> Gate {
        let Gate { desk, folder, .. } = self;
        drop(desk);
        Gate::over(folder, vars)
    }
    /// From this very machine.
    pub fn here(&mut self) -> &mut Gate {
        self.host = "localhost:7655";
        self.from("127.0.0.1")
    }
    pub fn from(&mut self, address: &str) -> &mut Gate {
        self.from = ip(address);
        self
    }
    pub fn call(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Call {
        let mut all = vec![("Host".to_owned(), self.host.to_owned())];
        all.extend(headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Call::new(method, target, all, body.as_bytes().to_vec(), self.from, false)
    }
    pub fn ask(&mut self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let call = self.call(method, target, headers, body);
        trail::asked(headers.iter().copied(), body.as_bytes());
        let answer = router::handle(&mut self.desk.core, call);
        let (reply, waiting) = bounded(1);
        self.desk.core.finish(answer, Some(reply));
        reply_of(&desk::kept(method, target, self.desk.wait(&waiting)))
    }
    /// Waits for an answer that may come from another thread.
    pub fn settle(&mut self, answer: pulse::owner::Answer) -> Reply {
        let (reply, waiting) = bounded(1);
        self.desk.core.finish(answer, Some(reply));
        reply_of(&self.desk.wait(&waiting))
    }
    pub fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask(Method::Get, target, headers, "")
    }
    pub fn post(&mut self, target: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.ask(Method::Post, target, headers, &body.to_string())
    }
    pub fn login(&mut self, user: &str, password: &str) -> Reply {
        self.post("/api/login", &[], &serde_json::json!({ "username": user, "password": password }))
    }
    pub fn session(&mut self) -> Session {
        let reply = self.login(USER, PASSWORD);
        assert_eq!(reply.status, 200, "{}", reply.text);
        let of = |name: &str| reply.cookie(name).unwrap().to_owned();
        Session { id: of("pulse_session"), csrf: of("pulse_csrf") }
    }
    /// Posts with a session as the page does.
    pub fn post_in(&mut self, session: &Session, target: &str, body: &Value) -> Reply {
        self.post(target, &[("Cookie", &session.cookies()), ("X-CSRF-Token", &session.csrf)], body)
    }
    pub fn get_in(&mut self, session: &Session, target: &str) -> Reply {
        self.get(target, &[("Cookie", &session.cookies())])
    }
    /// Forgets how often was asked, where a test asks more often than anybody may.
    pub fn unlimited(&mut self) -> &mut Gate {
        self.desk.core.doors.limits = Default::default();
        self
    }
    /// Time passes.
    pub fn later(&mut self, time: Duration) {
        self.desk.core.now = self.desk.core.now.plus(time);
    }
    /// A second of the owner's own work, until the disk has it.
    pub fn tick(&mut self) {
        self.later(Duration::from_secs(1));
        self.desk.core.tick();
        self.desk.idle(Duration::from_millis(60));
    }
    pub fn audit(&mut self) -> Vec<Value> {
        let token = [("X-API-Token", TOKEN)];
        let reply = self.get("/api/security/audit?limit=1000", &token);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["events"].as_array().unwrap().clone()
    }
}

pub fn reply_of(response: &Response) -> Reply {
    let bytes = response.body.as_slice();
    Reply {
        status: response.status,
        body: serde_json::from_slice(bytes).unwrap_or(Value::Null),
        text: String::from_utf8_lossy(bytes).into_owned(),
        headers: response.headers.clone(),
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn cheap_hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", pulse::config::base64::encode(format!("{user}:{password}").as_bytes()))
}
