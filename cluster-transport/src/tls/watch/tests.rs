//! Time is paused: the clock jumps to the next poll whenever nothing else is left to do.

use tempfile::{TempDir, tempdir};

use super::*;
use crate::tls::fixture::{TestAuthority, TestPair, prod};

struct Node {
    _folder: TempDir,
    files: TlsFiles,
    authority: TestAuthority,
    tls: Tls,
    watcher: TlsWatcher,
}

impl Node {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let authority = TestAuthority::new();
        let files = TlsFiles {
            certificate: folder.path().join("a.pem"),
            key: folder.path().join("a-key.pem"),
            authorities: vec![folder.path().join("ca.pem")],
        };
        std::fs::write(&files.authorities[0], &authority.pem).unwrap();
        write(&files, &authority.issue(&["prod.cluster", "a.prod.cluster"]));
        let tls = Tls::new(TlsIdentity::load(&files).unwrap(), &prod()).unwrap();
        let watcher = TlsWatcher::new(tls.clone(), files.clone(), DEFAULT_WATCH_INTERVAL);
        Self { _folder: folder, files, authority, tls, watcher }
    }

    async fn next(&mut self) -> (u64, Option<String>) {
        let report = self.watcher.changed().await.unwrap();
        (report.reloads, report.refused.map(|error| error.to_string()))
    }
}

fn write(files: &TlsFiles, pair: &TestPair) {
    std::fs::write(&files.certificate, &pair.certificate).unwrap();
    std::fs::write(&files.key, &pair.key).unwrap();
}

#[tokio::test(start_paused = true)]
async fn new_files_come_into_force() {
    let mut node = Node::new();
    write(&node.files, &node.authority.issue(&["prod.cluster", "b.prod.cluster"]));
    assert_eq!(node.next().await, (1, None));
    assert_eq!(node.tls.node_id().unwrap().as_str(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_stays_half_written_is_reported_and_then_taken_when_it_is_whole() {
    let mut node = Node::new();
    let pair = node.authority.issue(&["prod.cluster", "b.prod.cluster"]);
    std::fs::write(&node.files.certificate, &pair.certificate).unwrap();
    let (reloads, refused) = node.next().await;
    assert_eq!(reloads, 0);
    assert!(
        refused.as_ref().unwrap().contains("a-key.pem does not belong to the certificate file"),
        "{refused:?}"
    );
    assert_eq!(node.tls.node_id().unwrap().as_str(), "a");

    std::fs::write(&node.files.key, &pair.key[..pair.key.len() / 2]).unwrap();
    let (_, refused) = node.next().await;
    assert!(refused.as_ref().unwrap().contains("a-key.pem is damaged"), "{refused:?}");

    std::fs::remove_file(&node.files.key).unwrap();
    let (_, refused) = node.next().await;
    assert!(refused.as_ref().unwrap().starts_with("cannot read the key file"), "{refused:?}");

    std::fs::write(&node.files.key, &pair.key).unwrap();
    assert_eq!(node.next().await, (1, None));
    assert_eq!(node.tls.node_id().unwrap().as_str(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_is_taken_back_is_over() {
    let mut node = Node::new();
    let key = std::fs::read(&node.files.key).unwrap();
    std::fs::write(&node.files.key, "").unwrap();
    assert!(node.next().await.1.is_some());
    std::fs::write(&node.files.key, key).unwrap();
    assert_eq!(node.next().await, (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_another_cluster_does_not_come_into_force() {
    let mut node = Node::new();
    write(&node.files, &node.authority.issue(&["test.cluster", "a.test.cluster"]));
    let (reloads, refused) = node.next().await;
    assert_eq!(reloads, 0);
    assert!(refused.unwrap().contains("is not for a member of prod"));
    assert!(node.tls.days_to_expiry(SystemTime::now()) > 0);
}

#[tokio::test(start_paused = true)]
async fn files_are_judged_only_when_two_polls_read_the_same() {
    let node = Node::new();
    let (sender, reports) = watch::channel(WatchReport::default());
    let mut watch =
        Watch { tls: node.tls.clone(), files: node.files.clone(), reports: sender, last: None, told: None };
    let poll = |watch: &mut Watch| watch.consider(node.files.read().map_err(Arc::new), SystemTime::now());
    poll(&mut watch);
    for id in ["b", "c", "d"] {
        write(&node.files, &node.authority.issue(&["prod.cluster", &format!("{id}.prod.cluster")]));
        poll(&mut watch);
        assert_eq!(node.tls.node_id().unwrap().as_str(), "a");
    }
    poll(&mut watch);
    assert_eq!((node.tls.node_id().unwrap().as_str(), reports.borrow().reloads), ("d", 1));
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_once_a_day_as_it_comes_near() {
    let node = Node::new();
    let (reports, _) = watch::channel(WatchReport::default());
    let mut watch =
        Watch { tls: node.tls.clone(), files: node.files.clone(), reports, last: None, told: None };
    let end = node.tls.not_after();
    let hours_before = |hours: u64| end - Duration::from_secs(hours * 3_600);
    let told: Vec<_> = [24 * 15, 24 * 14 - 1, 24 * 14 - 2, 24 * 13 - 1, 1, 0]
        .into_iter()
        .map(|hours| {
            watch.count_days(hours_before(hours));
            watch.told
        })
        .collect();
    assert_eq!(told, [None, Some(13), Some(13), Some(12), Some(0), Some(0)]);
    watch.count_days(end + Duration::from_secs(1));
    assert_eq!(watch.told, Some(-1));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_handle() {
    let node = Node::new();
    let mut reports = node.watcher.reports.clone();
    drop(node.watcher);
    assert!(reports.changed().await.is_err());
}
