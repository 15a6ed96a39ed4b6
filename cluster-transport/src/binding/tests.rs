use std::net::{SocketAddr, TcpListener};

use proptest::prelude::*;

use super::*;

/// Interfaces as (name, index, address).
fn machine(listed: &[(&str, u32, &str)]) -> Vec<Interface> {
    listed.iter().map(|(name, index, ip)| Interface::new(*name, *index, ip.parse().unwrap())).collect()
}

/// Loopback, a card with a public, a private and IPv6 addresses, and a bridge.
fn server() -> Vec<Interface> {
    machine(&[
        ("lo", 1, "127.0.0.1"),
        ("eth0", 2, "93.184.216.34"),
        ("eth0", 2, "10.0.0.5"),
        ("br0", 3, "172.17.0.1"),
        ("lo", 1, "::1"),
        ("eth0", 2, "fe80::5"),
        ("eth0", 2, "fd00::5"),
        ("br0", 3, "fe80::9"),
    ])
}

/// What is bound, and what is advertised when the system gives port 999 for port 0.
fn outcome(text: &str, interfaces: &[Interface]) -> Result<(String, Option<String>), String> {
    let binding = Binding::parse(text, 7511).map_err(|e| e.to_string())?;
    let resolved = binding.resolve(interfaces).map_err(|e| e.to_string())?;
    let (bound, port) = match resolved.target() {
        Target::Socket(address) => (address.to_string(), address.port()),
        Target::Host { name, port } => (format!("{name}:{port} by name"), *port),
    };
    let port = if port == 0 { 999 } else { port };
    Ok((bound, resolved.advertised(port).map(|address| address.to_string())))
}

#[test]
fn every_form_of_binding_means_what_it_says() {
    for (text, bound, advertised) in [
        ("tcp://[_site_:ipv4]:7511", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("tcp://[_site_]", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("_site_", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("_Site_", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("tcp://[_SITE_:ipv4]:7511", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("tcp://[_site_:ipv6]", "[fd00::5]:7511", Some("tcp://[fd00::5]:7511")),
        ("tcp://[eth0]:7512", "93.184.216.34:7512", Some("tcp://93.184.216.34:7512")),
        ("tcp://[eth0:ipv4]:7512", "93.184.216.34:7512", Some("tcp://93.184.216.34:7512")),
        ("tcp://[eth0:IPV6]:7512", "[fd00::5]:7512", Some("tcp://[fd00::5]:7512")),
        ("tcp://[br0:ipv6]", "[fe80::9%3]:7511", None),
        ("tcp://[lo:ipv6]:7511", "[::1]:7511", Some("tcp://[::1]:7511")),
        ("tcp://127.0.0.1:9000", "127.0.0.1:9000", Some("tcp://127.0.0.1:9000")),
        ("tcp://[127.0.0.1:ipv4]:9000", "127.0.0.1:9000", Some("tcp://127.0.0.1:9000")),
        ("tcp://[10.0.0.5]", "10.0.0.5:7511", Some("tcp://10.0.0.5:7511")),
        ("tcp://[::1]:9000", "[::1]:9000", Some("tcp://[::1]:9000")),
        ("tcp://[::1:ipv6]:9000", "[::1]:9000", Some("tcp://[::1]:9000")),
        ("[fe80::5%eth0]:9000", "[fe80::5%2]:9000", None),
        ("[fe80::5%7:ipv6]:9000", "[fe80::5%7]:9000", None),
        ("tcp://0.0.0.0:9000", "0.0.0.0:9000", Some("tcp://10.0.0.5:9000")),
        ("tcp://[0.0.0.0]:9000", "0.0.0.0:9000", Some("tcp://10.0.0.5:9000")),
        ("tcp://*:9000", "0.0.0.0:9000", Some("tcp://10.0.0.5:9000")),
        ("tcp://[*:ipv6]:0", "[::]:0", Some("tcp://[fd00::5]:999")),
        ("tcp://MyHost:123", "myhost:123 by name", Some("tcp://myhost:123")),
        ("tcp://myhost", "myhost:7511 by name", Some("tcp://myhost:7511")),
        ("127.0.0.1:9000", "127.0.0.1:9000", Some("tcp://127.0.0.1:9000")),
        ("localhost:0", "localhost:0 by name", Some("tcp://localhost:999")),
        ("quic://[eth0]:0", "93.184.216.34:0", Some("quic://93.184.216.34:999")),
    ] {
        let wanted = Ok((bound.to_owned(), advertised.map(str::to_owned)));
        assert_eq!(outcome(text, &server()), wanted, "{text}");
    }
}

#[test]
fn what_is_no_binding_says_why() {
    for (text, problem) in [
        ("", "the host is neither a name nor an IP address"),
        ("http://[eth0]:1", "the scheme is neither tcp nor quic"),
        ("tcp://[eth0:1", "the bracket is not closed"),
        ("tcp://[eth0]1", "only :port may follow the bracket"),
        ("tcp://[]:1", "the brackets are empty"),
        ("tcp://[:ipv6]:1", "the brackets are empty"),
        ("tcp://[::1:ipv4]:1", "the address is not of that family"),
        ("tcp://[127.0.0.1:ipv6]:1", "the address is not of that family"),
        ("tcp://[127.0.0.1%eth0]:1", "an IPv4 address has no zone"),
        ("tcp://[fe80::1%]:1", "the zone is no interface's name or number"),
        ("tcp://[eth\n0]:1", "no network interface has such a name"),
        ("tcp://::1:7511", "an IPv6 address needs brackets"),
        ("tcp://a b:1", "the host is neither a name nor an IP address"),
        ("tcp://:1", "the host is neither a name nor an IP address"),
        ("tcp://a:", "the port is not a number from 0 to 65535"),
        ("tcp://a:+1", "the port is not a number from 0 to 65535"),
        ("tcp://a:65536", "the port is not a number from 0 to 65535"),
        ("tcp://myhost:123/path", "the port is not a number from 0 to 65535"),
    ] {
        assert_eq!(Binding::parse(text, 7511).unwrap_err().problem, problem, "{text}");
    }
}

#[test]
fn a_refused_binding_is_named_with_the_forms_that_are_accepted() {
    assert_eq!(
        Binding::parse("udp://a:1", 7511).unwrap_err().to_string(),
        "\"udp://a:1\" is not a binding: the scheme is neither tcp nor quic \
         (write tcp://[interface:family]:port, tcp://host:port or host:port)"
    );
}

#[test]
fn what_matches_nothing_is_an_error_that_lists_what_exists() {
    let small = machine(&[("lo", 1, "127.0.0.1"), ("eth0", 2, "10.0.0.5"), ("lo", 1, "::1")]);
    let all = "this machine has lo (127.0.0.1, ::1), eth0 (10.0.0.5)";
    for (text, error) in [
        (
            "tcp://[nope:ipv4]:7511",
            format!("cannot bind tcp://[nope:ipv4]:7511: there is no network interface \"nope\"; {all}"),
        ),
        (
            "tcp://[fe80::1%nope]",
            format!("cannot bind tcp://[fe80::1%nope]:7511: there is no network interface \"nope\"; {all}"),
        ),
        (
            "[eth0:ipv6]:1",
            format!("cannot bind tcp://[eth0:ipv6]:1: network interface \"eth0\" has no IPv6 address; {all}"),
        ),
        (
            "tcp://[_site_:ipv6]",
            format!(
                "cannot bind tcp://[_site_:ipv6]:7511: there is no IPv6 address other than loopback; {all}; \
                 name one of these in place of _site_"
            ),
        ),
    ] {
        assert_eq!(outcome(text, &small), Err(error));
    }
    let error = outcome("[eth0]:1", &[]).unwrap_err();
    assert!(error.ends_with("this machine has no network interface"), "{error}");
}

#[test]
fn a_site_address_is_private_before_public_before_link_local() {
    for (ips, wanted) in [
        (&["127.0.0.1", "169.254.1.1", "8.8.8.8", "192.168.1.1", "10.0.0.1"][..], "192.168.1.1:1"),
        (&["127.0.0.1", "169.254.1.1", "8.8.8.8", "9.9.9.9"], "8.8.8.8:1"),
        (&["127.0.0.1", "169.254.1.1"], "169.254.1.1:1"),
    ] {
        let listed: Vec<_> = ips.iter().map(|ip| ("eth0", 2, *ip)).collect();
        assert_eq!(outcome("[_site_]:1", &machine(&listed)).unwrap().0, wanted);
    }
}

#[test]
fn an_unspecified_address_is_never_advertised() {
    let lonely = machine(&[("lo", 1, "127.0.0.1"), ("lo", 1, "::1")]);
    for text in ["tcp://0.0.0.0:1", "tcp://[::]:1", "*:1"] {
        assert_eq!(outcome(text, &lonely).unwrap().1, None, "{text}");
    }
}

#[tokio::test]
async fn a_host_name_is_looked_up() {
    let interfaces = Interface::all().unwrap();
    let resolved = Binding::parse("localhost:9000", 7511).unwrap().resolve(&interfaces).unwrap();
    let found = resolved.lookup().await.unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 9000), "{found:?}");
    assert_ne!(found, Vec::<SocketAddr>::new());
}

#[tokio::test]
async fn loopback_of_this_machine_is_found_and_can_be_bound_in_both_families() {
    let interfaces = Interface::all().unwrap();
    let loopback = interfaces.iter().find(|found| found.ip().is_loopback());
    let name = loopback.expect("every machine has a loopback interface").name();
    for (family, ip) in [("ipv4", "127.0.0.1"), ("ipv6", "::1")] {
        let binding = Binding::parse(&format!("tcp://[{name}:{family}]:0"), 7511).unwrap();
        let addresses = binding.resolve(&interfaces).unwrap().lookup().await.unwrap();
        let listener = TcpListener::bind(&addresses[..]).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), ip.parse::<IpAddr>().unwrap());
    }
}

fn likely_binding() -> impl Strategy<Value = String> {
    let part = "(tcp://|quic://|)(\\[)?(_site_|eth0|\\*|[0-9a-f:]{0,8}|10\\.0\\.0\\.[0-9]|host|fe80::1%[a-z0-9:]{0,3})";
    let end = "(:ipv4|:IPv6|)(:ipv4|:ipv6|)(\\])?(:[0-9]{0,6}|)";
    (part, end).prop_map(|(part, end)| part + &end)
}

proptest! {
    #[test]
    fn what_parses_shows_itself_as_a_text_that_parses_equal(
        text in prop_oneof![likely_binding(), any::<String>()],
        port in any::<u16>(),
    ) {
        if let Ok(binding) = Binding::parse(&text, port) {
            prop_assert_eq!(Binding::parse(&binding.to_string(), port.wrapping_add(1)), Ok(binding));
        }
    }
}
