//! Sessions under any operations, with or without a hostile peer: each request has exactly one outcome, budgets hold, `poll_*`
//! ends, and no timer lies in the past.

use std::time::Duration;

use bytes::Bytes;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::{Lane, body::CloseCode};

use crate::input::Input;
use crate::pair::{Pair, settings};

/// How many operations an input has at the most.
const MAX_STEPS: usize = 400;

/// The property. The bytes are operations on two ends; some are frames of the fuzzer's own, as a peer may send them.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new(&settings());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut pair, &mut input);
        pair.ends.iter().for_each(|end| {
            end.check_budgets();
            end.check_outcomes(false);
        });
    }
    pair.settle();
    pair.pass(Duration::from_secs(3_600));
    for end in &mut pair.ends {
        let Some(session) = &mut end.session else { continue };
        session.handle_link_lost("the end of the input");
        end.drain();
        end.check_outcomes(true);
        assert!(end.ends.len() == 1, "a session ends once: {:?}", end.ends);
    }
}

fn step(pair: &mut Pair, input: &mut Input<'_>) {
    let now = pair.now;
    let end = &mut pair.ends[usize::from(input.bool())];
    match input.below(12) {
        0 | 1 => {
            let lane = Lane::ALL[input.below(Lane::COUNT)];
            if lane != Lane::Requests {
                // A full lane that does not shed refuses.
                let _ = end.lanes.push(lane, Payload::Shared(vec![7; input.below(24 * 1024)].into()));
            }
        }
        2 => end.ask(now, Duration::from_millis(input.number() % 10_000), input.bytes(64)),
        3 => end.answer(input.bool(), &vec![1; input.below(8 * 1024)]),
        4 => end.cancel(input.below(8)),
        5 => end.takes = !end.takes,
        6 => end.take(1 + input.below(4)),
        7 => {
            let frame = input.bytes(512);
            end.frame(now, Bytes::copy_from_slice(frame));
        }
        8 => {
            if let Some(session) = &mut end.session {
                if input.below(8) == 0 {
                    session.leave(now)
                } else {
                    session.close(CloseCode(input.byte().into()), "x")
                }
            }
            end.drain();
        }
        9 => pair.pass(Duration::from_millis(input.number() % 5_000)),
        _ => drop(pair.exchange(1 + input.below(64 * 1024))),
    }
}
