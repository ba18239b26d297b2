//! What clients see: the door, the router, the guard, one file of handlers per area, the WebSocket hub, the page.

pub mod account;
pub mod alerts;
pub mod assets;
pub mod charts;
pub mod door;
pub mod guard;
pub mod headers;
pub mod hub;
pub mod limits;
pub mod login;
pub mod metadata;
pub mod nodes;
pub mod notification_tests;
pub mod notifications;
pub mod openapi;
pub mod probe;
pub mod recovery;
pub mod refusal;
pub mod router;
pub mod routes;
pub mod security;
pub mod settings;
pub mod setup;
pub mod sockets;
pub mod state;
pub mod transfer;
