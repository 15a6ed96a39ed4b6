//! The errors that clients see, with Kuzzle's ids, codes, texts and statuses.

use serde_json::{Value, json};
use thiserror::Error;

use crate::filter::FilterError;

/// Why a request failed. The text is Kuzzle's, except where Kuzzle has no such error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Something went wrong inside.
    #[error("Caught an unexpected error: {0}.")]
    Unexpected(String),
    /// No room has this name.
    #[error("The room \"{0}\" doesn't exist")]
    RoomNotFound(String),
    /// `scope` has no such value.
    #[error(r#"Invalid value for the "scope" parameter (allowed: "all", "in", "out", "none")."#)]
    InvalidScope,
    /// `users` has no such value.
    #[error(r#"Invalid value for the "users" parameter (allowed: "all", "in", "out", "none")."#)]
    InvalidUsers,
    /// The node is full.
    #[error("Unable to subscribe: maximum number of unique rooms reached.")]
    TooManyRooms,
    /// The connection is not in that room.
    #[error("User \"{connection}\" has not subscribed to \"{room}\".")]
    NotSubscribed {
        /// The connection.
        connection: String,
        /// The room, as the client named it.
        room: String,
    },
    /// The connection has as many subscriptions as it may. Not an error of Kuzzle.
    #[error("Unable to subscribe: maximum number of subscriptions of a connection reached ({limit}).")]
    TooManySubscriptions {
        /// How many it may have.
        limit: usize,
    },
    /// An argument has another type.
    #[error("Wrong type for argument \"{argument}\" (expected: {expected})")]
    InvalidType {
        /// The argument.
        argument: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// An argument has a value that is not allowed.
    #[error("Invalid argument \"{argument}\". Expected: {expected}")]
    InvalidArgument {
        /// The argument.
        argument: &'static str,
        /// What is allowed.
        expected: String,
    },
    /// An argument is missing.
    #[error("Missing argument \"{0}\".")]
    MissingArgument(&'static str),
    /// The body is missing.
    #[error("The request must specify a body.")]
    BodyRequired,
    /// The filter is refused.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// No such controller.
    #[error("API controller \"{0}\" not found.")]
    ControllerNotFound(String),
    /// No such action.
    #[error("API action \"{controller}\":\"{action}\" not found")]
    ActionNotFound {
        /// The controller.
        controller: String,
        /// The action.
        action: String,
    },
    /// The node has as many clients as it may. The text is not Kuzzle's: it names the limit.
    #[error("Rejected: this node has {limit} clients, as many as it may have.")]
    Overloaded {
        /// How many it may have.
        limit: usize,
    },
    /// As many requests are under way as may be. Not an error of Kuzzle, which has a queue there.
    #[error("Rejected: this node has {limit} requests under way, as many as it may have. Try again later.")]
    TooManyRequests {
        /// How many there may be.
        limit: usize,
    },
    /// The node is stopping.
    #[error("Rejected: this node is shutting down.")]
    ShuttingDown,
    /// The node is not ready.
    #[error("Rejected: this cluster is disabled because there aren't enough nodes connected.")]
    NotEnoughNodes,
    /// The message is larger than allowed.
    #[error("Maximum HTTP request size exceeded.")]
    RequestTooLarge,
    /// The body of a request did not come in time. Not an error of Kuzzle.
    #[error("The body of the request did not come within {within} s.")]
    RequestTooSlow {
        /// How long it may take, in seconds.
        within: u64,
    },
    /// No such URL.
    #[error("API URL not found: {0}.")]
    UrlNotFound(String),
    /// The HTTP body is of another type.
    #[error("Invalid request content-type. Expected \"application/json\", got: \"{0}\".")]
    UnsupportedContent(String),
    /// The HTTP header with the volatile data is not JSON.
    #[error("Unable to convert the \"x-kuzzle-volatile\" HTTP header to JSON: {0}")]
    VolatileParseFailed(String),
    /// The HTTP body is not JSON.
    #[error("Unable to convert the HTTP body to JSON: {0}")]
    BodyParseFailed(String),
    /// The WebSocket message is not a JSON object.
    #[error("Caught an unexpected WebSocket error: {0}")]
    WebSocket(String),
}

impl ApiError {
    /// The dotted name, by which programs tell errors apart.
    pub fn id(&self) -> &'static str {
        self.entry().0
    }

    /// The number: domain, subdomain and error in 8, 8 and 16 bits.
    pub fn code(&self) -> u32 {
        self.entry().1
    }

    /// The HTTP status, also used in answers over WebSocket.
    pub fn status(&self) -> u16 {
        self.entry().2
    }

    /// The values that were put into the message.
    pub fn props(&self) -> Vec<Value> {
        match self {
            Self::Unexpected(value)
            | Self::RoomNotFound(value)
            | Self::ControllerNotFound(value)
            | Self::UrlNotFound(value)
            | Self::UnsupportedContent(value)
            | Self::VolatileParseFailed(value)
            | Self::BodyParseFailed(value)
            | Self::WebSocket(value) => vec![json!(value)],
            Self::MissingArgument(argument) => vec![json!(argument)],
            Self::NotSubscribed { connection, room } => vec![json!(connection), json!(room)],
            Self::TooManySubscriptions { limit }
            | Self::Overloaded { limit }
            | Self::TooManyRequests { limit } => vec![json!(limit)],
            Self::InvalidType { argument, expected } => vec![json!(argument), json!(expected)],
            Self::InvalidArgument { argument, expected } => vec![json!(argument), json!(expected)],
            Self::ActionNotFound { controller, action } => vec![json!(controller), json!(action)],
            Self::Filter(error) => vec![json!(error.to_string())],
            Self::InvalidScope
            | Self::InvalidUsers
            | Self::TooManyRooms
            | Self::BodyRequired
            | Self::ShuttingDown
            | Self::NotEnoughNodes
            | Self::RequestTooLarge => Vec::new(),
            Self::RequestTooSlow { within } => vec![json!(within)],
        }
    }

    /// The bare error object: the `error` of an answer, and the whole body where no request could be made out.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code(),
            "id": self.id(),
            "message": self.to_string(),
            "props": self.props(),
            "status": self.status(),
        })
    }

    /// Id, code and status.
    fn entry(&self) -> (&'static str, u32, u16) {
        match self {
            Self::Unexpected(_) => ("core.fatal.unexpected_error", 0x0000_0001, 500),
            Self::RoomNotFound(_) => ("core.realtime.room_not_found", 0x0001_0001, 404),
            Self::InvalidScope => ("core.realtime.invalid_scope", 0x0001_0004, 400),
            Self::InvalidUsers => ("core.realtime.invalid_users", 0x0001_0005, 400),
            Self::TooManyRooms => ("core.realtime.too_many_rooms", 0x0001_0007, 413),
            Self::NotSubscribed { .. } => ("core.realtime.not_subscribed", 0x0001_0008, 412),
            Self::TooManySubscriptions { .. } => ("core.realtime.too_many_subscriptions", 0x0001_0009, 413),
            Self::InvalidType { .. } => ("api.assert.invalid_type", 0x0201_0001, 400),
            Self::InvalidArgument { .. } => ("api.assert.invalid_argument", 0x0201_0002, 400),
            Self::MissingArgument(_) => ("api.assert.missing_argument", 0x0201_0003, 400),
            Self::BodyRequired => ("api.assert.body_required", 0x0201_0008, 400),
            Self::Filter(_) => ("api.assert.koncorde_dsl_error", 0x0201_000e, 400),
            Self::Overloaded { .. } | Self::TooManyRequests { .. } => {
                ("api.process.overloaded", 0x0202_0002, 503)
            }
            Self::ControllerNotFound(_) => ("api.process.controller_not_found", 0x0202_0004, 404),
            Self::ActionNotFound { .. } => ("api.process.action_not_found", 0x0202_0005, 404),
            Self::ShuttingDown => ("api.process.shutting_down", 0x0202_0007, 503),
            Self::NotEnoughNodes => ("api.process.not_enough_nodes", 0x0202_000b, 503),
            Self::RequestTooLarge => ("network.http.request_too_large", 0x0301_0001, 413),
            Self::RequestTooSlow { .. } => ("network.http.request_timeout", 0x0301_00f0, 408),
            Self::UrlNotFound(_) => ("network.http.url_not_found", 0x0301_0007, 404),
            Self::UnsupportedContent(_) => ("network.http.unsupported_content", 0x0301_0008, 400),
            Self::VolatileParseFailed(_) => ("network.http.volatile_parse_failed", 0x0301_000b, 400),
            Self::BodyParseFailed(_) => ("network.http.body_parse_failed", 0x0301_000c, 400),
            Self::WebSocket(_) => ("network.websocket.unexpected_error", 0x0303_0001, 400),
        }
    }
}
