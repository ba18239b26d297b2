//! The WebSocket as clients know it (contract state.md 3): greeting, state, pings both ways, deltas, slow clients, closing.

use crate::support::program::Program;
use pulse::demo::{self, PveSpec, Spec};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket, client};

type Client = WebSocket<TcpStream>;

fn connect(program: &Program) -> Client {
    try_connect(program.port, "/ws").expect("a handshake")
}

fn try_connect(port: u16, path: &str) -> Result<Client, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client(format!("ws://127.0.0.1:{port}{path}"), stream).map(|(c, _)| c).map_err(|e| e.to_string())
}

fn next(c: &mut Client) -> Value {
    loop {
        match c.read().expect("a message") {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            _ => continue,
        }
    }
}

fn next_of(c: &mut Client, kind: &str) -> Value {
    let end = Instant::now() + Duration::from_secs(40);
    while Instant::now() < end {
        let message = next(c);
        if message["type"] == kind {
            return message;
        }
    }
    panic!("no {kind}");
}

fn say(c: &mut Client, message: &Value) {
    c.send(Message::text(message.to_string())).unwrap();
}

#[test]
fn a_client_is_greeted_then_shown_the_state_and_answered() {
    let program = Program::open();
    let mut c = connect(&program);
    let welcome = next(&mut c);
    assert_eq!(welcome["type"], "welcome");
    assert!(welcome["data"]["message"].is_string());
    let initial = next(&mut c);
    assert_eq!(initial["type"], "initialState");
    let rest = program.get("/api/state");
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&initial["data"]), keys(&rest), "one document over both ways");
    say(&mut c, &json!({"type": "ping"}));
    let pong = next_of(&mut c, "pong");
    assert!(pong["data"]["timestamp"].as_i64().is_some_and(|t| t > 1_700_000_000));
    say(&mut c, &json!({"type": "requestData"}));
    assert_eq!(next_of(&mut c, "rawData")["data"]["metrics"], json!([]));
    // Nonsense is ignored, the connection stays.
    c.send(Message::text("not json")).unwrap();
    c.send(Message::binary(vec![0, 159, 146, 150])).unwrap();
    say(&mut c, &json!({"type": "dance"}));
    say(&mut c, &json!({"type": "ping"}));
    next_of(&mut c, "pong");
    c.send(Message::Ping(b"abc".to_vec().into())).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Message::Pong(bytes) = c.read().unwrap() {
            assert_eq!(&bytes[..], b"abc");
            break;
        }
        assert!(Instant::now() < end, "no control pong");
    }
}

#[test]
fn a_close_is_answered_at_once() {
    let program = Program::open();
    let mut c = connect(&program);
    next(&mut c);
    let began = Instant::now();
    c.close(None).unwrap();
    loop {
        match c.read() {
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => break,
            Err(e) => panic!("not closed properly: {e}"),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_wants_deltas_gets_only_what_changed() {
    let simulator = demo::start(Spec::new(11).with_pve(PveSpec::new("lab", 1, 12))).unwrap();
    let program = Program::open();
    let host = &simulator.connections()[0];
    let body = json!({
        "type": "pve", "name": "lab", "host": host.url, "tokenName": host.access.token_id, "tokenValue": host.access.token_secret,
        "monitorVMs": true, "monitorContainers": true, "monitorStorage": true,
    });
    assert_eq!(program.send("POST", "/api/config/nodes", &body).0, 201);
    program.until("guests", || program.get("/api/state")["vms"].as_array().filter(|v| !v.is_empty()).map(|_| ()));
    let mut full = connect(&program);
    let mut c = connect(&program);
    let whole = next_of(&mut c, "initialState").to_string().len();
    say(&mut c, &json!({"type": "subscribe", "data": {"deltas": true}}));
    let first = next_of(&mut c, "delta");
    let second = next_of(&mut c, "delta");
    assert_eq!(second["data"]["seq"].as_u64().unwrap(), first["data"]["seq"].as_u64().unwrap() + 1);
    let moved =
        |d: &Value| ["vms", "containers"].iter().any(|k| d["data"][k].as_array().is_some_and(|l| !l.is_empty()));
    let mut delta = second;
    for _ in 0..20 {
        if moved(&delta) {
            break;
        }
        delta = next_of(&mut c, "delta");
    }
    assert!(moved(&delta), "{delta}");
    assert!(delta.to_string().len() < whole / 2, "{} of {whole} bytes", delta.to_string().len());
    // The old client goes on to get whole states.
    assert!(next_of(&mut full, "rawData")["data"]["vms"].is_array());
}

#[test]
fn clients_that_never_read_hold_up_nobody() {
    let program = Program::open();
    let deaf: Vec<Client> = (0..20).map(|_| connect(&program)).collect();
    let mut c = connect(&program);
    next_of(&mut c, "initialState");
    for _ in 0..30 {
        let began = Instant::now();
        say(&mut c, &json!({"type": "ping"}));
        next_of(&mut c, "pong");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    drop(deaf);
}

#[test]
fn the_other_ways_in_answer_as_the_contract_says() {
    let program = Program::open();
    assert_eq!(program.send("GET", "/ws", &Value::Null).0, 400);
    let (status, text) = program.send("GET", "/socket.io/?EIO=4&transport=polling", &Value::Null);
    assert_eq!(status, 200);
    assert!(text.as_str().unwrap().starts_with("0{\"sid\":\""), "{text}");
    let (status, text) = program.send("GET", "/socket.io/?EIO=4&transport=polling&sid=1", &Value::Null);
    assert_eq!((status, text), (200, json!(6)));
    let mut c = try_connect(program.port, "/socket.io/?EIO=4&transport=websocket").unwrap();
    assert_eq!(next(&mut c)["type"], "welcome");
}

#[test]
fn too_large_and_broken_frames_end_that_client_only() {
    let program = Program::open();
    let mut big = connect(&program);
    let _ = big.send(Message::text("x".repeat(300_000)));
    let mut broken = connect(&program);
    {
        use std::io::Write;
        broken.get_mut().write_all(&[0xff; 64]).unwrap();
    }
    for c in [&mut big, &mut broken] {
        let end = Instant::now() + Duration::from_secs(20);
        while c.read().is_ok() {
            assert!(Instant::now() < end, "still open");
        }
    }
    let mut c = connect(&program);
    assert_eq!(next(&mut c)["type"], "welcome");
}
