//! The process of a member: does what it is told to on standard input, and answers on standard output.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::config::{Config, Sources};
use cluster_core::engine::{ConnectionId, RoomId, RoomInfo};
use cluster_core::runtime::Cluster;
use sha2::{Digest as _, Sha256};

use super::super::BenchError;
use super::super::latency::Latencies;
use super::super::node::setup;
use super::super::sending::within;
use super::super::stamp::nanos;
use super::host::{Counting, Told};
use super::orders::{Answer, Footprint, Look, Order, Rooms};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Follows orders until there are no more.
///
/// # Errors
/// When an order is not understood. One that cannot be followed is answered so.
pub async fn serve() -> Result<(), BenchError> {
    let mut member = None;
    // Nothing else runs on this thread: the member's tasks have those of the runtime.
    for line in std::io::stdin().lines() {
        let answer = match follow(&mut member, serde_json::from_str(&line?)?).await {
            Ok(answer) => answer,
            Err(error) => Answer::Failed { why: error.to_string() },
        };
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&answer)?)?;
    }
    Ok(())
}

async fn follow(member: &mut Option<Member>, order: Order) -> Result<Answer, BenchError> {
    if let Order::Start { settings } = order {
        let (started, answer) = Member::start(settings).await?;
        *member = Some(started);
        return Ok(answer);
    }
    let member = member.as_ref().ok_or_else(|| setup("a member has to be started first"))?;
    match order {
        Order::Start { .. } | Order::Look => Ok(Answer::Look(member.look())),
        Order::Ready => member.once("readiness", |told| told.ready_at).await,
        Order::Subscribe(rooms) => member.subscribe(rooms).await,
        Order::SubscribeSingly(rooms) => member.subscribe_singly(rooms).await,
        Order::Know { rooms } => {
            member.once("the rooms", |told| (told.rooms == rooms).then_some(told.rooms_at)).await
        }
        Order::Lose { node, rooms } => {
            let lost = |told: &Told| {
                let removed_at = *told.removed_at.get(&node)?;
                (told.rooms == rooms).then_some(removed_at.max(told.rooms_at))
            };
            member.once("the removal of a member", lost).await
        }
    }
}

/// A running member.
struct Member {
    cluster: Cluster,
    host: Arc<Counting>,
}

impl Member {
    async fn start(settings: Vec<String>) -> Result<(Self, Answer), BenchError> {
        let sources = settings.into_iter().fold(Sources::new(), Sources::assign);
        let config = Config::load(&sources).map_err(setup)?;
        let host = Arc::new(Counting::new());
        let (before, began) = (Footprint::now(), nanos());
        let cluster = Cluster::start(config, Arc::clone(&host) as _).await.map_err(setup)?;
        let bound = cluster.bound().first().map(|(_, address)| address.to_string());
        let address = bound.ok_or_else(|| setup("it listens nowhere"))?;
        Ok((Self { cluster, host }, Answer::Started { began, address, before }))
    }

    /// Waits until the host was told something, and says when it was.
    async fn once(
        &self,
        what: &'static str,
        when: impl Fn(&Told) -> Option<u64>,
    ) -> Result<Answer, BenchError> {
        let mut told = self.host.told();
        let told =
            within(PATIENCE, what, told.wait_for(|told| when(told).is_some())).await?.map_err(setup)?;
        Ok(Answer::At(when(&told).unwrap_or_default()))
    }

    async fn subscribe(&self, rooms: Rooms) -> Result<Answer, BenchError> {
        let infos: Vec<(ConnectionId, RoomInfo)> = infos(rooms).collect::<Result<_, _>>()?;
        let began = nanos();
        let mut version = 0;
        for (connection, room) in &infos {
            version = self.cluster.subscribe(*connection, room).map_err(setup)?.version;
        }
        let called = nanos();
        self.cluster.heard(version, PATIENCE).await.map_err(setup)?;
        Ok(Answer::Subscribed { began, called, heard: nanos() })
    }

    async fn subscribe_singly(&self, rooms: Rooms) -> Result<Answer, BenchError> {
        let mut latencies = Latencies::default();
        for info in infos(rooms) {
            let (connection, room) = info?;
            let began = nanos();
            let subscribed = self.cluster.subscribe(connection, &room).map_err(setup)?;
            self.cluster.heard(subscribed.version, PATIENCE).await.map_err(setup)?;
            latencies.record(nanos().saturating_sub(began));
        }
        Ok(Answer::Singly(latencies.percentiles()))
    }

    fn look(&self) -> Look {
        let status = self.cluster.status();
        let other =
            |member: cluster_core::runtime::MemberStatus| (member.node, (member.version, member.hash));
        Look {
            own: (status.version, status.hash),
            others: status.members.into_iter().map(other).collect(),
            untraced: status.trace.and_then(|trace| trace.ended),
            footprint: Footprint::now(),
        }
    }
}

/// The rooms with these numbers, each with a connection of its own. A collection's name is shared by its rooms, as in a host.
fn infos(rooms: Rooms) -> impl Iterator<Item = Result<(ConnectionId, RoomInfo), BenchError>> {
    let Rooms { first, count, in_collection, filters } = rooms;
    let index: Arc<str> = "bench".into();
    let mut collection: Arc<str> = "".into();
    (first..first.saturating_add(count)).map(move |number| {
        if collection.is_empty() || number.is_multiple_of(in_collection) {
            collection = format!("rooms-{}", number / in_collection).into();
        }
        let room =
            RoomInfo::new(id(number), Arc::clone(&index), Arc::clone(&collection), text(number, filters));
        room.map(|room| (ConnectionId(number), room)).map_err(setup)
    })
}

/// The id of a room, as spread as those of a host.
fn id(number: u64) -> RoomId {
    RoomId::new(Sha256::digest(number.to_be_bytes()).into())
}

/// Filters of this length.
fn text(number: u64, length: usize) -> Bytes {
    let digits = length.saturating_sub(r#"{"equals":{"ship":""}}"#.len());
    format!(r#"{{"equals":{{"ship":"{number:0digits$}"}}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_distinct_and_in_as_many_collections_as_asked_for() {
        let rooms = Rooms { first: 5, count: 20, in_collection: 10, filters: 64 };
        let rooms: Vec<_> = infos(rooms).map(Result::unwrap).collect();
        let ids: std::collections::BTreeSet<_> = rooms.iter().map(|(_, room)| room.id()).collect();
        assert_eq!((rooms.len(), ids.len()), (20, 20));
        let names: Vec<&str> = rooms.iter().map(|(_, room)| &**room.collection()).collect();
        let of = |name: &str| names.iter().filter(|held| **held == name).count();
        assert_eq!([of("rooms-0"), of("rooms-1"), of("rooms-2")], [5, 10, 5]);
        assert!(rooms.iter().all(|(_, room)| room.filters().len() == 64));
    }
}
