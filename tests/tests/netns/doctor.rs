//! What the doctor says of a network that lets TCP through, and QUIC not.

use cluster_tests::netns::{Lab, inside};

const QUIC: &str = "plugins.cluster.bind=quic://[eth0:ipv4]:7511";
const REMEDY: &str = "Remedy: let UDP through at that port, and have an MTU of 1280 bytes or more at both ends and all the \
                      way between them; or write tcp:// in plugins.cluster.bind.";

/// What it says in place of the second of two nodes over QUIC.
fn examined(lab: &Lab) -> String {
    let (text, code) = lab.doctor(2);
    assert_eq!(code, 0, "members do without QUIC: {text}");
    assert!(text.contains("fine     members in session: n1."), "{text}");
    assert!(text.contains("fine     n1 reaches this node at tcp://198.18.0.2:7511."), "{text}");
    text
}

fn has(text: &str, wanted: &str) {
    assert!(text.lines().any(|line| line.starts_with(wanted)), "{wanted:?} is not in:\n{text}");
}

/// Of a datagram that is lost on the way nobody hears; TCP is there beside it.
fn lost(who: &str, whom: &str, at: &str) -> String {
    format!(
        "warning  {who} does not reach {whom} at {at}, where it says that it can be dialled: TCP answers there and UDP \
         does not: a firewall drops UDP, or datagrams of 1200 bytes do not fit through, because the MTU of the path is \
         below 1228 bytes; TCP is used in its place. {REMEDY}"
    )
}

#[test]
fn an_mtu_or_a_firewall_that_eats_quic_is_named_with_what_to_do() {
    inside(|namespace| {
        let mut lab = Lab::start(namespace, 2, &[QUIC]);
        lab.kill(2);
        let text = examined(&lab);
        has(&text, "fine     n1 reaches this node at quic://198.18.0.2:7511.");
        has(&text, "fine     this node reaches n1 at quic://198.18.0.1:7511.");
        lab.drop_udp(2);
        let text = examined(&lab);
        has(&text, &lost("n1", "this node", "quic://198.18.0.2:7511"));
        has(&text, &lost("this node", "n1", "quic://198.18.0.1:7511"));
        lab.heal();
        // Between two namespaces a packet gets through that is longer by a VLAN's tag.
        lab.narrow(2, 1_200);
        let text = examined(&lab);
        has(
            &text,
            "warning  the interface eth0 has an MTU of 1200 bytes, and QUIC needs 1228: nobody reaches this node over QUIC at \
             198.18.0.2. Remedy: raise it, as with `ip link set dev eth0 mtu 1500`",
        );
        has(&text, &lost("n1", "this node", "quic://198.18.0.2:7511"));
        has(
            &text,
            "warning  this node does not reach n1 at quic://198.18.0.1:7511, where it says that it can be dialled: datagrams \
             of 1200 bytes, the least that QUIC needs, do not fit: the MTU of the interface or of the path is below 1228 \
             bytes; TCP is used in its place. Remedy: ",
        );
        lab.narrow(2, 1_228);
        has(&examined(&lab), "fine     this node reaches n1 at quic://198.18.0.1:7511.");
    });
}
