//! Figures pushed to receivers: in order, nothing twice, bounded while nobody takes them, and a kill costs one flush.

use crate::support::folder::Folder;
use crate::support::program::Program;
use crossbeam_channel::{Receiver, Sender, unbounded};
use pulse::export::push::{Lane, Verdict};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

const MINUTE: u64 = 60_000;

/// A request that says its number and is as large as asked.
fn body(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(bytes, 7);
    body
}

fn number(body: &[u8]) -> u64 {
    u64::from_le_bytes(body[..8].try_into().unwrap())
}

fn bytes_in(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().flatten().map(|e| e.metadata().unwrap().len()).sum()
}

fn down(_: &[u8]) -> Verdict {
    Verdict::Later("connection refused".to_owned(), None)
}

/// Lets time pass until nothing waits; gives the numbers that arrived.
fn drain(lane: &mut Lane, mut now: u64) -> Vec<u64> {
    let mut got = Vec::new();
    while let Some(wait) = lane.wait_ms(now) {
        now += wait;
        while lane.step(now, &mut |b| {
            got.push(number(b));
            Verdict::Taken
        }) {}
    }
    got
}

#[test]
fn a_day_without_the_receiver_is_delivered_in_order_and_once() {
    let folder = Folder::new("push-day");
    let mut lane = Lane::open("vm", folder.path(), 64 << 20).unwrap();
    let mut attempts = 0;
    for minute in 0..1440u64 {
        let now = minute * MINUTE;
        let mut refused = |b: &[u8]| {
            attempts += 1;
            down(b)
        };
        lane.offer(now, vec![body(minute, 20_000)], &mut refused);
        while lane.wait_ms(now) == Some(0) && lane.step(now, &mut refused) {}
    }
    assert!(attempts < 300, "a receiver that is down is asked at most every five minutes: {attempts}");
    assert!(bytes_in(folder.path()) < 30 << 20);
    assert_eq!(drain(&mut lane, 1440 * MINUTE), (0..1440).collect::<Vec<_>>());
    assert_eq!(bytes_in(folder.path()), 0, "nothing stays on disk");
    let mut direct = Vec::new();
    lane.offer(1441 * MINUTE, vec![body(1440, 100)], &mut |b| {
        direct.push(number(b));
        Verdict::Taken
    });
    assert_eq!((direct, bytes_in(folder.path())), (vec![1440], 0), "what is taken at once never touches the disk");
}

#[test]
fn a_backlog_is_bounded_and_gives_up_the_oldest() {
    let folder = Folder::new("push-bound");
    let mut lane = Lane::open("vm", folder.path(), 1 << 20).unwrap();
    for n in 0..1000 {
        lane.offer(n, vec![body(n, 10_000)], &mut down);
        assert!(bytes_in(folder.path()) <= 1 << 20);
    }
    assert!(lane.tally().given_up_bytes > 8_000_000);
    let got = drain(&mut lane, 1_000_000);
    assert!(got.len() > 80 && got.len() < 110, "{}", got.len());
    assert_eq!(got, (1000 - got.len() as u64..1000).collect::<Vec<_>>(), "the newest, without a gap");
}

#[test]
fn the_receivers_own_time_counts_and_a_refusal_is_not_tried_again() {
    let folder = Folder::new("push-later");
    let mut lane = Lane::open("vm", folder.path(), 1 << 20).unwrap();
    lane.offer(0, vec![body(1, 100)], &mut |_| Verdict::Later("HTTP 429".to_owned(), Some(90)));
    assert_eq!(lane.wait_ms(0), Some(90_000));
    assert!(!lane.step(89_999, &mut |_| panic!("too early")));
    lane.offer(60_000, vec![body(2, 100)], &mut |_| panic!("never past what is older"));
    assert!(lane.step(90_000, &mut |_| Verdict::Refused("HTTP 400: out of bounds".to_owned())));
    assert_eq!(drain(&mut lane, 90_000), [2]);
    let tally = lane.tally();
    assert_eq!((tally.delivered, tally.refused, tally.waiting_bytes), (1, 1, 0));
}

#[test]
fn a_kill_gives_up_the_request_on_its_way_and_no_other() {
    let folder = Folder::new("push-kill");
    let mut lane = Lane::open("vm", folder.path(), 1 << 20).unwrap();
    lane.offer(0, (0..20).map(|n| body(n, 1_000)).collect(), &mut down);
    let mut got = Vec::new();
    for _ in 0..5 {
        lane.step(MINUTE, &mut |b| {
            got.push(number(b));
            Verdict::Taken
        });
    }
    // The process is killed inside an attempt: its folder as it is then.
    let killed = Folder::new("push-killed");
    lane.step(MINUTE, &mut |_| {
        for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
            std::fs::copy(entry.path(), killed.path().join(entry.file_name())).unwrap();
        }
        Verdict::Taken
    });
    let mut again = Lane::open("vm", killed.path(), 1 << 20).unwrap();
    again.offer(0, vec![body(20, 1_000)], &mut |_| panic!("never past what is older"));
    got.extend(drain(&mut again, 0));
    let expected: Vec<u64> = (0..21).filter(|n| *n != 5).collect();
    assert_eq!(got, expected);
}

#[test]
fn torn_and_damaged_records_cost_no_more_than_their_segment() {
    let folder = Folder::new("push-torn");
    let mut lane = Lane::open("vm", folder.path(), 1 << 20).unwrap();
    lane.offer(0, (0..50).map(|n| body(n, 10_000)).collect(), &mut down);
    drop(lane);
    let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.path()).collect();
    files.sort();
    assert!(files.len() >= 4);
    let mut bytes = std::fs::read(&files[1]).unwrap();
    bytes[15_000] ^= 1;
    std::fs::write(&files[1], &bytes).unwrap();
    let last = std::fs::read(files.last().unwrap()).unwrap();
    std::fs::write(files.last().unwrap(), &last[..last.len() - 3]).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
    let got = drain(&mut Lane::open("vm", folder.path(), 1 << 20).unwrap(), 0);
    let once: BTreeSet<u64> = got.iter().copied().collect();
    assert!(got.is_sorted() && once.len() == got.len());
    assert!((35..49).contains(&got.len()) && got.contains(&0) && got.contains(&48) && !got.contains(&49), "{got:?}");
}

/// A receiver of remote-write on loopback: answers what `status` says and tells the timestamps of what it took.
fn receiver(listener: TcpListener, status: u16) -> (Receiver<i64>, Sender<()>) {
    let (tell, took) = unbounded();
    let (stop, stopped) = unbounded::<()>();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        while stopped.try_recv() != Err(crossbeam_channel::TryRecvError::Disconnected) {
            let Ok((mut client, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            client.set_nonblocking(false).unwrap();
            if let Some(body) = request(&mut client) {
                if status == 204 {
                    let _ = tell.send(timestamp(&body));
                }
                let _ = client.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes());
            }
        }
    });
    (took, stop)
}

fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = [0; 65536];
    loop {
        let n = client.read(&mut piece).ok().filter(|n| *n > 0)?;
        all.extend_from_slice(&piece[..n]);
        let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
        assert!(head.contains("content-encoding: snappy") && head.contains("authorization: bearer s3cret"), "{head}");
        let length: usize =
            head.lines().find_map(|l| l.strip_prefix("content-length:")).unwrap().trim().parse().unwrap();
        if all.len() >= end + 4 + length {
            return Some(all[end + 4..].to_vec());
        }
    }
}

/// The time of the first sample: its key, the figure, the key of the time, the time.
fn timestamp(body: &[u8]) -> i64 {
    let raw = snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let at = raw.windows(3).position(|w| w[0] == 0x12 && (w[1] == 16 || w[1] == 15) && w[2] == 0x09).unwrap() + 11;
    assert_eq!(raw[at], 0x10);
    raw[at + 1..].iter().take(6).enumerate().fold(0, |sum, (n, b)| sum | i64::from(b & 0x7f) << (7 * n))
}

#[test]
fn the_program_killed_while_its_receiver_is_down_delivers_the_rest_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut program = Program::open().keeping_its_folder();
    let config = format!(
        r#"{{"push":[{{"name":"vm","url":"http://{address}/api/v1/write","token":"s3cret","intervalSeconds":1}}]}}"#
    );
    std::fs::write(program.dir.join("data/metrics.json"), config).unwrap();
    let (refusing, stop) = receiver(listener.try_clone().unwrap(), 503);
    let waiting = program.dir.join("data/push/vm");
    program.until("figures that wait", || (waiting.is_dir() && bytes_in(&waiting) > 0).then_some(()));
    let before = bytes_in(&waiting);
    program.until("more of them", || (bytes_in(&waiting) > before * 2).then_some(()));
    program.kill();
    drop((refusing, stop));
    std::thread::sleep(Duration::from_millis(50));
    let (took, stop) = receiver(listener, 204);
    let mut again = Program::on(&program.dir);
    let mut times = Vec::new();
    while times.len() < 6 {
        times.push(took.recv_timeout(Duration::from_secs(20)).unwrap());
    }
    again.kill();
    drop(stop);
    let log = again.log();
    let dir = program.dir.clone();
    drop((program, again));
    std::fs::remove_dir_all(dir).unwrap();
    assert!(times.windows(2).all(|w| w[0] < w[1]), "in order and nothing twice: {times:?}");
    assert!(log.contains("push to vm: HTTP 503") && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_file_that_cannot_be_understood_changes_nothing_and_an_empty_one_ends_pushing() {
    let folder = Folder::new("push-config");
    let mut desk = super::desk(&folder);
    let file = pulse::config::METRICS;
    let good = br#"{"push":[{"name":"vm","url":"http://127.0.0.1:9/write","password":"s3cret"}]}"#;
    desk.core.document_changed(file, good);
    let names = |desk: &super::Desk| -> Vec<String> {
        desk.core.exports.senders.iter().map(|s| s.end_point.name.clone()).collect()
    };
    assert_eq!(names(&desk), ["vm"]);
    desk.core.document_changed(file, br#"{"push":[{"name":"vm","url":"s3cret"}]}"#);
    assert_eq!(names(&desk), ["vm"]);
    let problem = desk.core.config.problems.get(file.name).unwrap();
    assert!(problem.contains("push[0].url") && !problem.contains("s3cret"), "{problem}");
    assert!(!format!("{:?}", desk.core.exports.settings).contains("s3cret"));
    desk.core.document_changed(file, b"{}");
    assert!(names(&desk).is_empty());
    assert!(!folder.has("push"), "a receiver that was never down leaves nothing on disk");
}
