//! The networks that this machine is part of, as the kernel's routing table shows them. Nothing is sent.

use super::range::Range;
use std::net::{Ipv4Addr, UdpSocket};

/// The kernel's IPv4 routes: no privilege is needed to read them, and none of its network calls either.
const ROUTES: &str = "/proc/net/route";
const UP: u32 = 0x1;
const GATEWAY: u32 = 0x2;
const REJECT: u32 = 0x200;
/// Interfaces of containers, virtual networks of a host, tunnels: no Proxmox host is a neighbour there.
const NOT_NEIGHBOURS: [&str; 15] = [
    "lo",
    "docker",
    "br-",
    "veth",
    "virbr",
    "lxcbr",
    "lxdbr",
    "cni",
    "flannel",
    "cali",
    "podman",
    "kube",
    "tun",
    "wg",
    "tailscale",
];
/// Docker's own network: its neighbours are containers (contract rest.md 11).
const DOCKER: &str = "172.17.0.0/16";

/// The machine's own private networks, and a word about each that is not asked whole, or not at all.
pub fn networks() -> (Vec<Range>, Vec<String>) {
    match std::fs::read_to_string(ROUTES) {
        Ok(table) => chosen(&table, own_address),
        Err(e) => (Vec::new(), vec![format!("failed to read {ROUTES}: {e}; set the subnet to be asked")]),
    }
}

/// This machine's address in a network. Connecting a datagram socket sends nothing: it only asks for the route.
fn own_address(range: Range) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((range.hosts().next()?, 9)).ok()?;
    match socket.local_addr().ok()? {
        std::net::SocketAddr::V4(address) => Some(*address.ip()),
        std::net::SocketAddr::V6(_) => None,
    }
}

fn chosen(table: &str, own_address: impl Fn(Range) -> Option<Ipv4Addr>) -> (Vec<Range>, Vec<String>) {
    let (mut ranges, mut remarks): (Vec<Range>, Vec<String>) = (Vec::new(), Vec::new());
    let docker = Range::parse(DOCKER);
    for range in table.lines().filter_map(neighbours) {
        if docker.is_some_and(|d| d.contains(range)) {
            remarks.push(format!("{range} is Docker's own network; set the subnet of the Proxmox hosts"));
        } else if !range.is_large() {
            ranges.push(range);
        } else if let Some(own) = own_address(range) {
            let near = Range::around(own, 24);
            remarks.push(format!("{range} is large; only {near} around this machine is asked"));
            ranges.push(near);
        }
    }
    ranges.dedup();
    if ranges.is_empty() && remarks.is_empty() {
        remarks.push("this machine is in no private IPv4 network; set the subnet to be asked".to_owned());
    }
    (ranges, remarks)
}

/// A line of the table, if it is a private network that this machine is directly part of.
fn neighbours(line: &str) -> Option<Range> {
    let mut words = line.split_whitespace();
    let interface = words.next()?;
    let mut hex = || words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
    let (to, gateway, flags) = (hex()?, hex()?, hex()?);
    let mask = u32::from_be(u32::from_str_radix(words.nth(3)?, 16).ok()?);
    let bits = u8::try_from(mask.count_ones()).ok()?;
    let connected = flags & UP != 0 && flags & (GATEWAY | REJECT) == 0 && gateway == 0;
    let sane = mask.leading_ones() == mask.count_ones() && bits <= 30;
    let near = !NOT_NEIGHBOURS.iter().any(|name| interface.starts_with(name));
    let range = Range::around(Ipv4Addr::from(u32::from_be(to)), bits);
    (connected && sane && near && range.is_private()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// A line as the kernel writes it: addresses as numbers of this machine's byte order.
    fn line(interface: &str, to: [u8; 4], flags: u32, bits: u32) -> String {
        let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
        let (to, mask) = (u32::from_ne_bytes(to), u32::from_ne_bytes(mask.to_be_bytes()));
        format!("{interface}\t{to:08X}\t00000000\t{flags:04X}\t0\t0\t0\t{mask:08X}\t0\t0\t0\n")
    }

    fn of(lines: &[String]) -> (Vec<String>, Vec<String>) {
        let table = format!("{HEAD}{}", lines.concat());
        let (ranges, remarks) = chosen(&table, |_| Some(Ipv4Addr::new(10, 9, 8, 7)));
        (ranges.iter().map(Range::to_string).collect(), remarks)
    }

    #[test]
    fn networks_of_real_interfaces_are_asked() {
        let (ranges, remarks) = of(&[
            line("eth0", [0, 0, 0, 0], 3, 0),
            line("eth0", [192, 168, 1, 0], 1, 24),
            line("vmbr1", [10, 0, 4, 0], 1, 22),
        ]);
        assert_eq!((ranges.join(" ").as_str(), remarks.len()), ("192.168.1.0/24 10.0.4.0/22", 0));
    }

    #[test]
    fn neither_tunnels_nor_containers_nor_public_networks_are_asked() {
        let (ranges, remarks) = of(&[
            line("docker0", [172, 17, 0, 0], 1, 16),
            line("br-0a1b2c3d4e5f", [172, 18, 0, 0], 1, 16),
            line("wg0", [10, 200, 0, 0], 1, 24),
            line("eth0", [203, 0, 113, 0], 1, 24),
            line("eth0", [169, 254, 0, 0], 1, 16),
            line("eth0", [192, 168, 7, 0], 3, 24),
            line("eth0", [192, 168, 8, 0], 0x201, 24),
            line("eth0", [192, 168, 9, 9], 5, 32),
        ]);
        assert_eq!((ranges.len(), remarks.len()), (0, 1));
        assert!(remarks[0].contains("no private IPv4 network"));
    }

    #[test]
    fn of_a_large_network_only_the_surroundings_are_asked() {
        let (ranges, remarks) = of(&[line("eth0", [10, 0, 0, 0], 1, 8)]);
        assert_eq!((ranges.join(" ").as_str(), remarks.len()), ("10.9.8.0/24", 1));
        let (ranges, remarks) = of(&[line("eth0", [172, 17, 0, 0], 1, 16)]);
        assert!(ranges.is_empty() && remarks[0].contains("Docker"), "{remarks:?}");
    }

    #[test]
    fn a_table_that_makes_no_sense_names_no_network() {
        for table in ["", "eth0", "eth0 zz 0 1 0 0 0 zz", "eth0 000200C0 0 1 0 0 0", "\0\0\n\u{ffff}\t\t\t"] {
            assert!(chosen(table, |_| None).0.is_empty(), "{table:?}");
        }
        let holes = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FF00FF\t0\t0\t0";
        assert!(chosen(holes, |_| None).0.is_empty());
    }
}
