//! A scripted host: answers every request by a closure, over HTTP or HTTPS, with keep-alive.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }
    /// The path below `/api2/json/`, without the query.
    pub fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap();
        path.strip_prefix("/api2/json/").unwrap_or(path)
    }
}

/// What goes back on the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    pub delay: Duration,
    /// Say a longer body than is sent, then hang up.
    pub cut: bool,
}

impl Reply {
    pub fn json(body: &str) -> Reply {
        Reply::status(200, body)
    }
    pub fn data(body: &str) -> Reply {
        Reply::json(&format!("{{\"data\":{body}}}"))
    }
    pub fn status(status: u16, body: &str) -> Reply {
        Reply { status, headers: vec![], body: body.as_bytes().to_vec(), delay: Duration::ZERO, cut: false }
    }
    pub fn with(mut self, header: &str) -> Reply {
        self.headers.push(header.to_owned());
        self
    }
    pub fn after(mut self, ms: u64) -> Reply {
        self.delay = Duration::from_millis(ms);
        self
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

pub struct Host {
    pub url: String,
    /// SHA-256 of the certificate, when it speaks TLS.
    pub fingerprint: Option<[u8; 32]>,
    pub connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

pub fn http(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Host {
    start(None, handler)
}

/// With a fresh self-signed certificate for 127.0.0.1.
pub fn https(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Host {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut host = start(Some(Arc::new(config)), handler);
    host.fingerprint = Some(pulse::proxmox::Fingerprint::of(&certificate).0);
    host
}

fn start(tls: Option<Arc<rustls::ServerConfig>>, handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let handler: Arc<Handler> = Arc::new(handler);
    let (ended, counted) = (stop.clone(), connections.clone());
    let scheme = if tls.is_some() { "https" } else { "http" };
    thread::spawn(move || {
        for tcp in listener.incoming() {
            if ended.load(Ordering::SeqCst) {
                return;
            }
            let (tls, handler, ended, counted) = (tls.clone(), handler.clone(), ended.clone(), counted.clone());
            thread::spawn(move || {
                let Ok(tcp) = tcp else { return };
                let _ = tcp.set_nodelay(true);
                let _ = tcp.set_read_timeout(Some(Duration::from_millis(200)));
                counted.fetch_add(1, Ordering::SeqCst);
                match tls {
                    None => serve(tcp, &*handler, &ended),
                    Some(config) => {
                        let conn = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(conn, tcp), &*handler, &ended);
                    }
                }
            });
        }
    });
    let url = format!("{scheme}://127.0.0.1:{}", address.port());
    Host { url, fingerprint: None, connections, stop, address }
}

fn serve(mut stream: impl Read + Write, handler: &Handler, stop: &AtomicBool) {
    let mut pending = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut pending, stop) {
        let reply = handler(&asked);
        thread::sleep(reply.delay);
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let promised = reply.body.len() + if reply.cut { 1000 } else { 0 };
        let mut head = format!("HTTP/1.1 {} Words\r\nContent-Length: {promised}\r\n", reply.status);
        for header in &reply.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(&reply.body).is_err() {
            return;
        }
        let _ = stream.flush();
        if reply.cut {
            return;
        }
    }
}

fn next_request(stream: &mut impl Read, pending: &mut Vec<u8>, stop: &AtomicBool) -> Option<Asked> {
    let mut buf = [0; 4096];
    loop {
        // A TLS greeting on a plain port: hang up, as web servers do.
        if pending.first() == Some(&0x16) {
            return None;
        }
        if let Some(end) = pending.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&pending[..end]).into_owned();
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|l| l.split_once(':'))
                .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
                .collect();
            let length = headers
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, v)| v.parse().unwrap());
            if pending.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&pending[end + 4..end + 4 + length]).into_owned();
                pending.drain(..end + 4 + length);
                return Some(Asked { method, target, headers, body });
            }
        }
        match stream.read(&mut buf) {
            Ok(0) => return None,
            Ok(n) => pending.extend_from_slice(&buf[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if stop.load(Ordering::SeqCst) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}
