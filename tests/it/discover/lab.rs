//! A network of its own inside this machine: a switch, hosts in namespaces, and a tap on the cable of one of them.
//! Nothing of it can reach any other network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Every namespace of a lab, removed at its end. Listeners inside end with the test's process.
pub struct Lab {
    prefix: String,
    names: Vec<String>,
}

fn ip(words: &str) -> Result<(), String> {
    let ran = Command::new("ip").args(words.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
    if ran.status.success() { Ok(()) } else { Err(format!("ip {words}: {}", String::from_utf8_lossy(&ran.stderr))) }
}

impl Lab {
    /// A lab with nothing but its switch; the error says what this machine does not allow.
    pub fn new() -> Result<Lab, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // SAFETY: geteuid takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Err("network namespaces need root".to_owned());
        }
        let prefix = format!("pulse-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let mut lab = Lab { prefix, names: Vec::new() };
        let switch = lab.namespace("switch")?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        Ok(lab)
    }

    fn namespace(&mut self, name: &str) -> Result<String, String> {
        let full = self.name(name);
        ip(&format!("netns add {full}"))?;
        self.names.push(full.clone());
        // Without this the kernel itself says things nobody asked for.
        self.inside(name, || std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"))
            .map_err(|e| format!("failed to switch off IPv6: {e}"))?;
        ip(&format!("-n {full} link set lo up"))?;
        Ok(full)
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A host on the switch; its cable is called `name` at the switch's end.
    pub fn host(&mut self, name: &str, address: &str) -> Result<(), String> {
        let (switch, host) = (self.name("switch"), self.namespace(name)?);
        ip(&format!("-n {switch} link add {name} type veth peer name eth0 netns {host}"))?;
        ip(&format!("-n {switch} link set {name} master br0 up"))?;
        ip(&format!("-n {host} link set eth0 up"))?;
        ip(&format!("-n {host} address add {address} dev eth0"))
    }

    /// The way of a host to everything else.
    pub fn route(&self, name: &str, gateway: &str) -> Result<(), String> {
        ip(&format!("-n {} route add default via {gateway}", self.name(name)))
    }

    /// Another address of a host.
    pub fn address(&self, name: &str, address: &str) -> Result<(), String> {
        ip(&format!("-n {} address add {address} dev eth0", self.name(name)))
    }

    /// Runs `f` on a thread of that host: its sockets, threads and processes belong there.
    pub fn inside<T: Send>(&self, name: &str, f: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name(name));
        thread::scope(|scope| {
            let run = move || {
                let namespace = File::open(&path).unwrap();
                // SAFETY: setns takes a descriptor that is open and changes the calling thread alone.
                let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(entered, 0, "failed to enter {path}");
                f()
            };
            scope.spawn(run).join().unwrap()
        })
    }

    /// Listens at a host and hands every connection to an address of its loopback.
    pub fn relay(&self, name: &str, port: u16, to: &str) {
        let to: std::net::SocketAddr = to.trim_start_matches("https://").parse().unwrap();
        self.inside(name, move || {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            thread::spawn(move || {
                for near in listener.incoming().flatten() {
                    let Ok(far) = TcpStream::connect(to) else { return };
                    pump(near.try_clone().unwrap(), far.try_clone().unwrap());
                    pump(far, near);
                }
            });
        });
    }

    /// Listens and lets everybody wait.
    pub fn silent(&self, name: &str, port: u16) {
        self.inside(name, move || {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            thread::spawn(move || listener.incoming().collect::<Vec<_>>());
        });
    }

    /// Records what a host sends from now on.
    pub fn tap(&self, name: &str) -> Tap {
        let cable = name.to_owned();
        self.inside("switch", move || Tap::on(&cable))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.flush();
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Where frames went: `tcp 10.77.0.5:8006`, `arp 10.77.0.9`, with how many there were.
pub type Sent = BTreeMap<String, usize>;

pub struct Tap {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Tap {
    /// On an interface of the calling thread's namespace.
    fn on(interface: &str) -> Tap {
        const ALL: i32 = (libc::ETH_P_ALL as u16).to_be() as i32;
        let name = std::ffi::CString::new(interface).unwrap();
        // SAFETY: a socket of its own, closed when the descriptor is dropped; name and address outlive the calls.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, ALL);
            assert!(fd >= 0, "failed to open a packet socket");
            let socket = OwnedFd::from_raw_fd(fd);
            let mut at: libc::sockaddr_ll = std::mem::zeroed();
            at.sll_family = libc::AF_PACKET as u16;
            at.sll_protocol = ALL as u16;
            at.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let size = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(libc::bind(fd, (&raw const at).cast(), size), 0, "failed to listen on {interface}");
            let wait = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
            let size = size_of::<libc::timeval>() as u32;
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const wait).cast(), size);
            socket
        };
        let stop = Arc::new(AtomicBool::new(false));
        let ended = stop.clone();
        Tap { stop, thread: thread::spawn(move || record(&socket, &ended)) }
    }

    /// Ends the recording.
    pub fn end(self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn record(socket: &OwnedFd, stop: &AtomicBool) -> Sent {
    let mut sent = Sent::new();
    let mut frame = [0_u8; 2048];
    loop {
        // SAFETY: buffer and address are ours and as large as said.
        let (length, direction) = unsafe {
            let mut from: libc::sockaddr_ll = std::mem::zeroed();
            let mut size = size_of::<libc::sockaddr_ll>() as u32;
            let buffer = frame.as_mut_ptr().cast();
            let length =
                libc::recvfrom(socket.as_raw_fd(), buffer, frame.len(), 0, (&raw mut from).cast(), &raw mut size);
            (length, from.sll_pkttype)
        };
        match usize::try_from(length) {
            // What the switch sends to the host goes the other way.
            Ok(_) if direction == libc::PACKET_OUTGOING => {}
            Ok(length) => *sent.entry(describe(&frame[..length])).or_default() += 1,
            // Everything that came before the end has been read.
            Err(_) if stop.load(Ordering::SeqCst) => return sent,
            Err(_) => {}
        }
    }
}

fn describe(frame: &[u8]) -> String {
    let address = |at: usize| frame.get(at..at + 4).map(|b| Ipv4Addr::new(b[0], b[1], b[2], b[3])).unwrap();
    match (u16::from_be_bytes([frame[12], frame[13]]), frame.get(23)) {
        (0x0806, _) => format!("arp {}", address(38)),
        (0x0800, Some(6)) => {
            let head = 14 + usize::from(frame[14] & 15) * 4;
            format!("tcp {}:{}", address(30), u16::from_be_bytes([frame[head + 2], frame[head + 3]]))
        }
        (0x0800, Some(protocol)) => format!("protocol {protocol} {}", address(30)),
        (kind, _) => format!("frame {kind:04x}"),
    }
}
