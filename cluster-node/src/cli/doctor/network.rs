//! What the network between members lets through, as far as that shows from here: QUIC is particular about it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cluster_core::config::Config;
use cluster_core::runtime::MemberStatus;
use cluster_transport::binding::Interface;
use cluster_transport::link::{least_mtu, reach};
use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use futures_util::future::join_all;

use super::super::plan::Plan;
use super::finding::Finding;

/// How long a member's address may take.
const REACH: Duration = Duration::from_secs(2);

/// The interfaces that this node listens on for QUIC, where they take too little.
pub(super) fn interfaces(config: &Config, plan: &Plan) -> Vec<Finding> {
    let listeners = config.listeners().iter().zip(&plan.listening);
    let quic = listeners.filter(|(listener, _)| listener.binding().scheme() == Scheme::Quic);
    let places: Vec<SocketAddr> = quic.flat_map(|(_, place)| place.addresses.iter().copied()).collect();
    narrow(&places, &Interface::all().unwrap_or_default(), mtu)
}

/// In bytes, where the system tells in a file.
fn mtu(interface: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()
}

fn narrow(
    places: &[SocketAddr],
    interfaces: &[Interface],
    mtu: impl Fn(&str) -> Option<u32>,
) -> Vec<Finding> {
    let listens_on = |interface: &&Interface| {
        let serves = |place: &SocketAddr| match place.ip() {
            ip if ip.is_unspecified() => ip.is_ipv4() == interface.ip().is_ipv4(),
            ip => ip == interface.ip(),
        };
        places.iter().any(serves)
    };
    let narrow = interfaces.iter().filter(listens_on).filter_map(|interface| {
        let (name, mtu) = (interface.name(), mtu(interface.name())?);
        let needed = needed(interface.ip());
        (mtu < needed).then(|| {
            Finding::warning(
                format!(
                    "the interface {name} has an MTU of {mtu} bytes, and QUIC needs {needed}: nobody reaches this node over QUIC at {}",
                    interface.ip()
                ),
                format!("raise it, as with `ip link set dev {name} mtu 1500`, or write tcp:// in plugins.cluster.bind"),
            )
        })
    });
    narrow.collect()
}

fn needed(ip: IpAddr) -> u32 {
    least_mtu(SocketAddr::new(ip, 0)).into()
}

/// Whether this node reaches a member where that one says that it can be dialled.
pub(super) async fn called(member: &MemberStatus) -> Vec<Finding> {
    let addresses = member.addresses.iter().filter_map(|text| text.parse::<Address>().ok());
    let tried = addresses.map(|address| async move {
        let problem = reach(&address, REACH).await.err().map(|problem| problem.to_string());
        (address, problem)
    });
    outcomes("this node", &member.node, &join_all(tried).await)
}

/// What to say of attempts of one node to reach another at the addresses that the latter tells.
pub(super) fn outcomes(who: &str, whom: &str, tried: &[(Address, Option<String>)]) -> Vec<Finding> {
    let is_reached = |address: &Address| tried.iter().any(|(at, problem)| at == address && problem.is_none());
    let outcome = |(address, problem): &(Address, Option<String>)| {
        let Some(problem) = problem else {
            return Finding::fine(format!("{who} reaches {whom} at {address}"));
        };
        let found = format!(
            "{who} does not reach {whom} at {address}, where it says that it can be dialled: {problem}"
        );
        match address.scheme() {
            Scheme::Quic if is_reached(&address.with_scheme(Scheme::Tcp)) => {
                Finding::warning(format!("{found}; TCP is used in its place"), FOR_QUIC)
            }
            Scheme::Quic => Finding::problem(found, FOR_QUIC),
            _ => Finding::problem(
                found,
                "open that port, or set plugins.cluster.advertise to where others can dial it",
            ),
        }
    };
    tried.iter().map(outcome).collect()
}

const FOR_QUIC: &str = "let UDP through at that port, and have an MTU of 1280 bytes or more at both ends and all the way \
                        between them; or write tcp:// in plugins.cluster.bind";

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn interface(name: &str, ip: &str) -> Interface {
        Interface::new(name, 1, ip.parse().expect("an address"))
    }

    #[test]
    fn only_interfaces_that_quic_is_served_on_have_to_be_wide_enough() {
        let interfaces =
            [interface("lo", "127.0.0.1"), interface("eth0", "10.0.0.1"), interface("eth0", "fd00::1")];
        let told = |at: &str, width| {
            narrow(&[at.parse().expect("a socket")], &interfaces, |name| (name != "lo").then_some(width))
        };
        assert_eq!(told("10.0.0.1:7511", 1_228), []);
        let narrow = told("0.0.0.0:7511", 1_227);
        assert!(
            narrow[0].to_string().starts_with(
                "warning  the interface eth0 has an MTU of 1227 bytes, and QUIC needs 1228: nobody reaches this node over \
                 QUIC at 10.0.0.1. Remedy: raise it, as with `ip link set dev eth0 mtu 1500`"
            ),
            "{narrow:?}"
        );
        assert_eq!(narrow.len(), 1);
        assert_eq!(told("[::]:7511", 1_240).len(), 1, "IPv6 has longer headers");
        assert_eq!(told("127.0.0.1:7511", 100), [], "nobody tells");
    }

    #[test]
    fn quic_that_is_not_reached_is_a_warning_where_tcp_is() {
        let tried = |address: &str, problem: Option<&str>| {
            (address.parse().expect("an address"), problem.map(str::to_owned))
        };
        let severities = |tried: &[(Address, Option<String>)]| {
            outcomes("a", "b", tried).iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        let (quic, lost) = ("quic://10.0.0.1:7511", Some("lost"));
        let tcp = "tcp://10.0.0.1:7511";
        assert_eq!(severities(&[tried(quic, lost), tried(tcp, None)]), [Severity::Warning, Severity::Fine]);
        assert_eq!(
            severities(&[tried(quic, lost), tried(tcp, lost)]),
            [Severity::Problem, Severity::Problem]
        );
        assert_eq!(severities(&[tried(quic, None)]), [Severity::Fine]);
    }
}
