//! Somebody tries passwords and says each time to be somebody else, against the real program.

use crate::support::program::Program;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const USER: &str = "admin";
const PASSWORD: &str = "the right words";

/// A connection from one of this machine's own addresses.
fn connect(from: Ipv4Addr, port: u16) -> TcpStream {
    let address = |ip: Ipv4Addr, port: u16| libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
        sin_zero: [0; 8],
    };
    let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the calls get a descriptor that was just made, pointers to addresses that live here, and their size.
    let fd = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        let fd = OwnedFd::from_raw_fd(fd);
        let (own, other) = (address(from, 0), address(Ipv4Addr::LOCALHOST, port));
        assert_eq!(libc::bind(fd.as_raw_fd(), (&raw const own).cast(), size), 0);
        assert_eq!(libc::connect(fd.as_raw_fd(), (&raw const other).cast(), size), 0);
        fd
    };
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One login on a connection that stays open, unless the program closes it.
fn login(stream: &mut TcpStream, password: &str, forwarded: &str) -> Option<(u16, Value)> {
    let body = json!({ "username": USER, "password": password }).to_string();
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: pulse\r\nContent-Type: application/json\r\nX-Forwarded-For: {forwarded}\r\n\
         X-Real-IP: {forwarded}\r\nForwarded: for={forwarded}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Some((status, serde_json::from_str(body).unwrap_or_default()));
            }
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
}

#[test]
fn ten_thousand_forged_logins_cost_no_memory_and_lock_out_only_who_sent_them() {
    let program = Program::with(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", PASSWORD)]);
    let attacker = Ipv4Addr::LOCALHOST;
    let mut stream = connect(attacker, program.port);
    let (mut statuses, mut locked, mut before) = (std::collections::BTreeMap::new(), false, 0);
    for n in 0..10_000u32 {
        let forged = Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        let answer = login(&mut stream, "wrong", &forged).unwrap_or_else(|| {
            stream = connect(attacker, program.port);
            login(&mut stream, "wrong", &forged).expect("an answer on a new connection")
        });
        *statuses.entry(answer.0).or_insert(0) += 1;
        locked |= answer.0 == 403 && answer.1["error"].as_str().is_some_and(|e| e.contains("locked"));
        // The first thousand has everything loaded that there is to load.
        if n == 1_000 {
            before = program.rss_kb();
        }
    }
    let after = program.rss_kb();
    println!("10,000 wrong logins: {statuses:?}, RSS {before} kB after 1,000 and {after} kB after all");
    assert!(after < before + 512, "{before} kB grew to {after} kB");
    assert!(locked && statuses[&401] <= 5, "five guesses and no more: {statuses:?}");
    assert!(statuses.keys().all(|s| [401, 403, 429].contains(s)), "{statuses:?}");

    let mut again = connect(attacker, program.port);
    let refused = login(&mut again, PASSWORD, "10.99.0.1").unwrap();
    assert!([403, 429].contains(&refused.0), "locked, whoever it says to be: {refused:?}");
    let mut other = connect(Ipv4Addr::new(127, 0, 0, 2), program.port);
    let right = login(&mut other, PASSWORD, "127.0.0.1").unwrap();
    assert_eq!((right.0, &right.1["success"]), (200, &json!(true)), "the right user from elsewhere: {right:?}");
}
