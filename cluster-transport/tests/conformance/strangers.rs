//! Datagrams of somebody who speaks no QUIC, at the port of a node that does.

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::Payload;
use tokio::net::UdpSocket;

use crate::harness::{Carrier, GIVE_UP, Pair};

#[tokio::test]
async fn garbage_at_a_quic_port_is_counted_and_disturbs_no_session() {
    let pair = Pair::connect(Carrier::Quic).await;
    let session = pair.a.session().await;
    pair.b.session().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = pair.b.address.to_string().trim_start_matches("quic://").to_owned();
    let mut sent = 0;
    // The kernel may drop any of them.
    let counted = async {
        while pair.b.endpoint.strange_datagrams() < 100 {
            for (length, first) in [(0, 0), (1, 0x40), (28, 0xc0), (600, 0x80), (1_200, 0xc3), (1_400, 0xff)]
            {
                let datagram: Vec<u8> = (0..length).map(|at| if at == 0 { first } else { 0x5a }).collect();
                stranger.send_to(&datagram, &target).await.unwrap();
                sent += 1;
            }
            session.send(Lane::Notifications, &[], Payload::Copied(b"beside")).unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GIVE_UP, counted).await.unwrap();
    assert!(pair.b.endpoint.strange_datagrams() <= sent);
    let beside = usize::try_from(session.lag(Lane::Notifications).pushed).unwrap();
    assert_eq!(pair.b.messages(Lane::Notifications, beside).await, vec![b"beside".to_vec(); beside]);
    assert_eq!(
        (pair.a.endpoint.strange_datagrams(), pair.b.session_count()),
        (0, 0),
        "the session is the first one"
    );
}
