//! Clusters with mutual TLS: who belongs to them gets in, and who does not is told why.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use cluster_core::discovery::MemoryDirectory;
use cluster_core::runtime::Status;
use cluster_tests::{Hostile, Member, Pair, Pki, Setup, Traffic};
use cluster_transport::proto::ClusterName;
use cluster_transport::proto::body::RefuseCode;
use cluster_transport::proto::frame::Frame;
use cluster_transport::tls::{ALPN, Tls, TlsFiles, TlsIdentity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The members of a pair, each with its own certificate.
async fn pair(pki: &Pki) -> Pair {
    Pair::start(|setup| {
        let files = pki.node(setup.name());
        setup.with_tls(&files)
    })
    .await
}

/// A stranger who dials a member until it slows down: what it complains of before that.
async fn complaint_of(stranger: Setup, member: &Member) -> String {
    let stranger = stranger.eager_for(&member.address()).start().await;
    stranger.knows(&[member]);
    stranger.logs.contain("attempts have failed: trying on").await;
    stranger.together_with(&[]).await;
    let mut complaints = stranger.logs.complaints();
    // A certificate that has expired is noticed by its owner too, at any time.
    complaints.retain(|line| !line.contains("until it is renewed"));
    let [complaint, slows_down] = &complaints[..] else { panic!("{complaints:#?}") };
    assert_eq!(slows_down, "WARN 5 attempts have failed: trying on, at most every 30s address=tcp://a");
    complaint.clone()
}

fn trusting(files: TlsFiles, authority: &Pki) -> TlsFiles {
    TlsFiles { authorities: vec![authority.authority()], ..files }
}

#[tokio::test]
async fn members_take_their_ids_from_their_certificates() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let start = |name: &'static str| {
        let unnamed = |config: cluster_core::config::ConfigBuilder| config.node_id(None);
        Setup::new(name).with(unnamed).with_tls(&pki.node(name)).in_directory(&directory).start()
    };
    let (a, b, c) = (start("a").await, start("b").await, start("c").await);
    a.together_with(&["b", "c"]).await;
    b.together_with(&["a", "c"]).await;
    c.together_with(&["a", "b"]).await;
    let transports: Vec<_> =
        a.cluster.status().members.into_iter().map(|member| member.transport.unwrap()).collect();
    assert_eq!(transports, ["tcp+tls", "tcp+tls"]);
    let traffic = Traffic::start(&a, &c, 1).await;
    traffic.finish().await;
    for member in [&a, &b, &c] {
        assert_eq!(member.logs.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn with_a_shared_certificate_each_member_has_the_id_that_it_is_given() {
    let (pki, directory) = (Pki::new("kuzzle"), MemoryDirectory::default());
    let files = pki.shared();
    let start = |name: &str| Setup::new(name).with_tls(&files).in_directory(&directory).start();
    let (a, b) = (start("a").await, start("b").await);
    a.together_with(&["b"]).await;
    b.together_with(&["a"]).await;
    let unnamed = |config: cluster_core::config::ConfigBuilder| config.node_id(None);
    let c = Setup::new("c").with(unnamed).with_tls(&files).in_directory(&directory).start().await;
    let random = c.cluster.node_id().to_string();
    let digits = random.strip_prefix("node-").unwrap();
    assert!(digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit()), "{random}");
    a.together_with(&["b", &random]).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_the_dialler() {
    let (ours, theirs) = (Pki::new("kuzzle"), Pki::new("kuzzle"));
    let pair = pair(&ours).await;
    let complaint = complaint_of(Setup::new("x").with_tls(&theirs.node("x")), &pair.a).await;
    assert_eq!(
        complaint,
        "WARN cannot connect: TLS: tcp://a presented a certificate that we refuse: no authority that we trust has \
         issued it address=tcp://a"
    );
    pair.finish(&["WARN 127.0.0.1:* refused our certificate: no authority that it trusts has issued it"])
        .await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_the_member() {
    let (ours, theirs) = (Pki::new("kuzzle"), Pki::new("kuzzle"));
    let pair = pair(&ours).await;
    let files = trusting(theirs.node("x"), &ours);
    let complaint = complaint_of(Setup::new("x").with_tls(&files), &pair.a).await;
    assert_eq!(
        complaint,
        "WARN no session: the link was lost during the handshake: refused our certificate: no authority that it \
         trusts has issued it address=tcp://a"
    );
    let refused =
        "WARN 127.0.0.1:* presented a certificate that we refuse: no authority that we trust has issued it";
    pair.finish(&[refused]).await;
}

#[tokio::test]
async fn a_certificate_of_another_cluster_is_refused() {
    let pki = Pki::new("kuzzle");
    let pair = pair(&pki).await;
    let pki = pki.for_cluster("other");
    let other: ClusterName = "other".parse().unwrap();
    let stranger = Setup::new("x").with(|config| config.cluster_name(other)).with_tls(&pki.node("x"));
    let complaint = complaint_of(stranger, &pair.a).await;
    assert_eq!(
        complaint,
        "WARN cannot connect: TLS: tcp://a presented a certificate that we refuse: it is not for other.cluster but \
         for [DnsName(\"kuzzle.cluster\"), DnsName(\"a.kuzzle.cluster\")] address=tcp://a"
    );
    pair.finish(&["WARN 127.0.0.1:* refused our certificate: it is not for a member of its cluster"]).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let pki = Pki::new("kuzzle");
    let pair = pair(&pki).await;
    let complaint = complaint_of(Setup::new("x").with_tls(&pki.expired("x")), &pair.a).await;
    assert_eq!(
        complaint,
        "WARN no session: the link was lost during the handshake: refused our certificate: by its clock it has \
         expired or is not valid yet address=tcp://a"
    );
    let days =
        pair.a.logs.complaints()[0].split(' ').filter_map(|word| word.parse::<u32>().ok()).next().unwrap();
    let refused = format!(
        "WARN 127.0.0.1:* presented a certificate that we refuse: by our clock it expired {days} days ago"
    );
    pair.finish(&[&refused]).await;
}

#[tokio::test]
async fn a_certificate_of_another_nodes_name_is_of_no_use() {
    let pki = Pki::new("kuzzle");
    let files = pki.node("b");
    let error = Setup::new("x").with_tls(&files).try_start().await.unwrap_err().to_string();
    let file = files.certificate.display();
    assert_eq!(
        error,
        format!(
            "the certificate file {file} is not for the node x: it needs x.kuzzle.cluster or *.kuzzle.cluster"
        )
    );
}

#[tokio::test]
async fn a_stranger_without_a_certificate_is_refused() {
    let pki = Pki::new("kuzzle");
    let pair = pair(&pki).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.authority()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    for _ in 0..3 {
        let stream = TcpStream::connect(pair.a.socket_address()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config.clone()));
        let mut stream = connector.connect("kuzzle.cluster".try_into().unwrap(), stream).await.unwrap();
        let alert = stream.read_u8().await.unwrap_err().to_string();
        assert_eq!(alert, "received fatal alert: CertificateRequired");
    }
    pair.finish(&["WARN 127.0.0.1:* presented no certificate"]).await;
}

#[tokio::test]
async fn a_node_without_tls_is_refused_by_one_with_tls() {
    let pki = Pki::new("kuzzle");
    let pair = pair(&pki).await;
    let complaint = complaint_of(Setup::new("x"), &pair.a).await;
    assert_eq!(
        complaint,
        "WARN no session: the link was lost during the handshake: the peer speaks TLS, and this node has no TLS \
         settings address=tcp://a"
    );
    let refused = "WARN 127.0.0.1:* speaks the cluster protocol without TLS, which this node requires";
    pair.finish(&[refused]).await;
}

#[tokio::test]
async fn a_node_with_tls_is_refused_by_one_without() {
    let pki = Pki::new("kuzzle");
    let pair = Pair::start(|setup| setup).await;
    let complaint = complaint_of(Setup::new("x").with_tls(&pki.node("x")), &pair.a).await;
    assert_eq!(
        complaint,
        "WARN cannot connect: TLS: tcp://a does not speak TLS: is it a node without TLS settings? address=tcp://a"
    );
    pair.finish(&["WARN 127.0.0.1:* speaks TLS, but this node has no TLS settings"]).await;
}

/// A process with a good certificate says in its own words that it is somebody else.
#[tokio::test]
async fn a_certificate_does_not_serve_another_id_on_the_wire_either() {
    let pki = Pki::new("kuzzle");
    let pair = pair(&pki).await;
    let tls = Tls::new(TlsIdentity::load(&pki.node("x")).unwrap(), pair.a.cluster.cluster_name()).unwrap();
    let mut peer = Hostile::dial(&pair.a, Some(&tls)).await;
    peer.send(&Hostile::hello(&pair.a, "b")).await;
    let Frame::Refuse(refuse, _) = peer.next().await.unwrap() else { panic!() };
    let why = (refuse.code, refuse.text.as_str());
    assert_eq!(why, (RefuseCode::NOT_AUTHORISED, "the certificate is not for b.kuzzle.cluster"));
    assert_eq!(peer.next().await, None);
    let refused = "refused b: not authorised: the certificate is not for b.kuzzle.cluster remote=127.0.0.1:*";
    pair.finish(&[&format!("WARN {refused}")]).await;
}

#[tokio::test]
async fn the_status_tells_what_became_of_the_files() {
    let pki = Pki::new("kuzzle");
    let files = pki.node("a");
    let member = Setup::new("a").bound("quic://127.0.0.1:0").with_tls(&files).start().await;
    assert_eq!(member.cluster.days_to_expiry(), Some(824));
    let tls = member.cluster.status().tls.unwrap();
    assert_eq!(
        (tls.names, tls.reloads),
        (vec!["a.kuzzle.cluster".to_owned(), "kuzzle.cluster".to_owned()], 0)
    );
    let key = std::fs::read(&files.key).unwrap();
    std::fs::write(&files.key, &key[..key.len() / 2]).unwrap();
    let refused = |status: &Status| status.tls.as_ref().is_some_and(|tls| tls.refused.is_some());
    member.status(refused).await;
    let why = member.cluster.status().tls.unwrap().refused.unwrap();
    assert_eq!(
        why,
        format!(
            "the key file {} is damaged: it ends before \"-----END PRIVATE KEY-----\" (write it again, whole)",
            files.key.display()
        )
    );
    pki.node("a");
    member.status(|status| !refused(status) && status.tls.as_ref().is_some_and(|tls| tls.reloads == 1)).await;
    assert_eq!(Setup::new("b").start().await.cluster.days_to_expiry(), None);
}
