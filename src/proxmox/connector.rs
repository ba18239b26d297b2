//! TLS for ureq with our own certificate rules, and name look-ups that are remembered for a minute.
//! ureq 3.5 offers no hook for a verifier, so this is its TLS step again, around a configuration that is handed in.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Wraps the chained TCP connection of an `https` URL in TLS.
pub(crate) struct TlsConnector(pub Arc<ClientConfig>);

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']'))
            .map_err(|_| ureq::Error::Tls("the host name cannot be in a certificate"))?
            .to_owned();
        let mut conn = ClientConnection::new(self.0.clone(), name)?;
        let mut sock = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn, sock } })))
    }
}

/// A TLS connection with ureq's buffers.
pub(crate) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output();
        self.stream.write_all(output.get(..amount).unwrap_or(output))?;
        Ok(())
    }
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }
    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }
    fn is_tls(&self) -> bool {
        true
    }
}

/// How long a looked-up name is good for.
const REMEMBER: Duration = Duration::from_secs(60);

/// Addresses of the one host a client speaks to. ureq asks before every request, pooled connection or not; an address
/// is taken as it is, a name is looked up once a minute.
///
/// The slot holds at most one entry. A thread that finds it empty looks up for itself, so nobody waits for anybody.
#[derive(Debug)]
pub(super) struct RememberingResolver {
    inner: DefaultResolver,
    put: crossbeam_channel::Sender<Remembered>,
    take: crossbeam_channel::Receiver<Remembered>,
}

#[derive(Debug, Clone)]
struct Remembered {
    authority: String,
    at: Instant,
    addresses: Vec<SocketAddr>,
}

impl RememberingResolver {
    pub fn new() -> RememberingResolver {
        let (put, take) = crossbeam_channel::bounded(1);
        RememberingResolver { inner: DefaultResolver::default(), put, take }
    }
    fn filled(&self, addresses: &[SocketAddr]) -> ResolvedSocketAddrs {
        let mut out = self.inner.empty();
        // The array is ureq's and holds 16; pushing more would panic.
        for address in addresses.iter().take(16) {
            out.push(*address);
        }
        out
    }
}

impl Resolver for RememberingResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if let (Ok(ip), Some(port)) = (host.parse::<IpAddr>(), uri.port_u16()) {
            return Ok(self.filled(&[SocketAddr::new(ip, port)]));
        }
        let authority = uri.authority().map(|a| a.as_str().to_owned()).unwrap_or_default();
        if let Ok(known) = self.take.try_recv()
            && known.authority == authority
            && known.at.elapsed() < REMEMBER
        {
            let addresses = self.filled(&known.addresses);
            let _ = self.put.try_send(known);
            return Ok(addresses);
        }
        let found = self.inner.resolve(uri, config, timeout)?;
        let _ = self.put.try_send(Remembered { authority, at: Instant::now(), addresses: found.to_vec() });
        Ok(found)
    }
}
