//! What a request wants, with everything checked that can be checked without the cluster.

use serde_json::{Map, Value};

use super::{ApiError, ChannelOptions, Request, Scope, Users};
use crate::filter::Filter;

/// An action of the reference node with its arguments.
///
/// Rooms are named as the client named them. A name that [`RoomId`](cluster_core::engine::RoomId) does not parse is a room
/// that does not exist.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// `auth:checkToken`.
    CheckToken {
        /// The token to check.
        token: Option<String>,
    },
    /// `auth:getStrategies`.
    GetStrategies,
    /// `server:now`.
    Now,
    /// `cluster:status`, as Kuzzle 2.11 and later have it.
    ClusterStatus,
    /// `realtime:subscribe`.
    Subscribe {
        /// The index.
        index: String,
        /// The collection.
        collection: String,
        /// Which documents are wanted.
        filter: Filter,
        /// Which notifications are wanted.
        options: ChannelOptions,
    },
    /// `realtime:join`.
    Join {
        /// The room.
        room: String,
        /// Which notifications are wanted.
        options: ChannelOptions,
    },
    /// `realtime:unsubscribe`.
    Unsubscribe {
        /// The room.
        room: String,
    },
    /// `realtime:count`.
    Count {
        /// The room.
        room: String,
    },
    /// `realtime:list`.
    List,
    /// `realtime:publish`.
    Publish {
        /// The index.
        index: String,
        /// The collection.
        collection: String,
        /// The id of the message, if it has one.
        id: Option<String>,
        /// The message.
        body: Map<String, Value>,
    },
}

impl Request {
    /// What is wanted.
    ///
    /// # Errors
    /// The [`ApiError`] for a missing, wrong or unknown controller, action or argument, and for a filter that is
    /// refused.
    pub fn call(&self) -> Result<Call, ApiError> {
        let controller = self.controller().filter(|name| !name.is_empty());
        let controller = controller.ok_or(ApiError::MissingArgument("controller"))?;
        let action =
            self.action().filter(|name| !name.is_empty()).ok_or(ApiError::MissingArgument("action"))?;
        match (controller, action) {
            ("auth", "checkToken") => self.check_token(),
            ("auth", "getStrategies") => Ok(Call::GetStrategies),
            ("server", "now") => Ok(Call::Now),
            ("cluster", "status") => Ok(Call::ClusterStatus),
            ("realtime", "subscribe") => self.subscribe(),
            ("realtime", "join") => Ok(Call::Join { room: self.room()?, options: self.options()? }),
            ("realtime", "unsubscribe") => Ok(Call::Unsubscribe { room: self.room()? }),
            ("realtime", "count") => Ok(Call::Count { room: self.room()? }),
            ("realtime", "list") => Ok(Call::List),
            ("realtime", "publish") => self.publish(),
            ("auth" | "server" | "cluster" | "realtime", _) => {
                Err(ApiError::ActionNotFound { controller: controller.to_owned(), action: action.to_owned() })
            }
            _ => Err(ApiError::ControllerNotFound(controller.to_owned())),
        }
    }

    fn check_token(&self) -> Result<Call, ApiError> {
        let token = self.body().and_then(|body| body.get("token")).filter(|token| !token.is_null());
        let wrong = ApiError::InvalidType { argument: "body.token", expected: "string" };
        let token = token.map(|token| token.as_str().map(str::to_owned).ok_or(wrong)).transpose()?;
        Ok(Call::CheckToken { token })
    }

    fn subscribe(&self) -> Result<Call, ApiError> {
        let (index, collection) = self.place()?;
        let filter = Filter::parse(self.body().ok_or(ApiError::BodyRequired)?)?;
        Ok(Call::Subscribe { index, collection, filter, options: self.options()? })
    }

    fn publish(&self) -> Result<Call, ApiError> {
        let body = self.body().ok_or(ApiError::BodyRequired)?;
        let (index, collection) = self.place()?;
        let wrong = ApiError::InvalidType { argument: "body", expected: "object" };
        let body = body.as_object().cloned().ok_or(wrong)?;
        let id = self.text("_id")?.filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Call::Publish { index, collection, id, body })
    }

    fn place(&self) -> Result<(String, String), ApiError> {
        Ok((self.name("index")?.to_owned(), self.name("collection")?.to_owned()))
    }

    fn options(&self) -> Result<ChannelOptions, ApiError> {
        let scope = Scope::from_argument(self.argument("scope"))?;
        let users = Users::from_argument(self.argument("users"))?;
        Ok(ChannelOptions { scope, users })
    }

    fn room(&self) -> Result<String, ApiError> {
        let room = self.body().ok_or(ApiError::BodyRequired)?.get("roomId").filter(|room| !room.is_null());
        let room = room.ok_or(ApiError::MissingArgument("body.roomId"))?;
        let wrong = ApiError::InvalidType { argument: "body.roomId", expected: "string" };
        room.as_str().map(str::to_owned).ok_or(wrong)
    }
}
