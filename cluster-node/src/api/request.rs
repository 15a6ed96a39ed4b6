//! What a client sends.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ApiError, MAX_NAME_BYTES};

/// How a client is connected, as notifications tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A request of its own.
    Http,
    /// A message on a standing connection.
    WebSocket,
}

impl Protocol {
    /// Its name in notifications.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
        }
    }
}

/// A text message of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// `{"p":1}`, the keep-alive of browsers, to be answered with [`Incoming::PONG`].
    Ping,
    /// A request.
    Request(Request),
}

impl Incoming {
    /// The answer to a ping.
    pub const PONG: &str = r#"{"p":2}"#;

    /// Reads a message. Its size is for the caller to bound; values in it are nested at most 128 deep.
    ///
    /// # Errors
    /// A [`Rejection`] for what is not a JSON object, or has an envelope of wrong types.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Rejection::unreadable(ApiError::WebSocket(error.to_string())))?;
        let Value::Object(message) = value else {
            return Err(Rejection::unreadable(ApiError::WebSocket(
                "a message must be a JSON object".to_owned(),
            )));
        };
        if message.len() == 1 && message.get("p").and_then(Value::as_u64) == Some(1) {
            return Ok(Self::Ping);
        }
        Request::from_message(message).map(Self::Request)
    }
}

/// A request that never became one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// Its id, where one could be made out.
    pub request_id: Option<String>,
    /// What is wrong.
    pub error: ApiError,
}

impl Rejection {
    fn unreadable(error: ApiError) -> Self {
        Self { request_id: None, error }
    }
}

/// A request, with the types of its envelope checked. What an action needs is checked by [`Request::call`].
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    protocol: Protocol,
    request_id: String,
    controller: Option<String>,
    action: Option<String>,
    volatile: Option<Value>,
    body: Option<Value>,
    arguments: Map<String, Value>,
}

impl Request {
    /// A request that came as an HTTP route. The id is a fresh UUID.
    pub fn http(controller: &str, action: &str) -> Self {
        let (controller, action) = (Some(controller.to_owned()), Some(action.to_owned()));
        Self { controller, action, ..Self::unrouted() }
    }

    /// What came over HTTP and is for no action. The id is a fresh UUID.
    pub fn unrouted() -> Self {
        Self {
            protocol: Protocol::Http,
            request_id: fresh_id(),
            controller: None,
            action: None,
            volatile: None,
            body: None,
            arguments: Map::new(),
        }
    }

    /// Reads a request that came as the body of an HTTP request, in the form of a WebSocket message.
    ///
    /// # Errors
    /// [`ApiError::BodyParseFailed`] for what is not a JSON object, [`ApiError::InvalidType`] for an envelope of wrong types.
    pub fn query(body: &[u8]) -> Result<Self, ApiError> {
        let message: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| ApiError::BodyParseFailed(error.to_string()))?;
        let request = Self::from_message(message).map_err(|rejection| rejection.error)?;
        Ok(Self { protocol: Protocol::Http, ..request })
    }

    /// Takes the id from the header `X-Kuzzle-Request-Id`.
    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.request_id);
        self
    }

    /// Takes the volatile data from the header `X-Kuzzle-Volatile`.
    #[must_use]
    pub fn with_volatile(mut self, volatile: Map<String, Value>) -> Self {
        self.volatile = Some(Value::Object(volatile));
        self
    }

    /// Takes the body.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Takes an argument from the path or the query, such as `index`.
    #[must_use]
    pub fn with_argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.insert(name.to_owned(), Value::from(value));
        self
    }

    fn from_message(mut message: Map<String, Value>) -> Result<Self, Rejection> {
        message.retain(|_, value| !value.is_null());
        let request_id = match take(&mut message, "requestId", Expected::Text) {
            Ok(Some(Value::String(id))) if !id.is_empty() => id,
            Ok(_) => fresh_id(),
            Err(error) => return Err(Rejection::unreadable(error)),
        };
        let rejected = |error| Rejection { request_id: Some(request_id.clone()), error };
        let mut taken = |name, expected| take(&mut message, name, expected).map_err(rejected);
        let controller = taken("controller", Expected::Text)?.and_then(into_text);
        let action = taken("action", Expected::Text)?.and_then(into_text);
        let volatile = taken("volatile", Expected::Object)?;
        let body = taken("body", Expected::ObjectOrList)?;
        taken("jwt", Expected::Text)?;
        let protocol = Protocol::WebSocket;
        Ok(Self { protocol, request_id, controller, action, volatile, body, arguments: message })
    }

    /// How it came.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its id: the client's, or else a fresh UUID.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The controller that it names.
    pub fn controller(&self) -> Option<&str> {
        self.controller.as_deref()
    }

    /// The action that it names.
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// Data that is only passed on: an object.
    pub fn volatile(&self) -> Option<&Value> {
        self.volatile.as_ref()
    }

    /// The body: an object or a list.
    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Any other argument that is not null.
    pub fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name)
    }

    /// An argument that must be a text if it is there.
    ///
    /// # Errors
    /// [`ApiError::InvalidType`].
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let wrong = ApiError::InvalidType { argument: name, expected: "string" };
        self.argument(name).map(|value| value.as_str().ok_or(wrong)).transpose()
    }

    /// An index or a collection: a text of 1 to [`MAX_NAME_BYTES`] bytes.
    ///
    /// # Errors
    /// [`ApiError::MissingArgument`], [`ApiError::InvalidType`], [`ApiError::InvalidArgument`].
    pub fn name(&self, argument: &'static str) -> Result<&str, ApiError> {
        match self.text(argument)? {
            None | Some("") => Err(ApiError::MissingArgument(argument)),
            Some(name) if name.len() <= MAX_NAME_BYTES => Ok(name),
            Some(_) => {
                let expected = format!("a name of at most {MAX_NAME_BYTES} bytes");
                Err(ApiError::InvalidArgument { argument, expected })
            }
        }
    }
}

/// What a part of the envelope has to be.
#[derive(Clone, Copy)]
enum Expected {
    Text,
    Object,
    ObjectOrList,
}

impl Expected {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Object => "object",
            Self::ObjectOrList => "object or array",
        }
    }

    fn allows(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Object => value.is_object(),
            Self::ObjectOrList => value.is_object() || value.is_array(),
        }
    }
}

fn take(
    message: &mut Map<String, Value>,
    argument: &'static str,
    expected: Expected,
) -> Result<Option<Value>, ApiError> {
    match message.remove(argument) {
        Some(value) if !expected.allows(&value) => {
            Err(ApiError::InvalidType { argument, expected: expected.name() })
        }
        other => Ok(other),
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}
