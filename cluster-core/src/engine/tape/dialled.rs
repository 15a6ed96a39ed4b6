//! An address that was dialled. It may be that of a tunnel, which this node makes and no peer may write.

use cluster_transport::proto::{Address, NodeId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address that was dialled, as it stands on a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled(pub Address);

impl Serialize for Dialled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Dialled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let Some(tunnel) = text.strip_prefix("tunnel://") else {
            return text.parse().map(Self).map_err(D::Error::custom);
        };
        let (via, to) = tunnel.split_once('/').ok_or_else(|| D::Error::custom("not a tunnel"))?;
        let node = |text: &str| text.parse::<NodeId>().map_err(D::Error::custom);
        Ok(Self(Address::through(&node(via)?, &node(to)?)))
    }
}
