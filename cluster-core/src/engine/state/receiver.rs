//! How far this node is in one other owner's stream, and what it asks of that owner.
//!
//! A message is judged by its versions alone: a repeated delta is ignored, one after a gap is not applied and the missing
//! range is asked for. A pass that ends with another hash than its owner's is repeated once; if that does not help it is
//! reported, and tried again only after the owner has changed and [`REPAIR_PAUSE`] has passed.

use std::time::Duration;

use cluster_transport::proto::{Incarnation, Instant};

use super::message::{Ask, Position};

/// How long a replica that a pass did not repair is left alone.
pub(super) const REPAIR_PAUSE: Duration = Duration::from_secs(10);

/// The cursor in one owner's stream.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// The version up to which everything is applied; `None` before the first pass of this incarnation is complete.
    settled: Option<u64>,
    /// There at the start, and for few later.
    pass: Option<Box<Pass>>,
    is_current: bool,
    /// Whether anything of the stream was taken in this session.
    has_heard: bool,
    asked: Asked,
    repair: Repair,
    verify: Verify,
}

#[derive(Debug)]
struct Pass {
    start: u64,
    position: u64,
}

/// What the owner is asked for beyond what it sends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    /// The range after our position.
    Rest(Answer),
    /// A pass.
    Pass(Answer),
}

/// Whether the question is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Unasked,
    Awaited,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Repair {
    #[default]
    Idle,
    /// A pass was asked for because the hashes differed.
    Running,
    /// The pass did not help.
    GivenUp { version: u64, until: Instant },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verify {
    #[default]
    Idle,
    /// The next pass has not begun.
    Wanted,
    Running,
}

/// How far a delta goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// There is more to tell.
    Part,
    /// It is all there is.
    CaughtUp,
}

/// When a replica is compared with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// At the end of a pass.
    PassEnd,
    /// In between.
    InPassing,
}

/// What to do with a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It continues what we have.
    Apply,
    /// We have all of it.
    Duplicate,
    /// Something before it is missing.
    Gap,
    /// No owner sends this.
    Impossible,
}

/// How the end of a pass or a comparison came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The replica equals its owner's state.
    Equal,
    /// It differs, and a pass will repair it.
    Repairing,
    /// It still differs after that pass.
    Unrepaired,
    /// It differs, which is already being dealt with.
    Known,
}

impl Receiver {
    /// The cursor in the stream of the same owner's next incarnation.
    pub(super) fn for_next_incarnation(&self) -> Self {
        let verify = if self.verify == Verify::Idle { Verify::Idle } else { Verify::Wanted };
        Self { verify, ..Self::default() }
    }

    /// A session began. What was asked for on another one is asked for again.
    pub(super) fn connect(&mut self) {
        self.is_current = false;
        self.has_heard = false;
        self.asked = match self.asked {
            Asked::Pass(_) => Asked::Pass(Answer::Unasked),
            Asked::Rest(_) | Asked::Nothing => Asked::Nothing,
        };
    }

    /// The version of the owner up to which everything is applied; a running pass does not change it.
    pub(super) fn settled(&self) -> Option<u64> {
        self.settled
    }

    /// Whether a pass over the owner's state is under way.
    pub(super) fn is_passing(&self) -> bool {
        self.pass.is_some()
    }

    /// Whether it takes a pass, or the rest of one, to have all that the owner has.
    pub(super) fn needs_pass(&self) -> bool {
        self.pass.is_some() || self.settled.is_none()
    }

    /// Whether the owner is to make a pass.
    pub(super) fn wants_pass(&self) -> bool {
        self.needs_pass() || matches!(self.asked, Asked::Pass(_))
    }

    /// It is not the owner's turn to make the pass that is needed: it is asked for then.
    pub(super) fn wait_for_turn(&mut self) {
        if self.asked == Asked::Nothing {
            self.asked = Asked::Rest(Answer::Unasked);
        }
    }

    /// The version up to which the stream has come, if it has begun.
    pub(super) fn position(&self) -> Option<u64> {
        self.pass.as_ref().map(|pass| pass.position).or(self.settled)
    }

    /// Whether the last that was heard in this session is all there is.
    pub(super) fn is_current(&self) -> bool {
        self.is_current && self.pass.is_none()
    }

    /// What this node has, as the owner needs to know it.
    pub(super) fn state_position(&self, incarnation: Incarnation) -> Position {
        match (self.pass.as_deref(), self.settled) {
            (Some(&Pass { start, position }), _) => Position::Pass { incarnation, start, position },
            (None, Some(version)) => Position::At { incarnation, version },
            (None, None) => Position::Nothing,
        }
    }

    /// Whether a pass with this start was overtaken by what came before it. Within a session the starts of passes only grow,
    /// and none is below what has been told; the first in a session may be lower, if this node was told lies before.
    pub(super) fn is_past(&self, start: u64) -> bool {
        let reached = self.settled.max(self.pass.as_ref().map(|pass| pass.start));
        self.has_heard && reached.is_some_and(|reached| start < reached)
    }

    /// A pass begins; says whether it replaces an unfinished one.
    pub(super) fn begin(&mut self, start: u64) -> bool {
        self.is_current = false;
        self.has_heard = true;
        self.asked = Asked::Nothing;
        if self.verify == Verify::Wanted {
            self.verify = Verify::Running;
        }
        self.pass.replace(Box::new(Pass { start, position: 0 })).is_some()
    }

    /// What to do with a delta of these versions.
    pub(super) fn judge(&self, from: u64, to: u64, reach: Reach) -> Judgement {
        let ends_early = reach == Reach::CaughtUp && self.pass.as_ref().is_some_and(|pass| to < pass.start);
        if to < from || ends_early {
            return Judgement::Impossible;
        }
        match self.position() {
            Some(position) if from < position && to <= position => Judgement::Duplicate,
            Some(position) if from <= position => Judgement::Apply,
            _ => Judgement::Gap,
        }
    }

    /// Something before the delta is missing: asks for it, once. True if it had not been asked for.
    pub(super) fn miss(&mut self) -> bool {
        self.is_current = false;
        let is_news = self.asked == Asked::Nothing;
        if is_news {
            self.asked = Asked::Rest(Answer::Unasked);
        }
        is_news
    }

    /// Whether something is to come from an owner that has this version: an answer, or what is not here.
    pub(super) fn lacks(&self, version: u64) -> bool {
        match self.asked {
            Asked::Rest(_) | Asked::Pass(_) => true,
            Asked::Nothing => !self.is_current() || self.settled.is_none_or(|settled| settled < version),
        }
    }

    /// Whether there is a question that waits for its turn, or for room in the lane.
    pub(super) fn is_to_ask(&self) -> bool {
        matches!(self.asked, Asked::Rest(Answer::Unasked) | Asked::Pass(Answer::Unasked))
    }

    /// Whether a pass was asked for that has not begun.
    pub(super) fn awaits_pass(&self) -> bool {
        self.asked == Asked::Pass(Answer::Awaited)
    }

    /// Nothing came: asks for it, whether or not it was asked for before.
    pub(super) fn ask_again(&mut self) {
        self.asked = match self.asked {
            Asked::Pass(_) => Asked::Pass(Answer::Unasked),
            Asked::Rest(_) | Asked::Nothing => Asked::Rest(Answer::Unasked),
        };
    }

    /// The entries of a delta up to this version are applied.
    pub(super) fn advance(&mut self, to: u64, reach: Reach) -> Occasion {
        self.is_current = reach == Reach::CaughtUp;
        self.has_heard = true;
        if matches!(self.asked, Asked::Rest(_)) {
            self.asked = Asked::Nothing;
        }
        match &mut self.pass {
            Some(pass) if reach == Reach::Part => pass.position = to,
            None => self.settled = Some(to),
            Some(_) => {
                self.settled = Some(to);
                self.pass = None;
                return Occasion::PassEnd;
            }
        }
        Occasion::InPassing
    }

    /// Compares our hash and the owner's at the version up to which everything is applied.
    pub(super) fn compare(&mut self, now: Instant, ours: u128, theirs: u128, when: Occasion) -> Comparison {
        if ours == theirs {
            self.repair = Repair::Idle;
            return Comparison::Equal;
        }
        let at = self.settled.unwrap_or(0);
        match self.repair {
            Repair::Running if when == Occasion::PassEnd && self.asked == Asked::Nothing => {
                self.repair = Repair::GivenUp { version: at, until: now + REPAIR_PAUSE };
                Comparison::Unrepaired
            }
            Repair::Running => Comparison::Known,
            Repair::GivenUp { version, until } if version == at || now < until => Comparison::Known,
            Repair::Idle | Repair::GivenUp { .. } => {
                self.repair = Repair::Running;
                self.asked = Asked::Pass(Answer::Unasked);
                Comparison::Repairing
            }
        }
    }

    /// Whether a comparison that came out different is not over.
    pub(super) fn is_repairing(&self) -> bool {
        self.repair != Repair::Idle
    }

    /// Asks for a pass whatever the hashes say.
    pub(super) fn verify(&mut self) {
        self.verify = Verify::Wanted;
        self.asked = Asked::Pass(Answer::Unasked);
    }

    /// Whether the pass that ended just now was one that was asked to verify.
    pub(super) fn take_verified(&mut self) -> bool {
        let is_verified = self.verify == Verify::Running;
        if is_verified {
            self.verify = Verify::Idle;
        }
        is_verified
    }

    /// What to send to the owner. A pass is asked for in its turn only.
    pub(super) fn poll_ask(&mut self, incarnation: Incarnation, has_turn: bool) -> Option<Ask> {
        if self.wants_pass() && !has_turn {
            return None;
        }
        let position = match self.asked {
            Asked::Rest(Answer::Unasked) => {
                self.asked = Asked::Rest(Answer::Awaited);
                self.state_position(incarnation)
            }
            Asked::Pass(Answer::Unasked) => {
                self.asked = Asked::Pass(Answer::Awaited);
                Position::Nothing
            }
            Asked::Nothing | Asked::Rest(Answer::Awaited) | Asked::Pass(Answer::Awaited) => return None,
        };
        Some(Ask { position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCARNATION: Incarnation = Incarnation { epoch: 1, nonce: 1 };

    #[test]
    fn a_delta_is_judged_by_its_versions() {
        let mut receiver = Receiver::default();
        assert_eq!(
            receiver.judge(0, 5, Reach::CaughtUp),
            Judgement::Gap,
            "without a pass there is nothing to go on from"
        );
        receiver.begin(10);
        receiver.advance(10, Reach::Part);
        for (from, to, reach, judgement) in [
            (10, 12, Reach::Part, Judgement::Apply),
            (8, 12, Reach::Part, Judgement::Apply),
            (10, 10, Reach::CaughtUp, Judgement::Apply),
            (8, 10, Reach::Part, Judgement::Duplicate),
            (11, 12, Reach::Part, Judgement::Gap),
            (12, 11, Reach::Part, Judgement::Impossible),
            (0, 9, Reach::CaughtUp, Judgement::Impossible),
        ] {
            assert_eq!(receiver.judge(from, to, reach), judgement, "{from} to {to}");
        }
    }

    #[test]
    fn a_pass_ends_with_the_first_delta_that_is_caught_up() {
        let mut receiver = Receiver::default();
        assert!(!receiver.begin(10));
        assert_eq!(receiver.advance(6, Reach::Part), Occasion::InPassing);
        let position = Position::Pass { incarnation: INCARNATION, start: 10, position: 6 };
        assert_eq!((receiver.state_position(INCARNATION), receiver.settled()), (position, None));
        assert!(receiver.begin(11), "it begins again");
        assert_eq!(receiver.advance(12, Reach::CaughtUp), Occasion::PassEnd);
        assert_eq!(receiver.advance(13, Reach::CaughtUp), Occasion::InPassing);
        let position = Position::At { incarnation: INCARNATION, version: 13 };
        assert_eq!((receiver.state_position(INCARNATION), receiver.is_current()), (position, true));
    }

    #[test]
    fn a_pass_from_before_what_was_heard_is_past_within_a_session_only() {
        let mut receiver = Receiver::default();
        assert!(!receiver.is_past(10));
        receiver.begin(10);
        assert!(!receiver.is_past(10) && receiver.is_past(9));
        receiver.advance(11, Reach::CaughtUp);
        assert!(receiver.is_past(10) && !receiver.is_past(11));
        receiver.connect();
        assert!(!receiver.is_past(10), "an owner begins where it is, whatever we were told before");
    }

    #[test]
    fn a_question_is_sent_once_a_session() {
        let pass = Ask { position: Position::Nothing };
        let mut receiver = Receiver::default();
        receiver.verify();
        assert_eq!(receiver.poll_ask(INCARNATION, false), None, "it is not its turn");
        assert_eq!(receiver.poll_ask(INCARNATION, true), Some(pass));
        assert_eq!(receiver.poll_ask(INCARNATION, true), None);
        receiver.connect();
        assert_eq!(receiver.poll_ask(INCARNATION, true), Some(pass));
        receiver.begin(1);
        receiver.connect();
        assert_eq!(receiver.poll_ask(INCARNATION, true), None);
        receiver.advance(1, Reach::CaughtUp);
        assert!(receiver.take_verified());
        assert!(!receiver.take_verified());
    }

    #[test]
    fn a_difference_is_repaired_once_and_again_only_after_a_change_and_a_pause() {
        let (now, later) = (Instant::ORIGIN, Instant::ORIGIN + REPAIR_PAUSE);
        let mut receiver = Receiver::default();
        receiver.begin(1);
        receiver.advance(1, Reach::CaughtUp);
        assert_eq!(receiver.compare(now, 1, 2, Occasion::InPassing), Comparison::Repairing);
        assert_eq!(receiver.compare(now, 1, 2, Occasion::InPassing), Comparison::Known);
        receiver.begin(1);
        receiver.advance(1, Reach::CaughtUp);
        assert_eq!(receiver.compare(now, 1, 2, Occasion::PassEnd), Comparison::Unrepaired);
        assert_eq!(
            receiver.compare(later, 1, 2, Occasion::InPassing),
            Comparison::Known,
            "nothing has changed"
        );
        receiver.advance(2, Reach::CaughtUp);
        assert_eq!(receiver.compare(now, 1, 2, Occasion::InPassing), Comparison::Known, "too early");
        assert_eq!(receiver.compare(later, 1, 2, Occasion::InPassing), Comparison::Repairing);
        assert_eq!(receiver.compare(later, 1, 1, Occasion::InPassing), Comparison::Equal);
    }
}
