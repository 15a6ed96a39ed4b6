//! Whatever a peer does, what waits for it stays within what was configured.

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::LaneSettings;
use cluster_transport::proto::tunnel::{CREDIT, MAX_TUNNELS};

use super::Violation;
use crate::engine::state::DEFAULT_MAX_TOMBSTONES;
use crate::sim::Sim;

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    for node in sim.running() {
        for (peer, lane, held, settings) in sim.held_by_lanes(node) {
            judge(lane, held, settings)
                .map_err(|what| Violation::new(format!("n{node} to {peer}, {lane} lane: {what}")))?;
        }
        tunnels(sim.tunnels(node), sim.unread_in_tunnels(node))
            .map_err(|what| Violation::new(format!("n{node} {what}")))?;
        if sim.has_nested_tunnel(node) {
            return Err(Violation::new(format!("n{node} has a tunnel in a tunnel")));
        }
        let state = sim.engine(node).state();
        let limit = DEFAULT_MAX_TOMBSTONES.max(state.rooms());
        if state.tombstones() > limit {
            return Err(Violation::new(format!(
                "n{node} keeps {} tombstones, over {limit}",
                state.tombstones()
            )));
        }
    }
    Ok(())
}

fn judge(lane: Lane, held: usize, settings: &LaneSettings) -> Result<(), String> {
    // One message longer than that is still taken by a lane that holds nothing else.
    let limit = match lane {
        Lane::Events | Lane::Notifications => settings.ring + MAX_ONE,
        Lane::Control => (1 << 20) + MAX_ONE,
        Lane::State | Lane::Requests => {
            usize::try_from(settings.windows[lane]).unwrap_or(usize::MAX).saturating_add(MAX_ONE)
        }
    };
    if held <= limit { Ok(()) } else { Err(format!("{held} bytes are held, over {limit}")) }
}

fn tunnels((ends, carried): (usize, usize), mut unread: impl Iterator<Item = usize>) -> Result<(), String> {
    if ends + carried > MAX_TUNNELS {
        return Err(format!("takes part in {ends} and {carried} tunnels, over {MAX_TUNNELS}"));
    }
    match unread.find(|bytes| *bytes > CREDIT) {
        Some(bytes) => Err(format!("has {bytes} bytes of a tunnel unread, over {CREDIT}")),
        None => Ok(()),
    }
}

/// The longest message of a simulation, with its head.
const MAX_ONE: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_bites_on_a_lane_that_holds_more_than_its_ring() {
        let mut settings = LaneSettings::default();
        settings.ring = 1 << 20;
        assert_eq!(judge(Lane::Notifications, 1 << 20, &settings), Ok(()));
        assert!(judge(Lane::Notifications, 2 << 20, &settings).is_err());
    }

    #[test]
    fn it_bites_on_too_many_tunnels_and_on_more_bytes_than_there_is_credit_for() {
        assert_eq!(tunnels((MAX_TUNNELS - 1, 1), [0, CREDIT].into_iter()), Ok(()));
        assert!(tunnels((MAX_TUNNELS, 1), [].into_iter()).is_err());
        assert!(tunnels((0, 0), [0, CREDIT + 1].into_iter()).is_err());
    }
}
