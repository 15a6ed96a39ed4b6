//! Members whose hosts write down what they are told.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cluster_core::config::{Config, ConfigBuilder};
use cluster_core::discovery::MemoryDirectory;
use cluster_core::engine::members::MemberEvent;
use cluster_core::engine::registers::RegisterChange;
use cluster_core::engine::state::{Change, RoomEvent};
use cluster_core::engine::{IndexEntry, RoomId, RoomInfo};
use cluster_core::host::{Answer, Host, Readiness, Refusal};
use cluster_core::runtime::{Cluster, ClusterBuilder};
use cluster_transport::binding::Binding;
use cluster_transport::proto::NodeId;
use cluster_transport::proto::session::{Direction, Missed};
use tokio::sync::Notify;

/// A condition that has not come true by then never will.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Appeared(RoomId),
    Disappeared(RoomId),
    Document { from: String, rooms: Vec<RoomId>, payload: Vec<u8> },
    User { from: String, room: RoomId, payload: Vec<u8> },
    Event(String, String),
    Register(String, Option<String>),
    Removed(String, String),
    Doubted(String),
    Lagged(String, Direction, Missed),
    Ready,
    NotReady(Vec<String>),
}

#[derive(Default)]
struct Recorder {
    told: Mutex<Vec<Told>>,
    news: Notify,
    blocked: Mutex<bool>,
    unblocked: Condvar,
}

impl Recorder {
    fn write(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.news.notify_waiters();
    }

    fn event(&self, from: &NodeId, words: impl Into<String>) {
        self.write(Told::Event(from.to_string(), words.into()));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn entry(entry: &IndexEntry) -> String {
    format!("{}/{} {}", entry.index, entry.collection.as_deref().unwrap_or("-"), entry.scope)
}

impl Host for Recorder {
    fn rooms_changed(&self, changes: &[RoomEvent]) {
        for event in changes {
            self.write(match &event.change {
                Change::Appeared(room) => Told::Appeared(room.id()),
                Change::Disappeared(room) => Told::Disappeared(*room),
            });
        }
    }

    fn document_notification(&self, from: &NodeId, rooms: &[RoomId], payload: &Bytes) {
        if *self.blocked.lock().unwrap() {
            tokio::task::block_in_place(|| {
                drop(self.unblocked.wait_while(self.blocked.lock().unwrap(), |blocked| *blocked).unwrap());
            });
        }
        self.write(Told::Document {
            from: from.to_string(),
            rooms: rooms.to_vec(),
            payload: payload.to_vec(),
        });
    }

    fn user_notification(&self, from: &NodeId, room: &RoomId, payload: &Bytes) {
        self.write(Told::User { from: from.to_string(), room: *room, payload: payload.to_vec() });
    }

    fn index_cache_added(&self, from: &NodeId, added: &IndexEntry) {
        self.event(from, format!("index_cache_added {}", entry(added)));
    }

    fn index_cache_removed(&self, from: &NodeId, removed: &IndexEntry) {
        self.event(from, format!("index_cache_removed {}", entry(removed)));
    }

    fn profile_invalidated(&self, from: &NodeId, id: &str) {
        self.event(from, format!("profile_invalidated {id}"));
    }

    fn role_invalidated(&self, from: &NodeId, id: &str) {
        self.event(from, format!("role_invalidated {id}"));
    }

    fn validators_changed(&self, from: &NodeId) {
        self.event(from, "validators_changed");
    }

    fn security_reset(&self, from: &NodeId) {
        self.event(from, "security_reset");
    }

    fn registers_changed(&self, changes: &[RegisterChange]) {
        for change in changes {
            let value = change.value.as_ref().map(|value| text(value));
            self.write(Told::Register(change.key.to_string(), value));
        }
    }

    fn custom_event(&self, from: &NodeId, name: &str, payload: &[u8]) {
        self.event(from, format!("custom_event {name} {}", text(payload)));
    }

    fn dump(&self, from: &NodeId, suffix: &str) -> Result<(), Refusal> {
        self.event(from, format!("dump {suffix}"));
        Ok(())
    }

    fn shutdown(&self, _: &NodeId) -> Result<(), Refusal> {
        Err(Refusal { reason: "not today".to_owned() })
    }

    fn request(&self, from: &NodeId, name: &str, payload: Bytes, answer: Answer) {
        if name == "echo" {
            answer.reply(format!("{from}: {}", text(&payload)).into());
        } else {
            answer.refuse("no such request here");
        }
    }

    fn lagged(&self, peer: &NodeId, direction: Direction, missed: Missed) {
        self.write(Told::Lagged(peer.to_string(), direction, missed));
    }

    fn member_event(&self, event: &MemberEvent) {
        match event {
            MemberEvent::Removed { node, why, .. } => {
                self.write(Told::Removed(node.to_string(), why.to_string()))
            }
            MemberEvent::Doubted { node, .. } => self.write(Told::Doubted(node.to_string())),
            _ => {}
        }
    }

    fn readiness_changed(&self, readiness: &Readiness) {
        self.write(if readiness.ready { Told::Ready } else { Told::NotReady(readiness.reasons.clone()) });
    }
}

pub(crate) struct TestNode {
    pub(crate) name: String,
    pub(crate) cluster: Cluster,
    recorder: Arc<Recorder>,
}

pub(crate) fn binding(port: u16) -> Binding {
    Binding::parse(&format!("tcp://127.0.0.1:{port}"), 0).unwrap()
}

pub(crate) fn room(id: u8) -> RoomInfo {
    RoomInfo::new(RoomId::new([id; 32]), "index", "collection", Bytes::from_static(b"{}")).unwrap()
}

impl TestNode {
    pub(crate) async fn start(
        name: &str,
        directory: &MemoryDirectory,
        adapt: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    ) -> Self {
        Self::start_as(name, adapt, |builder| builder.provider(directory.clone())).await
    }

    pub(crate) async fn start_as(
        name: &str,
        adapt: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
        equip: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Self {
        let id: NodeId = name.parse().unwrap();
        let builder = Config::builder().node_id(Some(id)).bind(Some(binding(0)));
        let config = adapt(builder).build().unwrap();
        let recorder = Arc::new(Recorder::default());
        let host = Arc::clone(&recorder) as Arc<dyn Host>;
        let cluster = equip(Cluster::builder(config, host)).start().await.unwrap();
        Self { name: name.to_owned(), cluster, recorder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.cluster.bound()[0].1.port()
    }

    /// Its host hangs at the next notification. Needs a runtime of several threads.
    pub(crate) fn block(&self) {
        *self.recorder.blocked.lock().unwrap() = true;
    }

    pub(crate) fn unblock(&self) {
        *self.recorder.blocked.lock().unwrap() = false;
        self.recorder.unblocked.notify_all();
    }

    /// Waits until everything that the host was told fits.
    pub(crate) async fn until(&self, fits: impl Fn(&[Told]) -> bool) {
        self.wait(|told| fits(told).then_some(())).await;
    }

    /// Waits until the host was told something that fits.
    pub(crate) async fn told(&self, fits: impl Fn(&Told) -> bool) {
        self.wait(|told| told.iter().any(&fits).then_some(())).await;
    }

    pub(crate) fn count(&self, fits: impl Fn(&Told) -> bool) -> usize {
        self.recorder.told.lock().unwrap().iter().filter(|told| fits(told)).count()
    }

    /// Takes the next notification.
    pub(crate) async fn next_notification(&self) -> Told {
        self.wait(|told| {
            let at = told.iter().position(is_notification)?;
            Some(told.remove(at))
        })
        .await
    }

    pub(crate) fn notifications(&self) -> Vec<Told> {
        self.recorder.told.lock().unwrap().iter().filter(|told| is_notification(told)).cloned().collect()
    }

    /// Waits for so many events; a few more would be seen too.
    pub(crate) async fn events(&self, count: usize) -> Vec<(String, String)> {
        let events = |told: &Vec<Told>| {
            let events = told.iter().filter_map(|told| match told {
                Told::Event(from, words) => Some((from.clone(), words.clone())),
                _ => None,
            });
            events.collect::<Vec<_>>()
        };
        self.wait(|told| Some(events(told)).filter(|events| events.len() >= count)).await
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut Vec<Told>) -> Option<T>) -> T {
        let found = async {
            loop {
                let news = self.recorder.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(found) = look(&mut self.recorder.told.lock().unwrap()) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(GIVE_UP, found).await {
            Ok(found) => found,
            Err(_) => panic!("{} was told only {:?}", self.name, self.recorder.told.lock().unwrap()),
        }
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.unblock();
        self.cluster.abort();
    }
}

fn is_notification(told: &Told) -> bool {
    matches!(told, Told::Document { .. } | Told::User { .. })
}

/// Three nodes that are ready and know each other.
pub(crate) async fn three() -> Vec<TestNode> {
    three_in(&MemoryDirectory::default()).await
}

pub(crate) async fn three_in(directory: &MemoryDirectory) -> Vec<TestNode> {
    let mut nodes = Vec::new();
    for i in 0..3 {
        nodes.push(TestNode::start(&format!("n{i}"), directory, |builder| builder).await);
    }
    together(&nodes).await;
    nodes
}

/// Waits until all are ready, know each other, and agree.
pub(crate) async fn together(nodes: &[TestNode]) {
    for node in nodes {
        let together = async {
            loop {
                let status = node.cluster.status();
                let ready = status.members.iter().filter(|member| member.ready && member.agrees).count();
                if status.ready && status.converged && ready + 1 == nodes.len() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(GIVE_UP, together).await.is_err() {
            panic!("the nodes do not come together: {:#?}", node.cluster.status());
        }
    }
}
