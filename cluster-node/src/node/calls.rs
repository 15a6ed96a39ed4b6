//! Does what a client asks for.

use cluster_core::config::OnMinority;
use cluster_core::engine::registers::{MAX_KEYS, RegisterKey};
use cluster_core::engine::state::{CollectionName, JoinError, RoomCount};
use cluster_core::engine::{ConnectionId, RoomId, RoomInfo};
use serde_json::Value;

use super::notices::{Passage, now};
use super::{HEARD_WITHIN, Node};
use crate::api::{ApiError, Call, Channel, ChannelOptions, Request, Response, results};
use crate::filter::Filter;
use crate::load::Bound;
use crate::notification::Direction;
use crate::subscriptions::Subscribed;

impl Node {
    /// Does what a request without a connection asks for: everything but to listen.
    pub async fn answer(&self, request: Request) -> Response {
        self.answer_to(None, request).await
    }

    pub(super) async fn answer_to(&self, client: Option<ConnectionId>, request: Request) -> Response {
        match self.perform(client, &request).await {
            Ok(result) => Response::success(self.name(), &request, result),
            Err(error) => {
                let bound = match error {
                    ApiError::TooManyRequests { .. } => Some(Bound::Requests),
                    ApiError::TooManyRooms => Some(Bound::Rooms),
                    ApiError::TooManySubscriptions { .. } => Some(Bound::Subscriptions),
                    _ => None,
                };
                bound.into_iter().for_each(|bound| self.load().meets(bound));
                Response::failure(self.name(), &request, &error)
            }
        }
    }

    async fn perform(&self, client: Option<ConnectionId>, request: &Request) -> Result<Value, ApiError> {
        let limit = self.requests;
        let _under_way = self.load().admit(limit).ok_or(ApiError::TooManyRequests { limit })?;
        let call = request.call()?;
        if self.on_minority == OnMinority::Stop && !self.cluster.readiness().ready {
            return Err(ApiError::NotEnoughNodes);
        }
        match call {
            Call::CheckToken { token } => Ok(results::check_token(token.as_deref())),
            Call::GetStrategies => Ok(results::strategies(self.strategies())),
            Call::Now => Ok(results::now(now())),
            Call::ClusterStatus => Ok(cluster_http::successor_status(&self.cluster.status())),
            Call::Subscribe { index, collection, filter, options } => {
                let room = self.room(index, collection, &filter)?;
                self.subscribe(listener(client)?, &room, options, request).await
            }
            Call::Join { room, options } => self.join(listener(client)?, room, options, request).await,
            Call::Unsubscribe { room } => self.unsubscribe(listener(client)?, room),
            Call::Count { room } => self.count(room).await,
            Call::List => Ok(self.list()),
            Call::Publish { index, collection, id, body } => {
                self.publish(request, (&index, &collection), id.as_deref(), body);
                Ok(results::published())
            }
        }
    }

    /// The authentication strategies of the cluster: the registers with this prefix.
    fn strategies(&self) -> Vec<String> {
        let name = |(key, _): &(RegisterKey, _)| Some(key.as_str().strip_prefix(STRATEGY)?.to_owned());
        self.cluster.registers(None, MAX_KEYS).iter().filter_map(name).collect()
    }

    fn room(&self, index: String, collection: String, filter: &Filter) -> Result<RoomInfo, ApiError> {
        let normal = filter.normalize()?;
        let id = self.local.key().room(&index, &collection, &normal);
        RoomInfo::new(id, index, collection, normal.to_bytes())
            .map_err(|error| ApiError::Unexpected(error.to_string()))
    }

    async fn subscribe(
        &self,
        connection: ConnectionId,
        room: &RoomInfo,
        options: ChannelOptions,
        request: &Request,
    ) -> Result<Value, ApiError> {
        let channel = Channel { room: room.id(), options };
        let entered = self.local.enter(connection, channel, room, request.volatile().cloned())?;
        let Ok(subscribed) = self.cluster.subscribe(connection, room) else {
            if let Subscribed::Entered { .. } = entered {
                self.local.leave(connection, room.id());
            }
            return Err(ApiError::TooManyRooms);
        };
        self.tell_arrival(room, &entered, subscribed.count, request);
        self.heard(subscribed.version).await;
        Ok(results::subscribed(&channel))
    }

    async fn join(
        &self,
        connection: ConnectionId,
        name: String,
        options: ChannelOptions,
        request: &Request,
    ) -> Result<Value, ApiError> {
        let Ok(id) = name.parse::<RoomId>() else { return Err(ApiError::RoomNotFound(name)) };
        let joined = match self.cluster.join(connection, id).await {
            Ok(joined) => joined,
            Err(JoinError::UnknownRoom { .. }) => return Err(ApiError::RoomNotFound(name)),
            Err(_) => return Err(ApiError::TooManyRooms),
        };
        let room = self.cluster.room(&id).ok_or(ApiError::RoomNotFound(name))?;
        let channel = Channel { room: id, options };
        let entered = self.local.enter(connection, channel, &room, request.volatile().cloned());
        let entered = entered.inspect_err(|_| {
            if joined.changed {
                // It was entered a moment ago, so there is nothing to be told if it cannot be left.
                let _ = self.cluster.unsubscribe(connection, id);
            }
        })?;
        self.tell_arrival(&room, &entered, joined.count, request);
        self.heard(joined.version).await;
        Ok(results::subscribed(&channel))
    }

    fn unsubscribe(&self, connection: ConnectionId, name: String) -> Result<Value, ApiError> {
        let room = name.parse::<RoomId>().ok();
        let Some(departure) = room.and_then(|room| self.local.leave(connection, room)) else {
            return Err(ApiError::NotSubscribed { connection: connection.0.to_string(), room: name });
        };
        let left = self.cluster.unsubscribe(connection, departure.room);
        self.tell_departure(&departure, left.map_or(0, |left| left.count));
        Ok(results::unsubscribed(&departure.room))
    }

    async fn count(&self, name: String) -> Result<Value, ApiError> {
        let counted = match name.parse::<RoomId>() {
            Ok(room) => self.cluster.count(&room).await.map(|count| (count, self.cluster.moving(&room))),
            Err(_) => None,
        };
        counted.map(|(count, moving)| results::count(count, moving)).ok_or(ApiError::RoomNotFound(name))
    }

    fn list(&self) -> Value {
        let mut listed: Vec<(CollectionName, RoomCount)> = Vec::new();
        let mut page = self.cluster.collections(None, COLLECTIONS_AT_A_TIME);
        while let Some(last) = page.last().cloned() {
            for name in page {
                let rooms = self.cluster.rooms_of(&name);
                listed.extend(rooms.into_iter().map(|room| (name.clone(), room)));
            }
            page = self.cluster.collections(Some(&last), COLLECTIONS_AT_A_TIME);
        }
        results::list(
            listed.iter().map(|(name, room)| (&*name.index, &*name.collection, room.room, room.count)),
        )
    }

    fn tell_arrival(&self, room: &RoomInfo, entered: &Subscribed, count: u64, request: &Request) {
        let Subscribed::Entered { audiences, .. } = entered else { return };
        let passage = Passage {
            user: Direction::In,
            action: request.action().unwrap_or("subscribe"),
            room: room.id(),
            index: room.index(),
            collection: room.collection(),
            volatile: request.volatile(),
            count,
        };
        self.tell_passage(&passage, audiences);
    }

    async fn heard(&self, version: u64) {
        if let Err(late) = self.cluster.heard(version, HEARD_WITHIN).await {
            tracing::debug!("a subscription is answered before all nodes know of it: {late}");
        }
    }
}

/// What the keys of registers that are authentication strategies begin with.
const STRATEGY: &str = "strategy/";

/// How many collections are read at a time: the cluster's other work goes on in between.
const COLLECTIONS_AT_A_TIME: usize = 100;

/// Whoever listens needs a connection to be told on.
fn listener(client: Option<ConnectionId>) -> Result<ConnectionId, ApiError> {
    let expected = "an action that needs no WebSocket connection".to_owned();
    client.ok_or(ApiError::InvalidArgument { argument: "action", expected })
}
