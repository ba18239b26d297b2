//! The vocabulary of the route table. Each area file exports `pub const ROUTES: &[Route]`; `router.rs` joins them.
//! The table is what routes, what guards, what limits, and what `/api/openapi.json` is generated from.

use crate::http::{Call, Method};
use crate::owner::{Answer, Core};

/// Who may call a route. A route cannot exist without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Anybody, also when credentials are configured.
    Open,
    /// Reading: a valid credential of any scope; in API-only mode (token but no password) open.
    Read,
    /// The metrics: whoever may read, and tokens with scope `scrape`.
    Scrape,
    /// Changing: a session (with CSRF token), Basic, or a token with scope `manage`.
    Manage,
    /// Configuration export and import: contract rest.md and the public document's list of who may.
    Export,
    /// First-run set-up: only while no credential exists, from a private peer or with the bootstrap code.
    FirstRun,
    /// Only from this machine, without forwarding headers.
    Local,
}

/// Which of the public document's limits counts a call (besides the general 500 a minute).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    General,
    /// 10 a minute.
    Auth,
    /// 5 a minute.
    Export,
    /// 10 a minute.
    TestMail,
    /// 10 an hour.
    UpdateCheck,
    /// 30 a minute: new WebSocket clients.
    Socket,
    /// Health checks and the state: never limited.
    None,
}

pub type Handler = fn(&mut Core, &Call) -> Answer;

/// One route. `path` segments: literal, `{name}` (one segment), or a final `{name...}` (the rest, at least one segment).
#[derive(Clone, Copy)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub policy: Policy,
    pub limit: Limit,
    /// One line for the API description.
    pub summary: &'static str,
    pub handler: Handler,
    /// JSON schema of the request body, for the API description; empty: none, or not described.
    pub takes: &'static str,
    /// JSON schema of the 200 answer; empty: not described.
    pub gives: &'static str,
    /// Statuses besides those that follow from the method, the policy, the limit and the path.
    pub also: &'static [u16],
    /// Names of what may stand in the query.
    pub asks: &'static [&'static str],
}

impl Route {
    pub const fn new(
        method: Method,
        path: &'static str,
        policy: Policy,
        summary: &'static str,
        handler: Handler,
    ) -> Route {
        Route {
            method,
            path,
            policy,
            limit: Limit::General,
            summary,
            handler,
            takes: "",
            gives: "",
            also: &[],
            asks: &[],
        }
    }
    /// Describes the request body by a JSON schema.
    pub const fn takes(mut self, schema: &'static str) -> Route {
        self.takes = schema;
        self
    }
    /// Describes the 200 answer by a JSON schema.
    pub const fn gives(mut self, schema: &'static str) -> Route {
        self.gives = schema;
        self
    }
    /// Names statuses for the API description.
    pub const fn also(mut self, statuses: &'static [u16]) -> Route {
        self.also = statuses;
        self
    }
    /// Names parameters of the query for the API description.
    pub const fn asks(mut self, names: &'static [&'static str]) -> Route {
        self.asks = names;
        self
    }
    pub const fn limited(mut self, limit: Limit) -> Route {
        self.limit = limit;
        self
    }
}
