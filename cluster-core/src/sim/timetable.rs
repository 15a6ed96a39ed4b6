//! When each process is to be woken: a tournament, whose winner is known and which a change plays again only as far as it matters.

use cluster_transport::proto::Instant;

/// The next deadline of each of so many processes.
#[derive(Debug)]
pub(super) struct Timetable {
    /// By process, and nobody's up to a power of two.
    due: Vec<Option<Instant>>,
    /// The winners, the last of all at 1; those at `n` and its neighbour play for `n / 2`. The processes themselves would follow.
    winners: Vec<u32>,
}

impl Timetable {
    pub(super) fn new(processes: usize) -> Self {
        let places = processes.next_power_of_two().max(2);
        let due = vec![None; places];
        let mut winners = vec![0; places];
        for place in (1..places).rev() {
            let first = player(&winners, 2 * place);
            if let Some(winner) = winners.get_mut(place) {
                *winner = first;
            }
        }
        Self { due, winners }
    }

    /// Whose deadline is the earliest, and when it is; of those with the same it is the first process.
    pub(super) fn first(&self) -> Option<(Instant, usize)> {
        let first = player(&self.winners, 1) as usize;
        self.due_of(first).map(|due| (due, first))
    }

    fn due_of(&self, process: usize) -> Option<Instant> {
        self.due.get(process).copied().flatten()
    }

    /// Notes when a process is to be woken next, if it is.
    pub(super) fn set(&mut self, process: usize, due: Option<Instant>) {
        match self.due.get_mut(process) {
            Some(before) if *before != due => *before = due,
            _ => return,
        }
        let mut place = self.winners.len() + process;
        while place > 1 {
            let winner = self.earlier(player(&self.winners, place & !1), player(&self.winners, place | 1));
            place /= 2;
            let Some(before) = self.winners.get_mut(place) else { return };
            let before = std::mem::replace(before, winner);
            if before == winner && winner as usize != process {
                return;
            }
        }
    }

    /// The winner of two, of whom the first has the smaller number.
    fn earlier(&self, one: u32, other: u32) -> u32 {
        match (self.due_of(one as usize), self.due_of(other as usize)) {
            (Some(first), Some(second)) if second < first => other,
            (None, Some(_)) => other,
            _ => one,
        }
    }
}

/// Who plays from a place: the winner of a match before, or a process.
fn player(winners: &[u32], place: usize) -> u32 {
    let process = || u32::try_from(place - winners.len()).unwrap_or(u32::MAX);
    winners.get(place).copied().unwrap_or_else(process)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn it_names_the_first_of_those_whose_deadline_is_the_earliest_whatever_changed() {
        for processes in [1, 2, 3, 8, 11] {
            let mut rng = ChaCha8Rng::seed_from_u64(processes as u64);
            let (mut timetable, mut plain) = (Timetable::new(processes), vec![None; processes]);
            assert_eq!(timetable.first(), None);
            for _ in 0..500 {
                let process = rng.random_range(0..processes);
                let due = rng
                    .random_bool(0.8)
                    .then(|| Instant::ORIGIN + Duration::from_secs(rng.random_range(0..9)));
                timetable.set(process, due);
                plain[process] = due;
                let earliest = (0..processes).filter_map(|process| Some((plain[process]?, process))).min();
                assert_eq!(timetable.first(), earliest, "{plain:?}");
            }
        }
    }
}
