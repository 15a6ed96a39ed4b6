//! Which kinds of things happen in a schedule.

use std::fmt;
use std::str::FromStr;

/// What a schedule is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Clients only: no fault at all.
    Calm,
    /// Everything.
    Chaos,
    /// Cuts, splits of any shape, refusals, broken links, loss, jitter and duplicates; no process dies.
    Network,
    /// Pairs that do not reach each other while others reach both; those that carry their tunnels die, stop or are cut off.
    Partial,
    /// Nodes compare or forget what they have, at any time and with many rooms, while links break, streams lose their place,
    /// messages vanish and what they believe is spoilt.
    Resets,
    /// Crashes, quick and slow, restarts, drains, leaves, pauses, and second processes of one id; the network is whole.
    Processes,
    /// Most nodes die and come back at once, again and again.
    MassRestart,
    /// Processes that get too little of the processor, and hosts that are slow, clocks that drift.
    Starvation,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Calm,
        Self::Chaos,
        Self::Network,
        Self::Partial,
        Self::Resets,
        Self::Processes,
        Self::MassRestart,
        Self::Starvation,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Chaos => "chaos",
            Self::Network => "network",
            Self::Partial => "partial",
            Self::Resets => "resets",
            Self::Processes => "processes",
            Self::MassRestart => "mass-restart",
            Self::Starvation => "starvation",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no profile of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {name:?}: use one of {}", Profile::ALL.map(Profile::name).join(", "))]
pub struct UnknownProfile {
    name: String,
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| UnknownProfile { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name_and_no_other_is() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        let error = "storm".parse::<Profile>().unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no profile \"storm\": use one of calm, chaos, network, partial, resets, processes, mass-restart, starvation"
        );
    }
}
