//! A small client of the API over WebSocket, for the demonstration and for tests.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Socket(#[source] Box<tungstenite::Error>),
    /// The server closed the connection.
    #[error("closed by the server: {code}, {reason:?}")]
    Closed {
        /// The code of the close frame; 1006 if there was none.
        code: u16,
        /// The reason in the close frame.
        reason: String,
    },
    /// The server sent something that is not JSON.
    #[error("the server sent something that is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The request was refused.
    #[error("refused: {}", error.get("message").and_then(Value::as_str).unwrap_or("without a message"))]
    Refused {
        /// The error object.
        error: Value,
    },
}

impl From<tungstenite::Error> for ClientError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// A client that is connected. It takes in what the server sends only while one of its methods runs.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
    notifications: VecDeque<Value>,
}

impl Client {
    /// Connects to a node.
    ///
    /// # Errors
    /// [`ClientError::Socket`].
    pub async fn connect(server: SocketAddr) -> Result<Self, ClientError> {
        let (socket, _) = connect_async(format!("ws://{server}/")).await?;
        Ok(Self { socket, requests: 0, notifications: VecDeque::new() })
    }

    /// Asks for something; the whole answer, which may say that it was refused.
    ///
    /// # Errors
    /// [`ClientError`], but not [`ClientError::Refused`].
    pub async fn ask(&mut self, mut request: Map<String, Value>) -> Result<Value, ClientError> {
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        request.insert("requestId".to_owned(), json!(id));
        self.send(Value::Object(request).to_string()).await?;
        loop {
            let message = self.receive().await?;
            if message.get("room").and_then(Value::as_str) == Some(&id) {
                return Ok(message);
            }
            self.notifications.push_back(message);
        }
    }

    /// Asks for something that is an object, and gives its `result`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn result_of(&mut self, request: Value) -> Result<Value, ClientError> {
        let Value::Object(request) = request else {
            return Err(ClientError::Refused { error: json!({"message": "a request is an object"}) });
        };
        let mut answer = self.ask(request).await?;
        match answer.get_mut("error").map(Value::take) {
            None | Some(Value::Null) => Ok(answer.get_mut("result").map(Value::take).unwrap_or_default()),
            Some(error) => Err(ClientError::Refused { error }),
        }
    }

    /// The next message that is not the answer to a request.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn notification(&mut self) -> Result<Value, ClientError> {
        match self.notifications.pop_front() {
            Some(notification) => Ok(notification),
            None => self.receive().await,
        }
    }

    /// Sends a text as it is.
    ///
    /// # Errors
    /// [`ClientError::Socket`].
    pub async fn send(&mut self, text: impl Into<String>) -> Result<(), ClientError> {
        Ok(self.socket.send(Message::text(text.into())).await?)
    }

    /// The next message of any kind.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receive(&mut self) -> Result<Value, ClientError> {
        loop {
            match self.socket.next().await.transpose()? {
                Some(Message::Text(text)) => return Ok(serde_json::from_str(&text)?),
                Some(Message::Close(Some(frame))) => {
                    return Err(ClientError::Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    });
                }
                None | Some(Message::Close(None)) => {
                    return Err(ClientError::Closed { code: 1006, reason: String::new() });
                }
                Some(_) => {}
            }
        }
    }
}
