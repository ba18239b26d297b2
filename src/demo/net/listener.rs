//! One listening address. Accepting has a thread of its own; stopping closes the port for good.

use super::connection::{self, Post};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// TLS handshakes and answers of the largest worlds fit into this.
const STACK_BYTES: usize = 512 * 1024;

/// A running listener.
pub struct Listening {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Binds an address; port 0 takes a free one. A port that was just given up is tried for a while.
pub fn bind(address: Ipv4Addr, port: u16) -> Result<TcpListener, String> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match TcpListener::bind((address, port)) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse && port != 0 && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(e) => return Err(format!("failed to listen on {address}:{port}: {e}")),
        }
    }
}

impl Listening {
    /// Serves a bound socket for node `endpoint` of a host.
    pub fn start(listener: TcpListener, post: Post) -> Result<Listening, String> {
        let fail = |e: std::io::Error| format!("failed to serve: {e}");
        let address = listener.local_addr().map_err(fail)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let accept = move || accept_loop(&listener, &seen, &post);
        let thread = std::thread::Builder::new().name("sim accept".to_owned()).stack_size(STACK_BYTES).spawn(accept);
        Ok(Listening { address, stop, thread: thread.map_err(fail)? })
    }

    /// Closes the port; connections that exist are not touched.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // The accept call notices on the next connection, so here is one.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        // A thread that ended by a panic has closed its port as well.
        let _ended = self.thread.join();
    }
}

fn accept_loop(listener: &TcpListener, stop: &AtomicBool, post: &Post) {
    while !stop.load(Ordering::Acquire) {
        match listener.accept() {
            Ok(_) if stop.load(Ordering::Acquire) => {}
            Ok((stream, _)) => {
                let post = post.clone();
                let serve = move || connection::serve(stream, &post);
                // Without a thread for it the connection is dropped, as a host without memory would.
                let _spawned =
                    std::thread::Builder::new().name("sim client".to_owned()).stack_size(STACK_BYTES).spawn(serve);
            }
            // No descriptor, or the peer was gone already: neither ends the listener.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
