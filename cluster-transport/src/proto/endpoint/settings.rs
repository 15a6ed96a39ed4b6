//! What an endpoint is told once: who it is, what it offers, and how patient it is.

use std::time::Duration;

use crate::proto::body::{Fingerprint, MAX_ADDRESSES};
use crate::proto::lanes::LaneSettings;
use crate::proto::{Address, ClusterName, Incarnation, NodeId};

/// How long apart the first attempts at an address are.
pub const DEFAULT_DIAL_INTERVAL: Duration = Duration::from_secs(1);
/// How many attempts are made at that interval before it grows.
pub const DEFAULT_DIAL_ATTEMPTS: u32 = 30;
/// The longest interval between attempts.
pub const DEFAULT_DIAL_CAP: Duration = Duration::from_secs(30);
/// How far an interval may be off, in percent to either side.
pub const DEFAULT_DIAL_JITTER: u8 = 20;
/// How long a dial may take until its byte link is there.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a handshake may take on a byte link.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a link may take no byte, or answer nothing, before it is given up.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an address that turned out to be this node itself is left alone.
pub const SELF_SLEEP: Duration = Duration::from_secs(60);
/// How many dials to targets run at a time.
pub const DEFAULT_MAX_DIALS: usize = 64;
/// How many targets there may be.
pub const DEFAULT_MAX_TARGETS: usize = 1_024;
/// How many accepted links may be in their handshake.
pub const DEFAULT_MAX_OPEN_HANDSHAKES: usize = 512;
/// The optional abilities of this version, one bit each: none is defined.
pub const FEATURES: u64 = 0;
/// How many nodes are kept on record, in session or not.
pub const DEFAULT_MAX_PEERS: usize = 4_096;

/// Settings that contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Something that must be at least one is zero.
    #[error("{name} is 0; it must be at least 1")]
    Zero {
        /// Which setting.
        name: &'static str,
    },
    /// The interval between attempts starts above its cap.
    #[error(
        "the dial interval of {interval:?} is above its cap of {cap:?}; raise the cap or lower the interval"
    )]
    IntervalAboveCap {
        /// The interval.
        interval: Duration,
        /// The cap.
        cap: Duration,
    },
    /// The jitter is beyond what keeps intervals positive.
    #[error("a dial jitter of {got} percent is above {limit}; choose one from 0 to {limit}")]
    Jitter {
        /// What was asked for.
        got: u8,
        /// The most there is.
        limit: u8,
    },
    /// More addresses than a handshake can carry.
    #[error("{got} addresses are advertised and a handshake carries at most {limit}; leave some out")]
    Addresses {
        /// How many.
        got: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// How addresses are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialSettings {
    /// Between the first attempts. Default [`DEFAULT_DIAL_INTERVAL`].
    pub interval: Duration,
    /// How many attempts are made at that interval. Default [`DEFAULT_DIAL_ATTEMPTS`].
    pub attempts: u32,
    /// What the interval grows to afterwards. Default [`DEFAULT_DIAL_CAP`].
    pub cap: Duration,
    /// How far an interval may be off, in percent. Default [`DEFAULT_DIAL_JITTER`].
    pub jitter: u8,
    /// How long until the byte link must be there. Default [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// How many dials to targets run at a time. Default [`DEFAULT_MAX_DIALS`].
    pub concurrent: usize,
    /// How many targets there may be. Default [`DEFAULT_MAX_TARGETS`].
    pub targets: usize,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            interval: DEFAULT_DIAL_INTERVAL,
            attempts: DEFAULT_DIAL_ATTEMPTS,
            cap: DEFAULT_DIAL_CAP,
            jitter: DEFAULT_DIAL_JITTER,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            concurrent: DEFAULT_MAX_DIALS,
            targets: DEFAULT_MAX_TARGETS,
        }
    }
}

/// The settings of an [`Endpoint`](super::Endpoint); made by [`builder`](Self::builder).
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    pub(super) cluster: ClusterName,
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) advertised: Vec<Address>,
    pub(super) lanes: LaneSettings,
    pub(super) fingerprint: Fingerprint,
    pub(super) features: u64,
    pub(super) dial: DialSettings,
    pub(super) handshake_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) max_open_handshakes: usize,
    pub(super) max_peers: usize,
}

impl EndpointSettings {
    /// The limits of the lanes to and from each peer.
    pub fn lanes(&self) -> &LaneSettings {
        &self.lanes
    }
    /// The node.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// How long a dial may take until its byte link is there.
    pub fn connect_timeout(&self) -> Duration {
        self.dial.connect_timeout
    }

    /// How long a link may take no byte, or answer nothing, before it is given up.
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    /// How many accepted links may be in their handshake.
    pub fn max_open_handshakes(&self) -> usize {
        self.max_open_handshakes
    }

    /// Starts from the defaults.
    pub fn builder(cluster: ClusterName, node: NodeId, incarnation: Incarnation) -> EndpointSettingsBuilder {
        EndpointSettingsBuilder(Self {
            cluster,
            node,
            incarnation,
            advertised: Vec::new(),
            lanes: LaneSettings::default(),
            fingerprint: Fingerprint::default(),
            features: FEATURES,
            dial: DialSettings::default(),
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            max_open_handshakes: DEFAULT_MAX_OPEN_HANDSHAKES,
            max_peers: DEFAULT_MAX_PEERS,
        })
    }
}

/// Collects the settings of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointSettingsBuilder(EndpointSettings);

impl EndpointSettingsBuilder {
    /// Where this node can be dialled, told to every peer. Default: nowhere.
    #[must_use]
    pub fn advertised(mut self, addresses: impl IntoIterator<Item = Address>) -> Self {
        self.0.advertised = addresses.into_iter().collect();
        self
    }

    /// The limits of the lanes to and from each peer. Default: [`LaneSettings::default`].
    #[must_use]
    pub fn lanes(mut self, lanes: LaneSettings) -> Self {
        self.0.lanes = lanes;
        self
    }

    /// The fingerprint of the host settings that must be equal on all members. Default: all zero.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.0.fingerprint = fingerprint;
        self
    }

    /// How addresses are dialled. Default: [`DialSettings::default`].
    #[must_use]
    pub fn dial(mut self, dial: DialSettings) -> Self {
        self.0.dial = dial;
        self
    }

    /// How long a handshake may take on a byte link. Default [`DEFAULT_HANDSHAKE_TIMEOUT`].
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.0.handshake_timeout = timeout;
        self
    }

    /// How long a link may take no byte although some wait, or answer nothing, before it is given up. Default
    /// [`DEFAULT_WRITE_TIMEOUT`].
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.0.write_timeout = timeout;
        self
    }

    /// How many accepted links may be in their handshake, and how many connections may come before that; further ones are
    /// refused as busy. From half of it on no host may have more than an eighth. Default [`DEFAULT_MAX_OPEN_HANDSHAKES`], at
    /// most 4 KiB each, and about 40 KiB while TLS is agreed on.
    #[must_use]
    pub fn max_open_handshakes(mut self, limit: usize) -> Self {
        self.0.max_open_handshakes = limit;
        self
    }

    /// How many nodes are kept on record; the one that ended longest ago goes first. Default [`DEFAULT_MAX_PEERS`].
    #[must_use]
    pub fn max_peers(mut self, limit: usize) -> Self {
        self.0.max_peers = limit;
        self
    }

    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// When something is zero, above its limit, or contradicts something else.
    pub fn build(self) -> Result<EndpointSettings, SettingsError> {
        const MAX_JITTER: u8 = 90;
        let EndpointSettings { dial, advertised, .. } = &self.0;
        let zeros = [
            ("the dial interval", dial.interval.is_zero()),
            ("the number of attempts", dial.attempts == 0),
            ("the connect timeout", dial.connect_timeout.is_zero()),
            ("the number of concurrent dials", dial.concurrent == 0),
            ("the number of targets", dial.targets == 0),
            ("the handshake timeout", self.0.handshake_timeout.is_zero()),
            ("the write timeout", self.0.write_timeout.is_zero()),
            ("the number of open handshakes", self.0.max_open_handshakes == 0),
            ("the number of peers", self.0.max_peers == 0),
        ];
        if let Some((name, _)) = zeros.into_iter().find(|(_, zero)| *zero) {
            return Err(SettingsError::Zero { name });
        }
        if dial.interval > dial.cap {
            return Err(SettingsError::IntervalAboveCap { interval: dial.interval, cap: dial.cap });
        }
        if dial.jitter > MAX_JITTER {
            return Err(SettingsError::Jitter { got: dial.jitter, limit: MAX_JITTER });
        }
        if advertised.len() > MAX_ADDRESSES {
            return Err(SettingsError::Addresses { got: advertised.len(), limit: MAX_ADDRESSES });
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> EndpointSettingsBuilder {
        let incarnation = Incarnation { epoch: 1, nonce: 1 };
        EndpointSettings::builder("kuzzle".parse().unwrap(), "a".parse().unwrap(), incarnation)
    }

    #[test]
    fn settings_that_contradict_themselves_are_not_built() {
        let dial = DialSettings::default();
        let second = Duration::from_secs(1);
        let address: Address = "tcp://a:1".parse().unwrap();
        for (builder, message) in [
            (
                builder().handshake_timeout(Duration::ZERO),
                "the handshake timeout is 0; it must be at least 1",
            ),
            (
                builder().dial(DialSettings { attempts: 0, ..dial }),
                "the number of attempts is 0; it must be at least 1",
            ),
            (
                builder().dial(DialSettings { interval: 2 * second, cap: second, ..dial }),
                "the dial interval of 2s is above its cap of 1s; raise the cap or lower the interval",
            ),
            (
                builder().dial(DialSettings { jitter: 91, ..dial }),
                "a dial jitter of 91 percent is above 90; choose one from 0 to 90",
            ),
            (
                builder().advertised(vec![address; 9]),
                "9 addresses are advertised and a handshake carries at most 8; leave some out",
            ),
        ] {
            assert_eq!(builder.build().unwrap_err().to_string(), message);
        }
    }
}
