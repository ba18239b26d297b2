//! Which certificate a host shows, without asking it anything: for trust on first use and for testing a connection.

use super::access::Place;
use super::{Error, Fingerprint, Tls, tls};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// SHA-256 of the certificate at `base_url`. No certificate rule is applied; nothing is sent but the handshake.
pub fn peer_fingerprint(base_url: &str, within: Duration) -> Result<Fingerprint, Error> {
    let place = Place::parse(base_url)?;
    if !place.https {
        return Err(Error::Address("it is not https".into()));
    }
    let until = Instant::now() + within;
    let name = ServerName::try_from(place.host.clone())
        .map_err(|_| Error::Address("the host name cannot be in a certificate".into()))?;
    let mut tcp = connect(&place, until)?;
    let mut tls = ClientConnection::new(tls::config(Tls::Off)?, name).map_err(|e| tls::failed(&e))?;
    while tls.is_handshaking() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Timeout("connecting took too long"));
        }
        tcp.set_read_timeout(Some(left)).and_then(|()| tcp.set_write_timeout(Some(left))).map_err(unreachable)?;
        step(&mut tls, &mut tcp)?;
    }
    let shown = tls.peer_certificates().and_then(|c| c.first());
    shown
        .map(|c| Fingerprint::of(c))
        .ok_or_else(|| Error::Tls { fingerprint: None, reason: "the host shows no certificate".into() })
}

/// One exchange of the handshake: everything we have to say, then whatever has come.
fn step(tls: &mut ClientConnection, tcp: &mut TcpStream) -> Result<(), Error> {
    while tls.wants_write() {
        tls.write_tls(tcp).map_err(unreachable)?;
    }
    if tls.wants_read() {
        if tls.read_tls(tcp).map_err(unreachable)? == 0 {
            return Err(Error::Tls { fingerprint: None, reason: "the host closed the connection".into() });
        }
        tls.process_new_packets().map_err(|e| tls::failed(&e))?;
    }
    Ok(())
}

fn connect(place: &Place, until: Instant) -> Result<TcpStream, Error> {
    let all = (place.host.as_str(), place.port).to_socket_addrs();
    let all: Vec<SocketAddr> = all.map_err(|_| Error::Connect("the name is not known".into()))?.take(8).collect();
    let mut last = Error::Connect("the name is not known".into());
    for (at, address) in all.iter().enumerate() {
        let rest = u32::try_from(all.len() - at).unwrap_or(1);
        let share = until.saturating_duration_since(Instant::now()) / rest;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(10))) {
            Ok(tcp) => return Ok(tcp),
            Err(e) => last = unreachable(e),
        }
    }
    Err(last)
}

fn unreachable(e: io::Error) -> Error {
    super::client::from_ureq(ureq::Error::Io(e))
}
