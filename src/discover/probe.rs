//! Who answers at an address: an open port proves nothing, what the host says over HTTPS does. It is asked without
//! credentials, straight, and no redirection is followed.

use super::Server;
use crate::proxmox::{Kind, stranger};
use serde_json::Value;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a port may take to open (contract rest.md 11).
const CONNECT: Duration = Duration::from_secs(1);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// What is read of an answer: a title stands in the first lines.
const MOST_BYTES: u64 = 64 << 10;
/// The longest name of a host, by RFC 1035.
const LONGEST_NAME: usize = 253;

/// Asks one address for both products, and between two questions whether to go on.
pub fn look(address: Ipv4Addr, go_on: &dyn Fn() -> bool) -> Vec<Server> {
    let mut found = Vec::new();
    for kind in [Kind::Pve, Kind::Pbs] {
        if !go_on() {
            break;
        }
        // Closed at once: dropping the connection before anything is said.
        let open = TcpStream::connect_timeout(&SocketAddr::from((address, kind.port())), CONNECT).is_ok();
        if open && go_on() {
            found.extend(recognise(address, kind, go_on));
        }
    }
    found
}

fn recognise(address: Ipv4Addr, kind: Kind, go_on: &dyn Fn() -> bool) -> Option<Server> {
    let base = format!("https://{address}:{}", kind.port());
    let agent = stranger(&base, ANSWER).ok()?;
    let ask = |path: &str| {
        let request = agent.get(format!("{base}{path}")).config().timeout_global(Some(ANSWER)).build();
        let mut response = request.call().ok()?;
        let mut body = Vec::new();
        response.body_mut().as_reader().take(MOST_BYTES).read_to_end(&mut body).ok()?;
        Some((response.status().as_u16(), body))
    };
    let said = ask("/api2/json/version")?;
    let version = version(said.0, &said.1)?;
    let page = if go_on() { ask("/") } else { None };
    let title = page.filter(|(status, _)| *status == 200).and_then(|(_, body)| title(&body));
    judge(address, kind, version, title)
}

/// The version and release that a host tells; `Some(None)` when it speaks but wants a login first, as all do now.
fn version(status: u16, body: &[u8]) -> Option<Option<(String, String)>> {
    match status {
        401 => Some(None),
        200 => {
            let value: Value = serde_json::from_slice(body).ok()?;
            let text = |name: &str| value["data"][name].as_str().and_then(plain);
            Some(Some((text("version")?, text("release")?)))
        }
        _ => None,
    }
}

/// Which product a page's title names, and which node.
fn title(body: &[u8]) -> Option<(Kind, Option<String>)> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<title>")?;
    let (node, product) = rest.split_once("</title>")?.0.trim().rsplit_once(" - ")?;
    let kind = match product.trim() {
        "Proxmox Virtual Environment" => Kind::Pve,
        "Proxmox Backup Server" => Kind::Pbs,
        _ => return None,
    };
    Some((kind, plain(node.trim())))
}

fn judge(
    address: Ipv4Addr,
    kind: Kind,
    version: Option<(String, String)>,
    title: Option<(Kind, Option<String>)>,
) -> Option<Server> {
    let name = match title {
        Some((named, _)) if named != kind => return None,
        Some((_, name)) => name,
        None if version.is_some() => None,
        // It wants a login and does not say what it is: other products do that too.
        None => return None,
    };
    let (version, release) = version.map_or_else(|| ("Unknown".to_owned(), None), |(v, r)| (v, Some(r)));
    Some(Server { address, kind, version, release, name })
}

/// A name or version as hosts have them; what else a stranger sends is not passed on.
fn plain(text: &str) -> Option<String> {
    let fits = (1..=LONGEST_NAME).contains(&text.len());
    (fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+".contains(&b))).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

    #[test]
    fn a_login_wall_and_the_right_page_make_a_server() {
        let page = title(b"<html><title>pve1 - Proxmox Virtual Environment</title>");
        let found = judge(AT, Kind::Pve, version(401, b"").unwrap(), page.clone()).unwrap();
        assert_eq!((found.kind.port(), found.name.as_deref(), found.version.as_str()), (8006, Some("pve1"), "Unknown"));
        assert!(judge(AT, Kind::Pbs, None, page).is_none(), "the other product's port");
        assert!(judge(AT, Kind::Pve, None, None).is_none(), "a login wall alone");
        let mail = title(b"<title>mx - Proxmox Mail Gateway</title>");
        assert!(judge(AT, Kind::Pve, None, mail).is_none(), "another product on the same port");
    }

    #[test]
    fn a_host_that_tells_its_version_is_known_by_it() {
        let told = version(200, br#"{"data":{"version":"9.0.6","release":"9.0","repoid":"x"}}"#).unwrap();
        let found = judge(AT, Kind::Pve, told, None).unwrap();
        assert_eq!((found.version.as_str(), found.release.as_deref()), ("9.0.6", Some("9.0")));
    }

    #[test]
    fn what_strangers_send_is_not_passed_on() {
        for body in ["", "{", "[]", "null", r#"{"data":{"version":1}}"#, r#"{"data":{"version":"<b>","release":"1"}}"#]
        {
            assert!(version(200, body.as_bytes()).is_none(), "{body}");
        }
        for status in [204, 301, 302, 400, 404, 500] {
            assert!(version(status, b"").is_none());
        }
        let long = format!("<title>{} - Proxmox Backup Server</title>", "a".repeat(400));
        for page in ["<title><img src=x> - Proxmox Backup Server</title>", &long] {
            assert_eq!(title(page.as_bytes()), Some((Kind::Pbs, None)), "the product, without the name");
        }
        for page in ["", "<title>", "<title>Login</title>", "</title><title>a - Proxmox", "\u{0}"] {
            assert!(title(page.as_bytes()).is_none(), "{page}");
        }
    }
}
