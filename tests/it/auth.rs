//! The locked doors: who gets in, who does not, and what an attacker can try. Against the real router and owner, with a
//! data directory and without sockets.

mod account;
mod flood;
mod forged;
mod gate;
mod hostile;
mod limits;
mod login;
mod openapi;
mod proxies;
mod recovery;
mod rows;
mod table;
mod tokens;
