//! The bounds on what clients may cost, and what happens at each.

/// A bound that a client met, or that all clients together did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The node has as many clients as it may: one more is refused with 503.
    Clients,
    /// The node has as many plain connections as it may: the one that has been idle for longest is closed.
    PlainConnections,
    /// As many requests are under way as may be: one more is refused with 503.
    Requests,
    /// The node's clients are in as many rooms as they may: a subscription is refused with 413.
    Rooms,
    /// A client has as many subscriptions as it may: one more is refused with 413.
    Subscriptions,
    /// More waits for a client than may: it is closed with 1011.
    Outgoing,
    /// More waits for all clients than may: those for whom most waits are closed with 1013.
    OutgoingTotal,
    /// A client was silent for too long: it is closed with 1011.
    Silence,
    /// A client sent a message that is too long: it is closed with 1009.
    Length,
}

impl Bound {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Clients,
        Self::PlainConnections,
        Self::Requests,
        Self::Rooms,
        Self::Subscriptions,
        Self::Outgoing,
        Self::OutgoingTotal,
        Self::Silence,
        Self::Length,
    ];

    /// Its name in the status, and as the label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::PlainConnections => "plainConnections",
            Self::Requests => "requests",
            Self::Rooms => "rooms",
            Self::Subscriptions => "subscriptions",
            Self::Outgoing => "outgoing",
            Self::OutgoingTotal => "outgoingTotal",
            Self::Silence => "silence",
            Self::Length => "length",
        }
    }

    /// What a node says of itself that has just met this bound; nothing of a bound that tells of one client alone.
    pub(super) fn complaint(self) -> Option<&'static str> {
        match self {
            Self::Clients => Some("clients are turned away (server.limits.clients)"),
            Self::PlainConnections => Some("plain connections are closed (server.limits.plainConnections)"),
            Self::Requests => Some("requests are refused (server.limits.requests)"),
            Self::Rooms => Some("subscriptions are refused (server.limits.rooms)"),
            Self::OutgoingTotal => Some("slow clients are closed (server.limits.outgoingBytesTotal)"),
            Self::Subscriptions | Self::Outgoing | Self::Silence | Self::Length => None,
        }
    }
}
