//! Channels: a room together with what a subscriber wants to hear of it.

use std::fmt;

use cluster_core::engine::RoomId;
use serde_json::Value;

use super::ApiError;

/// Which document notifications a subscriber wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Documents that enter and documents that leave; the default.
    #[default]
    All,
    /// Documents that enter or stay.
    In,
    /// Documents that leave.
    Out,
    /// None.
    None,
}

/// Which user notifications a subscriber wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Users {
    /// Who comes and who goes.
    All,
    /// Who comes.
    In,
    /// Who goes.
    Out,
    /// None; the default.
    #[default]
    None,
}

/// What a subscriber wants to hear of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelOptions {
    /// Document notifications.
    pub scope: Scope,
    /// User notifications.
    pub users: Users,
}

/// A room with options. Its name stands in every notification of the subscriber, as `room`.
///
/// The name is the room's id, a hyphen, and digits: users (all 1, in 2, none 3, out 4), propagation (always 1) and
/// scope (all 1, in 2, out 3, none no digit). Kuzzle's digits, except that there `out` is 3 too and clashes with
/// `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// The room.
    pub room: RoomId,
    /// What is wanted of it.
    pub options: ChannelOptions,
}

impl Scope {
    /// Reads the argument `scope`; without it, the default.
    ///
    /// # Errors
    /// [`ApiError::InvalidScope`].
    pub fn from_argument(argument: Option<&Value>) -> Result<Self, ApiError> {
        match argument.map(Value::as_str) {
            None => Ok(Self::default()),
            Some(Some("all")) => Ok(Self::All),
            Some(Some("in")) => Ok(Self::In),
            Some(Some("out")) => Ok(Self::Out),
            Some(Some("none")) => Ok(Self::None),
            Some(_) => Err(ApiError::InvalidScope),
        }
    }

    const fn digit(self) -> &'static str {
        match self {
            Self::All => "1",
            Self::In => "2",
            Self::Out => "3",
            Self::None => "",
        }
    }
}

impl Users {
    /// Reads the argument `users`; without it, the default.
    ///
    /// # Errors
    /// [`ApiError::InvalidUsers`].
    pub fn from_argument(argument: Option<&Value>) -> Result<Self, ApiError> {
        match argument.map(Value::as_str) {
            None => Ok(Self::default()),
            Some(Some("all")) => Ok(Self::All),
            Some(Some("in")) => Ok(Self::In),
            Some(Some("out")) => Ok(Self::Out),
            Some(Some("none")) => Ok(Self::None),
            Some(_) => Err(ApiError::InvalidUsers),
        }
    }

    const fn digit(self) -> &'static str {
        match self {
            Self::All => "1",
            Self::In => "2",
            Self::None => "3",
            Self::Out => "4",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChannelOptions { scope, users } = self.options;
        write!(formatter, "{}-{}1{}", self.room, users.digit(), scope.digit())
    }
}
