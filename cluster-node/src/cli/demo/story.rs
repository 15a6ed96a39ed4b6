//! What happens in the demonstration.

use std::collections::BTreeSet;
use std::fmt::Display;

use cluster_transport::proto::NodeId;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::STEP_WITHIN;
use super::cast::Cast;
use super::player::Player;
use crate::cli::Failure;
use crate::client::Client;

/// A demonstration that is under way.
#[derive(Debug)]
pub struct Story {
    cast: Cast,
    players: Vec<Player>,
}

/// Takes each line.
type Teller<'a> = dyn FnMut(String) + Send + 'a;

impl Story {
    /// Nobody plays yet.
    pub fn new(cast: Cast) -> Self {
        Self { cast, players: Vec::new() }
    }

    /// Plays it, and tells each event once it was seen.
    ///
    /// # Errors
    /// The step that did not come about, by name.
    pub async fn tell(&mut self, tell: &mut Teller<'_>) -> Result<(), Failure> {
        self.start(tell).await?;
        self.find(tell).await?;
        let (mut listener, room) = self.subscribe(tell).await?;
        self.publish(&mut listener, tell).await?;
        let lost = self.lose_one(&room, tell).await?;
        self.bring_back(lost, &room, tell).await
    }

    /// Where clients find the nodes.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.players.iter().map(|player| format!("{}: {}", player.name(), player.url()))
    }

    /// Ends all nodes in good order.
    pub async fn end(&mut self) {
        for player in self.players.drain(..) {
            player.stop().await;
        }
    }

    async fn start(&mut self, tell: &mut Teller<'_>) -> Result<(), Failure> {
        let secured = if self.cast.is_secured() { "mutual TLS" } else { "no TLS" };
        for role in self.cast.roles() {
            let seeds = self.players.first().map(Player::member_address).transpose()?.cloned();
            let start = Player::start(&self.cast, role, None, seeds.into_iter().collect());
            let player = step(format!("{} starts", role.name), start).await?;
            let (url, address) = (player.url(), player.member_address()?);
            tell(format!("{} serves clients on {url}, members on {address} ({secured})", role.name));
            self.players.push(player);
        }
        Ok(())
    }

    async fn find(&self, tell: &mut Teller<'_>) -> Result<(), Failure> {
        for player in &self.players {
            let others = self.players.iter().map(Player::name).filter(|name| *name != player.name());
            let others: BTreeSet<NodeId> = others.cloned().collect();
            let found =
                player.node.until(|cluster| cluster.members().into_iter().collect::<BTreeSet<_>>() == others);
            step(format!("{} finds all others", player.name()), sure(found)).await?;
            tell(format!("{} has found {}", player.name(), list(&others)));
        }
        for player in &self.players {
            step(format!("{} is ready", player.name()), sure(player.node.cluster().wait_ready())).await?;
            tell(format!("{} is ready", player.name()));
        }
        Ok(())
    }

    async fn subscribe(&self, tell: &mut Teller<'_>) -> Result<(Client, Value), Failure> {
        let first = self.player(0)?;
        let (mut client, filter) =
            (step("a client connects", first.client()).await?, json!({"equals": {"city": "Lyon"}}));
        let subscribe = json!({
            "controller": "realtime", "action": "subscribe", "index": "demo", "collection": "taxis", "body": filter,
        });
        let answer =
            step(format!("a client subscribes on {}", first.name()), client.result_of(subscribe)).await?;
        let room = answer.get("roomId").cloned().unwrap_or_default();
        tell(format!("a client on {} has subscribed to {filter}", first.name()));
        for player in &self.players {
            self.expect_count(player, &room, 1, tell).await?;
        }
        Ok((client, room))
    }

    async fn publish(&self, listener: &mut Client, tell: &mut Teller<'_>) -> Result<(), Failure> {
        let (first, second) = (self.player(0)?, self.player(1)?);
        let mut publisher = step("a second client connects", second.client()).await?;
        for city in ["Paris", "Lyon"] {
            let publish = json!({
                "controller": "realtime", "action": "publish", "index": "demo", "collection": "taxis",
                "body": {"city": city},
            });
            let name = format!("a client publishes on {}", second.name());
            step(name, publisher.result_of(publish)).await?;
            tell(format!("a client on {} has published {{\"city\":\"{city}\"}}", second.name()));
        }
        let received =
            step(format!("the client on {} is notified", first.name()), listener.notification()).await?;
        let city =
            received.pointer("/result/_source/city").and_then(Value::as_str).unwrap_or("something else");
        check("the client is notified of what it asked for", city == "Lyon", || format!("it got {city}"))?;
        tell(format!(
            "the client on {} was notified of {{\"city\":\"{city}\"}}, and of nothing else",
            first.name()
        ));
        Ok(())
    }

    /// Drops the last node while it has a subscriber.
    async fn lose_one(&mut self, room: &Value, tell: &mut Teller<'_>) -> Result<Lost, Failure> {
        let Some(last) = self.players.pop() else { return Err(nobody()) };
        let name = last.name().clone();
        let mut visitor = step("a third client connects", last.client()).await?;
        let join = json!({"controller": "realtime", "action": "join", "body": {"roomId": room}});
        step(format!("a client joins the room on {name}"), visitor.result_of(join)).await?;
        tell(format!("a client on {name} has joined the room"));
        for player in &self.players {
            self.expect_count(player, room, 2, tell).await?;
        }
        let lost = Lost { address: last.member_address()?.clone() };
        last.drop_abruptly().await;
        let dropped = Instant::now();
        tell(format!("{name} was dropped without a word"));
        for player in &self.players {
            let gone = player.node.until(|cluster| !cluster.members().contains(&name));
            step(format!("{} notices that {name} is gone", player.name()), sure(gone)).await?;
            let took = dropped.elapsed().as_millis();
            tell(format!("{} has noticed that {name} is gone, at most {took} ms after", player.name()));
            self.expect_count(player, room, 1, tell).await?;
        }
        Ok(lost)
    }

    async fn bring_back(&mut self, lost: Lost, room: &Value, tell: &mut Teller<'_>) -> Result<(), Failure> {
        let Some(role) = self.cast.roles().last() else { return Err(nobody()) };
        let seeds = vec![self.player(0)?.member_address()?.clone()];
        let began = Instant::now();
        let start = Player::start(&self.cast, role, Some(&lost.address), seeds);
        let player = step(format!("{} starts again", role.name), start).await?;
        step(format!("{} is ready again", role.name), sure(player.node.cluster().wait_ready())).await?;
        let took = began.elapsed().as_millis();
        tell(format!("{} is back on {}, ready after {took} ms", role.name, lost.address));
        self.players.push(player);
        for player in &self.players {
            self.expect_count(player, room, 1, tell).await?;
        }
        Ok(())
    }

    async fn expect_count(
        &self,
        player: &Player,
        room: &Value,
        expected: u64,
        tell: &mut Teller<'_>,
    ) -> Result<(), Failure> {
        let name = format!("{} counts {expected} in the room", player.name());
        let count = step(name.clone(), player.count(room)).await?;
        check(&name, count == expected, || format!("it counts {count}"))?;
        tell(name);
        Ok(())
    }

    fn player(&self, number: usize) -> Result<&Player, Failure> {
        self.players.get(number).ok_or_else(nobody)
    }
}

/// Where the node was that was dropped.
struct Lost {
    address: cluster_transport::proto::Address,
}

/// Waits for a step, and gives it up by name.
async fn step<T, E: Display>(
    name: impl Into<String>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let why = match timeout(STEP_WITHIN, work).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not within {STEP_WITHIN:?}"),
    };
    Err(Failure::Step { step: name.into(), why })
}

/// Something that only time can keep from happening.
async fn sure(work: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
    work.await;
    Ok(())
}

fn check(name: &str, holds: bool, why: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Step { step: name.to_owned(), why: why() }) }
}

fn nobody() -> Failure {
    Failure::Usage("a demonstration needs at least two nodes".to_owned())
}

fn list(nodes: &BTreeSet<NodeId>) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}
