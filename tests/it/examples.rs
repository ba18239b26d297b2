//! The examples of the public API document, kept as data in `tests/data/examples` in the document's words and order, sent
//! by the real curl to the real program. Each file is a scene: a fresh Pulse with the variables that the file names.
//!
//! An example is `run` (a command line as printed) or `request` (a method and path as printed, `body` as JSON). Only
//! the addresses of the examples are exchanged for those of the test: Pulse's, the Proxmox host's, a webhook's.
//! `status` is what must come back, `like` its shape, `is` values it must hold, `says` a text within it, `keep` what
//! later examples need from it, and `because` tells why an answer is not the one that the document prints.

use crate::support::folder::{Folder, data};
use crate::support::host::{self, Asked, Host, Reply};
use crate::support::program::Program;
use crate::support::shape::differences;
use crate::support::simulated::{self, Client};
use crate::support::trail;
use pulse::demo::{PveSpec, Simulator, Spec};
use pulse::web::router;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The Proxmox host of the examples: the two accounts of the document in front of a simulated node.
fn proxmox(simulator: &Simulator) -> Host {
    let behind = Client::of(simulator, 0);
    host::https(move |asked| {
        if asked.path() == "access/ticket" {
            return ticket(asked);
        }
        let path = asked.target.strip_prefix("/api2/json").unwrap_or_default();
        let (status, body) = behind.get(path).unwrap_or((502, String::new()));
        Reply::status(status, &body)
    })
}

fn ticket(asked: &Asked) -> Reply {
    let known = ["username=monitor%40pve&password=password", "username=root%40pam&password=password"];
    if !known.contains(&asked.body.as_str()) {
        return Reply::status(401, r#"{"data":null}"#);
    }
    Reply::data(r#"{"ticket":"PVE:someone::sig==","CSRFPreventionToken":"x"}"#)
}

struct Scene {
    program: Program,
    folder: Folder,
    /// What stands in the examples, and what it is here.
    exchange: BTreeMap<String, String>,
    headers: Vec<String>,
    _hosts: [Host; 2],
    _simulator: Simulator,
}

struct Got {
    status: u64,
    text: String,
    json: Value,
}

impl Scene {
    fn open(file: &Value) -> Scene {
        let folder = Folder::new("examples");
        // The command lines stay as they are printed: what a test needs besides is said in curl's own configuration.
        folder
            .write(".curlrc", "silent\nshow-error\nnoproxy = \"*\"\noutput = \"body\"\nwrite-out = \"%{http_code}\"\n");
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let of = |key: &str| file[key].as_object().cloned().unwrap_or_default();
        let vars: Vec<(String, String)> = of("environment").iter().map(|(k, v)| (k.clone(), text(v))).collect();
        let vars: Vec<(&str, &str)> = vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let program = Program::with(&vars);
        let simulator = simulated::start(Spec::new(1).with_pve(PveSpec::new("lab", 1, 8)));
        let hosts = [proxmox(&simulator), host::http(|_| Reply::json("{}"))];
        let pulse = format!("http://127.0.0.1:{}", program.port);
        let exchange = [
            ("http://localhost:7655", pulse.as_str()),
            ("https://192.168.1.100:8006", &hosts[0].url),
            ("https://node.local:8006", &hosts[0].url),
            ("https://example.com/webhook", &hosts[1].url),
        ];
        let exchange = exchange.map(|(printed, here)| (printed.to_owned(), here.to_owned()));
        let headers = of("headers").iter().map(|(k, v)| format!("{k}: {}", text(v))).collect();
        Scene { program, folder, exchange: exchange.into(), headers, _hosts: hosts, _simulator: simulator }
    }

    fn here(&self, printed: &str) -> String {
        self.exchange.iter().fold(printed.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn run(&self, example: &Value) -> Got {
        let mut command = match example["run"].as_str() {
            Some(line) => {
                let mut bash = Command::new("bash");
                bash.args(["-c", &self.here(line)]);
                bash
            }
            None => self.request(example),
        };
        let _ = std::fs::remove_file(self.folder.path().join("body"));
        let done = command.current_dir(self.folder.path()).env("CURL_HOME", self.folder.path()).output().unwrap();
        assert!(done.status.success(), "{example}: {}", String::from_utf8_lossy(&done.stderr));
        let bytes = std::fs::read(self.folder.path().join("body")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (method, path) = example["request"].as_str().and_then(|r| r.split_once(' ')).unwrap_or(("", ""));
        trail::asked(self.headers.iter().filter_map(|h| h.split_once(": ")), example["body"].to_string().as_bytes());
        trail::answered(method, path, 200, [], &bytes);
        let json = serde_json::from_str(&text).unwrap_or_default();
        Got { status: String::from_utf8_lossy(&done.stdout).trim().parse().unwrap(), text, json }
    }

    /// A line such as `PUT /api/x`, as a browser or a script sends it: cookies are kept, and the CSRF token of the
    /// cookie is sent along when there is one.
    fn request(&self, example: &Value) -> Command {
        let printed = example["request"].as_str().unwrap();
        let (method, path) = printed.split_once(' ').unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-g", "-X", method, "-b", "cookies.txt", "-c", "cookies.txt"]);
        // `headers: false`: sent by somebody who has no credential.
        for header in self.headers.iter().filter(|_| example["headers"] != false) {
            curl.args(["-H", header]);
        }
        let cookies = std::fs::read_to_string(self.folder.path().join("cookies.txt")).unwrap_or_default();
        if let Some(token) = cookies.lines().find_map(|l| l.split_once("pulse_csrf\t")) {
            curl.args(["-H", &format!("X-CSRF-Token: {}", token.1)]);
        }
        if !example["body"].is_null() {
            curl.args(["-H", "Content-Type: application/json", "-d", &self.here(&example["body"].to_string())]);
        }
        curl.arg(self.here(&format!("http://localhost:7655{path}")));
        curl
    }

    /// What is wrong with the answer.
    fn judge(&mut self, example: &Value, got: &Got) -> Vec<String> {
        let mut wrong = Vec::new();
        if example["status"] != got.status {
            wrong.push(format!("status {}, not {}", got.status, example["status"]));
        }
        wrong.extend(differences(&example["like"], &got.json));
        for (pointer, value) in example["is"].as_object().into_iter().flatten() {
            let found = got.json.pointer(pointer).cloned().unwrap_or_default();
            if found != *value {
                wrong.push(format!("{pointer} is {found}, not {value}"));
            }
        }
        if example["says"].as_str().is_some_and(|text| !got.text.contains(text)) {
            wrong.push(format!("{} is not said", example["says"]));
        }
        for (name, pointer) in example["keep"].as_object().into_iter().flatten() {
            match got.json.pointer(pointer.as_str().unwrap()) {
                Some(Value::String(value)) => drop(self.exchange.insert(name.clone(), value.clone())),
                other => wrong.push(format!("{pointer} is {other:?}")),
            }
        }
        wrong
    }

    /// Waits until the state shows what the file says that it needs.
    fn wait_for(&self, list: &str) {
        self.program.until(list, || {
            let run = self.run(&serde_json::json!({ "request": "GET /api/state" }));
            run.json[list].as_array().is_some_and(|l| !l.is_empty()).then_some(())
        });
    }
}

fn play(path: &Path) -> (usize, Vec<String>) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut scene = Scene::open(&file);
    let mut wrong = Vec::new();
    let examples = file["examples"].as_array().unwrap();
    for example in examples {
        if let Some(list) = example["after"].as_str() {
            scene.wait_for(list);
        }
        let got = scene.run(example);
        let printed = example["run"].as_str().or(example["request"].as_str()).unwrap();
        for what in scene.judge(example, &got) {
            wrong.push(format!("{name}, {}: {printed}\n    {what}\n    {:.300}", example["section"], got.text));
        }
    }
    (examples.len(), wrong)
}

#[test]
fn every_example_of_the_public_document_gives_the_answer_it_promises() {
    let mut files: Vec<_> = std::fs::read_dir(data("examples")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let scenes: Vec<_> = files.into_iter().map(|f| std::thread::spawn(move || play(&f))).collect();
    let played: Vec<_> = scenes.into_iter().map(|s| s.join().unwrap()).collect();
    let wrong: Vec<String> = played.iter().flat_map(|(_, wrong)| wrong.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(played.iter().map(|(n, _)| n).sum::<usize>() > 100, "an example was lost");
}

/// `docs/api.md`, and its blocks of one language.
fn page(language: &str) -> (String, Vec<String>) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    (text, blocks)
}

#[test]
fn our_own_page_names_every_route_and_no_other() {
    let (text, _) = page("bash");
    let mut named = BTreeSet::new();
    for piece in text.split('`').skip(1).step_by(2) {
        let words: Vec<&str> = piece.split(' ').collect();
        if let [method @ ("GET" | "POST" | "PUT" | "DELETE"), path] = words[..] {
            named.insert(format!("{method} {}", path.split('?').next().unwrap()));
        }
    }
    let routed: BTreeSet<String> =
        router::routes().map(|r| format!("{} {}", r.method.as_str(), r.path.replace("...}", "}"))).collect();
    let missing: Vec<_> = routed.difference(&named).collect();
    let surplus: Vec<_> = named.difference(&routed).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "not on the page: {missing:#?}\nno such route: {surplus:#?}");
}

#[test]
fn the_commands_of_our_own_page_work_as_they_are_printed() {
    let (_, blocks) = page("bash");
    assert!(blocks.len() >= 9);
    let mut scene = Scene::open(&serde_json::json!({ "environment": { "API_TOKEN": "token-of-the-page" } }));
    scene
        .folder
        .write(".curlrc", "silent\nshow-error\nnoproxy = \"*\"\noutput = \"body\"\nwrite-out = \"%{http_code}\\n\"\n");
    scene.exchange.insert("https://127.0.0.1:8006".to_owned(), scene.exchange["https://192.168.1.100:8006"].clone());
    for block in blocks {
        let mut bash = Command::new("bash");
        bash.args(["-ec", &scene.here(&block)]).current_dir(scene.folder.path());
        let done = bash.env("CURL_HOME", scene.folder.path()).env("TOKEN", "token-of-the-page").output().unwrap();
        let codes = String::from_utf8_lossy(&done.stdout).into_owned();
        let sent = block.lines().filter(|l| l.starts_with("curl ")).count();
        assert_eq!(codes.lines().filter(|c| c.starts_with('2')).count(), sent, "{block}\n{codes}");
        assert!(done.status.success(), "{block}\n{}", String::from_utf8_lossy(&done.stderr));
    }
}
