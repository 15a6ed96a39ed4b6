//! The limits that are configured, in the form that lanes and state take them.

use cluster_transport::proto::lanes::LaneSettings;
use cluster_transport::proto::{Lane, PerLane};

use super::Config;
use super::error::ConfigError;
use super::settings::Settings;
use crate::engine::state::StateLimits;

impl Config {
    /// What the lanes to and from a member may hold. The window of the control lane is not configured.
    pub fn lane_settings(&self) -> LaneSettings {
        let settings = &self.settings;
        let mut lanes = LaneSettings::default();
        lanes.windows = PerLane::from_fn(|lane| match lane {
            Lane::Control => lanes.windows[lane],
            Lane::State => settings.state_window_bytes.value,
            Lane::Events => settings.events_window_bytes.value,
            Lane::Requests => settings.requests_window_bytes.value,
            Lane::Notifications => settings.notifications_window_bytes.value,
        });
        lanes.ring = settings.ring_bytes.value;
        lanes.ring_age = settings.ring_age.value;
        lanes.ring_total = settings.ring_bytes_total.value;
        lanes.max_message = settings.max_message_bytes.value;
        lanes.reassembly = settings.reassembly_bytes_per_member.value;
        lanes.max_requests = settings.requests_in_flight.value;
        lanes
    }

    /// What the state of a member may hold.
    pub fn state_limits(&self) -> StateLimits {
        StateLimits::default()
            .with_rooms(self.settings.rooms_per_member.value)
            .with_bytes(self.settings.state_bytes_per_member.value)
    }
}

/// Refuses a limit for one thing above the limit for all such things.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let longest = usize::try_from(settings.max_message_bytes.value).unwrap_or(usize::MAX);
    let (key, whole_key) =
        ("plugins.cluster.limits.maxMessageBytes", "plugins.cluster.limits.reassemblyBytesPerMember");
    let whole = settings.reassembly_bytes_per_member.value;
    if longest > whole {
        return Err(ConfigError::PartAboveWhole { key, value: longest, whole_key, whole });
    }
    let (key, whole_key) = ("plugins.cluster.limits.ringBytes", "plugins.cluster.limits.ringBytesTotal");
    let (value, whole) = (settings.ring_bytes.value, settings.ring_bytes_total.value);
    if value > whole {
        return Err(ConfigError::PartAboveWhole { key, value, whole_key, whole });
    }
    let (key, whole_key) = ("server.limits.outgoingBytes", "server.limits.outgoingBytesTotal");
    let (value, whole) = (settings.server_outgoing_bytes.value, settings.server_outgoing_bytes_total.value);
    if value > whole {
        return Err(ConfigError::PartAboveWhole { key, value, whole_key, whole });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_defaults_are_those_of_lanes_and_state() {
        let config = Config::builder().build().unwrap();
        assert_eq!(config.lane_settings(), LaneSettings::default());
        assert_eq!(config.state_limits(), StateLimits::default());
    }

    #[test]
    fn each_limit_arrives_where_it_belongs() {
        let config = Config::builder()
            .state_window_bytes(100_001_u32)
            .events_window_bytes(100_002_u32)
            .requests_window_bytes(100_003_u32)
            .notifications_window_bytes(100_004_u32)
            .ring_bytes(100_005_usize)
            .ring_age(Duration::from_secs(11))
            .ring_bytes_total(100_012_usize)
            .max_message_bytes(100_006_u32)
            .reassembly_bytes_per_member(100_007_usize)
            .requests_in_flight(8_usize)
            .rooms_per_member(9_usize)
            .state_bytes_per_member(100_010_usize)
            .build()
            .unwrap();
        let lanes = config.lane_settings();
        let windows: Vec<_> = lanes.windows.iter().map(|(_, window)| *window).collect();
        assert_eq!(windows, [1 << 20, 100_001, 100_002, 100_003, 100_004]);
        let sizes = (lanes.ring, lanes.max_message, lanes.reassembly, lanes.max_requests);
        assert_eq!(sizes, (100_005, 100_006, 100_007, 8));
        assert_eq!((lanes.ring_age, lanes.ring_total), (Duration::from_secs(11), 100_012));
        assert_eq!(config.state_limits(), StateLimits::default().with_rooms(9).with_bytes(100_010));
    }
}
