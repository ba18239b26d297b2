//! The door under attack: whatever a peer sends or fails to send, others are served, nothing panics, memory and threads
//! come back.

use crate::door_kit::{House, Plan, random};
use pulse::web::door;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    let house = House::open();
    let mut c = house.connect();
    for _ in 0..3 {
        c.write_all(b"GET /api/health HTTP/1.1\r\nHost: pulse\r\n\r\n").unwrap();
        let answer = house.read_answer(&mut c);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Connection: keep-alive"), "{answer}");
        assert!(answer.ends_with("GET /api/health "), "{answer}");
    }
}

#[test]
fn what_is_wrong_with_a_head_is_refused_with_its_own_status() {
    let house = House::open();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
    let table: &[(&str, u16)] = &[
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000000\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 411),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
        ("GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n", 417),
        ("\u{1}\u{2}\u{3}garbage\r\n\r\n", 400),
        (&long, 431),
        (&many, 431),
    ];
    for (request, status) in table {
        let mut c = house.connect();
        c.write_all(request.as_bytes()).unwrap();
        let answer = house.read_to_end(&mut c);
        let shown: String = request.chars().take(120).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?} gave {answer:?}");
        assert!(answer.contains("{\"error\":"), "{shown:?}: no JSON error in {answer:?}");
        assert!(answer.contains("Connection: close"), "{answer:?}");
    }
    house.assert_serves();
}

#[test]
fn an_endless_header_line_ends_at_the_limit_not_in_memory() {
    let house = House::open();
    let before = house.rss_kb();
    let mut c = house.connect();
    let _ = c.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ");
    for _ in 0..2_000 {
        if c.write_all(&[b'a'; 10_000]).is_err() {
            break;
        }
    }
    assert!(house.rss_kb() < before + 8_000, "memory grew from {before} to {} kB", house.rss_kb());
    house.assert_serves();
}

#[test]
fn bodies_arrive_whole_by_length_and_by_chunks() {
    let house = House::open();
    for request in [
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: z\r\n\r\n",
    ] {
        let mut c = house.connect();
        c.write_all(request.as_bytes()).unwrap();
        let answer = house.read_answer(&mut c);
        assert!(answer.ends_with("POST /echo hello world"), "{answer}");
    }
    let mut c = house.connect();
    c.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut go = [0u8; 25];
    c.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    c.write_all(b"abc").unwrap();
    assert!(house.read_answer(&mut c).ends_with("POST /echo abc"));
}

#[test]
fn the_peer_cannot_be_forged_and_odd_headers_pass() {
    let house = House::open();
    let mut c = house.connect();
    let head = "GET /peer HTTP/1.1\r\nHost: x\r\nX-Pulse-Head: bm8=\r\nX-Odd: caf\u{e9} \u{1f600}\r\n\r\n";
    c.write_all(head.as_bytes()).unwrap();
    let answer = house.read_answer(&mut c);
    assert!(answer.ends_with("GET /peer 127.0.0.1 caf\u{e9} \u{1f600}"), "{answer}");
}

#[test]
fn a_slow_head_gets_408_and_a_stalled_body_too() {
    let house = House::open();
    let began = Instant::now();
    let mut head = house.connect();
    let mut body = house.connect();
    head.write_all(b"GET / HTTP/1.1\r\nHos").unwrap();
    body.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    // A byte now and then does not win time.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(200));
        let _ = head.write_all(b"t");
    }
    assert!(house.read_to_end(&mut head).starts_with("HTTP/1.1 408 "));
    assert!(house.read_to_end(&mut body).starts_with("HTTP/1.1 408 "));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let house = House::open();
    let mut c = house.connect();
    assert_eq!(house.read_to_end(&mut c), "");
}

#[test]
fn stalled_clients_do_not_keep_others_waiting() {
    let house = House::build(Plan { patience_secs: Some(40), memory_kb: Some(24_000), ..Plan::default() });
    let before = house.rss_kb();
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut c = house.connect();
        c.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc").unwrap();
        stalled.push(c);
        let mut slow = house.connect();
        // Wants an answer that does not fit any buffer, and never reads it.
        slow.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stalled.push(slow);
    }
    let began = Instant::now();
    house.assert_serves();
    assert!(began.elapsed() < Duration::from_secs(15), "others waited {:?}", began.elapsed());
    assert!(house.rss_kb() < before + 90_000, "40 answers of 8 MB: from {before} to {} kB", house.rss_kb());
    drop(stalled);
    house.wait_until("room for a large answer again", || {
        let mut c = house.connect();
        c.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        house.read_to_end(&mut c).len() > 8_000_000
    });
}

#[test]
fn large_bodies_of_many_share_one_allowance() {
    let house = House::build(Plan { patience_secs: Some(40), memory_kb: Some(4_000), ..Plan::default() });
    let mut holders = Vec::new();
    for _ in 0..8 {
        let mut c = house.connect();
        c.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").unwrap();
        let _ = c.write_all(&[b'a'; 900_000]);
        holders.push(c);
    }
    let refused = |c: &mut TcpStream| {
        c.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let mut start = [0u8; 12];
        c.read_exact(&mut start).is_ok() && &start == b"HTTP/1.1 503"
    };
    let turned_away = holders.iter_mut().map(refused).filter(|r| *r).count();
    assert!((4..8).contains(&turned_away), "{turned_away} of 8 were refused");
    // Small bodies are not in the way of anybody.
    let mut c = house.connect();
    c.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").unwrap();
    assert!(house.read_answer(&mut c).ends_with("POST /echo abc"));
    drop(holders);
    house.wait_until("room for a large body again", || {
        let mut c = house.connect();
        c.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n").unwrap();
        let _ = c.write_all(&[b'a'; 1_000_000]);
        house.read_to_end(&mut c).starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn a_body_in_chunks_of_one_byte_costs_no_more_than_its_bytes() {
    let house = House::open();
    let body = "1\r\na\r\n".repeat(200_000) + "0\r\n\r\n";
    let before = house.cpu_ms();
    let mut c = house.connect();
    c.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    c.write_all(body.as_bytes()).unwrap();
    assert!(house.read_answer(&mut c).ends_with(&"a".repeat(200_000)));
    let spent = house.cpu_ms() - before;
    assert!(spent < 2_000, "{spent} ms of a processor for 1.2 MB");
}

#[test]
fn connect_send_reset_a_thousand_times_changes_nothing() {
    let house = House::open();
    for n in 0..1000 {
        let mut c = house.connect();
        let _ = c.write_all(if n % 2 == 0 { b"GET / HT" } else { b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n" });
        house.reset(c);
    }
    house.assert_serves();
}

#[test]
fn without_descriptors_accepting_waits_and_goes_on() {
    let house = House::build(Plan { descriptors: Some(90), ..Plan::default() });
    // As many as the system queues for a house that does not accept: one more would wait until the first are idle.
    let mut held: Vec<_> = (0..120).filter_map(|_| house.try_connect()).collect();
    // Those that were let in ask at the worst moment: whoever needs a descriptor of its own now would fail.
    for _ in 0..5 {
        for c in &mut held {
            let _ = c.write_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let answer = house.read_answer(&mut held[0]);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}{}", house.log());
    drop(held);
    house.wait_until("service with descriptors back", || {
        house.try_connect().is_some_and(|mut c| {
            let _ = c.write_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            house.read_to_end(&mut c).starts_with("HTTP/1.1 200 ")
        })
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_and_pushed_back() {
    let house = House::open();
    let before = house.rss_kb();
    let mut c = house.connect();
    c.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let batch = "GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
    let mut sent = 0;
    for _ in 0..400 {
        match c.write(batch.as_bytes()) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
    }
    assert!(sent > 0);
    house.assert_serves();
    assert!(house.rss_kb() < before + 30_000, "memory grew from {before} to {} kB", house.rss_kb());
}

#[test]
fn five_hundred_idle_connections_are_held_cheaply_and_given_back() {
    let house = House::open();
    let (threads_before, rss_before) = (house.threads(), house.rss_kb());
    let idle: Vec<_> = (0..500).map(|_| house.connect()).collect();
    house.assert_serves();
    assert!(house.rss_kb() < rss_before + 20_000, "memory grew from {rss_before} to {} kB", house.rss_kb());
    drop(idle);
    house.wait_until("threads to end", || house.threads() < threads_before + 50);
}

#[test]
fn beyond_the_cap_a_client_is_told_to_come_back() {
    let house = House::build(Plan { connections_per_address: Some(5), ..Plan::default() });
    let held: Vec<_> = (0..5).map(|_| house.connect()).collect();
    std::thread::sleep(Duration::from_millis(100));
    let mut c = house.connect();
    assert!(house.read_to_end(&mut c).starts_with("HTTP/1.1 503 "));
    drop(held);
    house.wait_until("room", || {
        let mut c = house.connect();
        let _ = c.write_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        house.read_to_end(&mut c).starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn head_has_no_body_and_read_answers_are_compressed_and_validated() {
    let house = House::open();
    let mut c = house.connect();
    c.write_all(b"HEAD /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = house.read_to_end(&mut c);
    assert!(answer.ends_with("\r\n\r\n") && answer.contains("Content-Length: "), "{answer}");
    let mut c = house.connect();
    c.write_all(b"GET /cacheable HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    c.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("Content-Encoding: gzip"), "{text}");
    assert!(bytes.len() < 2_000);
    let etag = text.lines().find_map(|l| l.strip_prefix("ETag: ")).unwrap().to_owned();
    let mut c = house.connect();
    let again = format!("GET /cacheable HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\nConnection: close\r\n\r\n");
    c.write_all(again.as_bytes()).unwrap();
    assert!(house.read_to_end(&mut c).starts_with("HTTP/1.1 304 "));
}

#[test]
fn tls_speaks_and_plain_http_on_its_port_is_sent_to_https() {
    let house = House::build(Plan { tls: true, ..Plan::default() });
    assert!(house.get_tls("/api/health").ends_with("GET /api/health "));
    let mut c = house.connect();
    c.write_all(b"GET /x HTTP/1.1\r\nHost: pulse:1\r\n\r\n").unwrap();
    let answer = house.read_to_end(&mut c);
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains("Location: https://pulse:1/x"), "{answer}");
    // Half a hello, then nothing; and a hello of garbage.
    let mut half = house.connect();
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
    let mut garbage = house.connect();
    garbage.write_all(&[0x16; 600]).unwrap();
    drop(half);
    assert!(house.get_tls("/api/health").ends_with("GET /api/health "));
}

#[test]
fn bytes_dripping_into_tls_win_no_time() {
    let house = House::build(Plan { tls: true, ..Plan::default() });
    // A hello of 512 bytes that comes byte by byte; and, after a good handshake, a record that does.
    let mut hello = house.connect();
    hello.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).unwrap();
    let mut record = house.connect_tls().sock;
    record.write_all(&[0x17, 3, 3, 4, 0]).unwrap();
    for mut c in [hello, record] {
        let began = Instant::now();
        c.set_nonblocking(true).unwrap();
        let closed = || {
            matches!(c.read(&mut [0u8; 64]), Ok(0))
                || c.write(&[0]).is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock)
        };
        house.wait_until("the end of a dripping client", closed);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    assert!(house.get_tls("/api/health").ends_with("GET /api/health "));
}

#[test]
fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let house = House::build(Plan { tls: true, ..Plan::default() });
    let first = house.certificate();
    house.renew_certificate();
    house.wait_until("the new certificate", || house.certificate() != first);
    let second = house.certificate();
    house.break_certificate();
    house.wait_until("the complaint", || {
        let shown = house.certificate();
        assert_eq!(shown, second);
        house.log().contains("stays in use")
    });
}

#[test]
fn what_is_nearly_a_handshake_learns_nothing_of_the_session() {
    let house = House::open();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: close\r\n";
    for request in [
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{key}\r\n"),
        format!("GET /%77s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n"),
        format!("POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n"),
        format!(
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n{key}\r\nab"
        ),
    ] {
        let mut c = house.connect();
        c.write_all(request.as_bytes()).unwrap();
        let answer = house.read_to_end(&mut c);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?} gave {answer:?}");
        assert!(!answer.contains("secret"), "{answer:?}");
    }
    let mut c = house.connect();
    let good = format!("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n");
    c.write_all(good.replace("Connection: close\r\n", "").as_bytes()).unwrap();
    let answer = house.read_answer(&mut c);
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("secret"), "{answer:?}");
}

#[test]
fn an_answer_without_a_body_leaves_the_next_one_in_place() {
    let house = House::open();
    let mut c = house.connect();
    for _ in 0..40 {
        c.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let nothing = house.read_answer(&mut c);
        assert!(nothing.starts_with("HTTP/1.1 204 ") && nothing.ends_with("\r\n\r\n"), "{nothing:?}");
        assert!(house.read_answer(&mut c).ends_with("GET /api/health "));
    }
}

#[test]
fn the_private_socket_is_gone_before_anybody_could_find_it() {
    let house = House::open();
    house.assert_serves();
    assert_eq!(house.files(), ["log", "port"]);
}

#[test]
fn a_closed_door_gives_back_its_threads_and_its_port() {
    let (events, inbox) = crossbeam_channel::unbounded();
    let mine = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let name = |t: std::fs::DirEntry| std::fs::read_to_string(t.path().join("comm")).unwrap_or_default();
        tasks.map(name).filter(|n| n.starts_with("http-") || n.starts_with("accept")).count()
    };
    let config = |port| door::Config {
        bind: [127, 0, 0, 1].into(),
        port,
        tls: None,
        run_dir: std::env::temp_dir(),
        limits: door::Limits::default(),
    };
    let door = door::open(config(0), events.clone()).unwrap();
    let port = door.address().port();
    assert!(mine() > 10);
    let taken = door::open(config(port), events.clone()).err().unwrap();
    assert!(taken.contains("port is in use") && taken.contains(&port.to_string()), "{taken}");
    drop(door);
    let until = Instant::now() + Duration::from_secs(10);
    while mine() > 0 {
        assert!(Instant::now() < until, "{} threads are left", mine());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(door::open(config(port), events).unwrap());
    assert!(inbox.is_empty());
}

#[test]
fn mutated_requests_for_seconds_leave_a_serving_house() {
    let secs = if std::env::var_os("PULSE_LONG_TESTS").is_some() { 25 } else { 5 };
    let house = House::open();
    let seeds: &[&[u8]] = &[
        b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e",
    ];
    let until = Instant::now() + Duration::from_secs(secs);
    let mut state = 0x5eed_u64;
    let mut sent = 0;
    while Instant::now() < until {
        let mut bytes = seeds[random(&mut state) as usize % seeds.len()].to_vec();
        for _ in 0..=random(&mut state) % 6 {
            let at = random(&mut state) as usize % bytes.len();
            match random(&mut state) % 4 {
                0 => bytes[at] = random(&mut state) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, random(&mut state) as u8),
                _ => bytes.truncate(at + 1),
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
        if let Some(mut c) = house.try_connect() {
            let _ = c.write_all(&bytes);
            let _ = c.set_read_timeout(Some(Duration::from_millis(5)));
            let _ = c.read(&mut [0u8; 256]);
            sent += 1;
        }
    }
    assert!(sent > 100, "only {sent} requests went out");
    house.assert_serves();
    assert!(!house.log().contains("panicked"), "{}", house.log());
}
