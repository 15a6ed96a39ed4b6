//! A link that breaks anywhere, again and again: what was sent arrives once and in order, or is announced as lost.

use cluster_transport::proto::Lane;
use cluster_transport::proto::lanes::Payload;

use crate::input::Input;
use crate::pair::{Pair, settings};

/// How many operations an input has at the most.
const MAX_STEPS: usize = 300;

/// The property. The bytes are messages, exchanges and cuts of two ends that keep to the rules.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new(&settings());
    let mut sent = [0_u64; 2];
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let number = usize::from(input.bool());
        let end = &mut pair.ends[number];
        match input.below(8) {
            0..=2 => {
                for _ in 0..1 + input.below(8) {
                    let mut message = sent[number].to_be_bytes().to_vec();
                    message.resize(8 + input.below(20 * 1024), 0);
                    end.lanes.push(Lane::Notifications, Payload::Shared(message.into())).unwrap();
                    sent[number] += 1;
                }
            }
            3 => end.takes = !end.takes,
            4 => end.take(1),
            5 => {
                pair.cut([input.below(128 * 1024), input.below(128 * 1024)]);
                pair.connect();
            }
            _ => drop(pair.exchange(1 + input.below(32 * 1024))),
        }
    }
    pair.settle();
    for (number, sent) in sent.into_iter().enumerate() {
        let (from, to) = (&pair.ends[number], &pair.ends[1 - number]);
        let numbers = to.received[Lane::Notifications].iter().map(|message| number_of(message));
        let numbers: Vec<u64> = numbers.collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "twice or out of order: {numbers:?}");
        let announced = to.announced[Lane::Notifications];
        let shed = from.lanes.lag(Lane::Notifications).shed;
        let (arrived, [_, sender_told]) = (numbers.len() as u64, from.broken[Lane::Notifications]);
        if sender_told == 0 {
            assert_eq!(shed, announced, "both sides count what was shed");
            assert_eq!(arrived + announced, sent, "{announced} were announced as lost");
        } else {
            // A peer that never heard where its lane begins cannot say what it has: both are told that numbers do not continue.
            assert!(shed >= announced && arrived + announced <= sent);
            assert!(to.broken[Lane::Notifications][0] > 0, "a loss without a word");
        }
        assert!(
            to.ends
                .iter()
                .all(|end| matches!(end, cluster_transport::proto::session::SessionEnd::LinkLost(_)))
        );
    }
}

fn number_of(message: &[u8]) -> u64 {
    message.first_chunk().copied().map(u64::from_be_bytes).expect("every message has a number")
}
