//! Which hosts belong to the public internet. An issuer's document may name any URL for its keys;
//! it must not turn the fetch against services that only this machine or its network can reach.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use super::fetch::FetchError;

/// Whether a URL's host may be public: a public address, or a name whose addresses are yet unknown.
pub(crate) fn may_be_public(host: &str) -> bool {
    if let Some(bare) = host.strip_prefix('[') {
        let address = bare.trim_end_matches(']').parse::<Ipv6Addr>();
        return address.is_ok_and(|ip| is_public(ip.into()));
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return is_public(ip.into());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    // `127.1`, `0x7f000001` and `2130706433` are addresses to most clients, and names to the parser.
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    // RFC 6761 §6.3.
    !numeric && !last.eq_ignore_ascii_case("localhost")
}

/// The addresses of a host, if every one of them is public.
pub(crate) fn public_addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    if found.iter().all(|address| is_public(address.ip())) {
        return Ok(found);
    }
    let why = "the issuer's configuration names a host with an address that is not public";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into())
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => embedded(ip).map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

/// IANA's registry of special-purpose addresses (RFC 6890).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    const SPECIAL: [(Ipv4Addr, u32); 15] = [
        (Ipv4Addr::UNSPECIFIED, 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 88, 99, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(224, 0, 0, 0), 4),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    let inside =
        |(network, bits): &(Ipv4Addr, u32)| (ip.to_bits() ^ network.to_bits()) >> (32 - bits) == 0;
    !SPECIAL.iter().any(inside)
}

/// Global unicast is `2000::/3`; of it IANA keeps `2001::/23` for protocols, and two blocks are for
/// documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let protocols = first == 0x2001 && second < 0x200;
    let documentation =
        (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    first & 0xe000 == 0x2000 && !protocols && !documentation
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052) and 6to4.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public_in_any_form() {
        for host in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0X7F.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "localhost",
            "LocalHost.",
            "keys.localhost",
        ] {
            assert!(!may_be_public(host), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_may_be_asked() {
        for host in [
            "1.1.1.1",
            "11.0.0.1",
            "100.63.255.255",
            "172.32.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[2001:200::1]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::1.1.1.1]",
            "[2002:101:101::]",
            "issuer.example",
            "issuer.example.",
            "localhost.example",
            "x0.example",
            "10.example",
        ] {
            assert!(may_be_public(host), "{host}");
        }
    }

    #[test]
    fn a_name_with_a_loopback_address_is_refused() {
        let error = public_addresses("localhost", 443).unwrap_err();
        assert!(error.to_string().contains("not public"), "{error}");
        assert!(public_addresses("1.1.1.1", 443).is_ok());
    }
}
