//! Requests to other nodes: the application's own, and the commands that every node understands.
//!
//! ```text
//! application  | 1 | length of the name: 2 | name | payload |
//! dump         | 2 | suffix |
//! shutdown     | 3 |
//! verify       | 4 |
//! blank        | 5 | nothing, or a version: 8 |
//! wall clock   | 6 |
//! view         | 7 |
//! call back    | 8 |
//! ```
//! A command has one outcome per member and is never kept, resumed or repeated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cluster_transport::endpoint::{RequestError, SessionHandle};
use cluster_transport::proto::NodeId;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::requests::{FailureCode, RequestId};
use tokio::sync::broadcast::error::RecvError;

use super::Cluster;
use super::calling_back::{CALL_BACK, call_back};
use super::error::RequestFailure;
use super::host_task::HostShare;
use super::inner::Inner;
use super::matrix::MatrixRow;
use super::{probe, status};
use crate::config::AcceptedCommand;

/// How long a member may take to carry a command out.
const COMMAND_DEADLINE: Duration = Duration::from_secs(5);
/// How long the passes of a verify may take, so that their outcome still arrives in time.
const VERIFY_DEADLINE: Duration = Duration::from_secs(4);

const APPLICATION: u8 = 1;
const DUMP: u8 = 2;
const SHUTDOWN: u8 = 3;
const VERIFY: u8 = 4;
const BLANK: u8 = 5;
/// Asks a member for its wall clock: milliseconds since 1970, 8 bytes.
pub(super) const WALL_CLOCK: u8 = 6;
/// Asks a member for what it sees, in JSON.
pub(super) const VIEW: u8 = 7;

/// Something that a node asks of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Dump {
        suffix: String,
    },
    Shutdown,
    Verify,
    /// Up to which version of its own state the member forgets its rooms; none for all that it has when it hears of it.
    Blank {
        until: Option<u64>,
    },
}

/// What became of a command at one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It was carried out.
    Done,
    /// The member does not do it, and says why.
    Refused(String),
    /// The member did not answer, or could not be asked; it may have done it all the same.
    Unreachable(String),
}

/// What became of a command, by member.
pub type Outcomes = BTreeMap<NodeId, CommandOutcome>;

/// What a reset does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Every member compares what it has with each owner, by a pass over the owner's state. Live rooms are untouched.
    Verify,
    /// Every member first forgets its own rooms and who is in them, as the original did; then as above.
    Blank,
}

impl Command {
    fn encode(&self) -> Bytes {
        match self {
            Self::Dump { suffix } => [&[DUMP], suffix.as_bytes()].concat().into(),
            Self::Shutdown => Bytes::from_static(&[SHUTDOWN]),
            Self::Verify => Bytes::from_static(&[VERIFY]),
            Self::Blank { until: None } => Bytes::from_static(&[BLANK]),
            Self::Blank { until: Some(version) } => [&[BLANK], &version.to_be_bytes()[..]].concat().into(),
        }
    }

    fn kind(&self) -> AcceptedCommand {
        match self {
            Self::Dump { .. } => AcceptedCommand::Dump,
            Self::Shutdown => AcceptedCommand::Shutdown,
            Self::Verify => AcceptedCommand::Verify,
            Self::Blank { .. } => AcceptedCommand::Blank,
        }
    }
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Application { name: String, payload: Bytes },
    Command(Command),
    WallClock,
    View,
    CallBack,
}

impl Request {
    /// `None` if nobody here understands it.
    fn decode(mut bytes: Bytes) -> Option<Self> {
        let text = |bytes: Bytes| String::from_utf8(bytes.into()).ok();
        match bytes.try_get_u8().ok()? {
            APPLICATION => {
                let length = usize::from(bytes.try_get_u16().ok()?);
                if bytes.len() < length {
                    return None;
                }
                let name = text(bytes.split_to(length))?;
                Some(Self::Application { name, payload: bytes })
            }
            DUMP => text(bytes).map(|suffix| Self::Command(Command::Dump { suffix })),
            SHUTDOWN => Some(Self::Command(Command::Shutdown)),
            VERIFY => Some(Self::Command(Command::Verify)),
            BLANK if bytes.is_empty() => Some(Self::Command(Command::Blank { until: None })),
            BLANK => {
                bytes.try_get_u64().ok().map(|version| Self::Command(Command::Blank { until: Some(version) }))
            }
            WALL_CLOCK => Some(Self::WallClock),
            VIEW => Some(Self::View),
            CALL_BACK => bytes.is_empty().then_some(Self::CallBack),
            _ => None,
        }
    }
}

/// Sees to a request of a peer: at once, through the host, or in a task of its own.
pub(super) fn take_request(inner: &Arc<Inner>, session: &Arc<SessionHandle>, id: RequestId, payload: Bytes) {
    let Some(request) = Request::decode(payload) else {
        session.fail(id, FailureCode::NOT_HANDLED, "this version knows no such request");
        return;
    };
    let command = match request {
        Request::Application { name, payload } => {
            let Some(share) = host_share(inner, session, id, name.len() + payload.len()) else { return };
            return inner.host_queue.push_request(Arc::clone(session), id, name, payload, share);
        }
        Request::WallClock => {
            session.reply(id, Payload::Copied(&probe::wall_clock()));
            return;
        }
        Request::View => {
            let view = MatrixRow::of(&status::of(inner)).encode();
            session.reply(id, Payload::Shared(view));
            return;
        }
        Request::CallBack => return call_back(inner, session, id),
        Request::Command(command) => command,
    };
    if !inner.config().accepted_commands().contains(&command.kind()) {
        let text = format!("this node's commands.accept leaves {} out", command.kind());
        session.fail(id, FailureCode::APPLICATION, &text);
        return;
    }
    match command {
        Command::Dump { .. } | Command::Shutdown => {
            let Some(share) = host_share(inner, session, id, 0) else { return };
            inner.host_queue.push_command(Arc::clone(session), id, command, share)
        }
        Command::Verify | Command::Blank { .. } => {
            let Some(share) = inner.allowances.verifying.take(session.peer(), 1) else {
                return too_many(inner, session, id);
            };
            let (inner, session) = (Arc::clone(inner), Arc::clone(session));
            tokio::spawn(async move {
                let _share = share;
                match carry_out(&inner, command).await {
                    CommandOutcome::Done => session.reply(id, Payload::Copied(&[])),
                    CommandOutcome::Refused(why) | CommandOutcome::Unreachable(why) => {
                        session.fail(id, FailureCode::APPLICATION, &why)
                    }
                }
            });
        }
    }
}

/// Room for one more request of a member at the host; without it the member is told so.
///
/// A request may be over for its asker and still wait here: so what waits counts, and not what is under way.
fn host_share(inner: &Inner, session: &SessionHandle, id: RequestId, bytes: usize) -> Option<HostShare> {
    let of = session.peer();
    let allowed = &inner.allowances;
    let share = allowed.requests.take(of, 1).zip(allowed.request_bytes.take(of, bytes));
    if share.is_none() {
        too_many(inner, session, id);
    }
    share
}

fn too_many(inner: &Inner, session: &SessionHandle, id: RequestId) {
    inner.defending.request_refused();
    session.fail(id, FailureCode::TOO_MANY, "too many requests of this member wait here: ask again later");
}

/// Verifies, after blanking if that is wanted.
async fn carry_out(inner: &Inner, command: Command) -> CommandOutcome {
    if let Command::Blank { until } = command {
        let version = inner.read(|engine| engine.state().version());
        let until = until.map_or(version, |until| until.min(version));
        while !inner.with_engine(|engine, now| engine.blank(now, until)) {
            tokio::task::yield_now().await;
        }
    }
    let mut verified = inner.verifications();
    let mut asked = inner.with_engine(|engine, now| engine.verify(now));
    inner.wake_all();
    inner.keeping.offer_all();
    let all = async {
        while !asked.is_empty() {
            match verified.recv().await {
                Ok(owner) => asked.retain(|node| *node != owner),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    let in_time = tokio::time::timeout(VERIFY_DEADLINE, all).await.is_ok();
    // An owner that was removed meanwhile has nothing that could be verified.
    asked.retain(|node| inner.read(|engine| engine.members().member(node).is_some()));
    if in_time || asked.is_empty() {
        return CommandOutcome::Done;
    }
    let names: Vec<_> = asked.iter().map(NodeId::as_str).collect();
    CommandOutcome::Refused(format!("no complete pass of {} within {VERIFY_DEADLINE:?}", names.join(", ")))
}

/// Requests and commands.
impl Cluster {
    /// Asks the host of another node and waits for its answer. Dropping the future cancels the request.
    ///
    /// # Errors
    /// When there is no session with the node, it refuses, the deadline passes, or the link is lost.
    pub async fn request(
        &self,
        node: &NodeId,
        name: &str,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Bytes, RequestFailure> {
        let too_long = |_| RequestFailure::NameTooLong { len: name.len(), limit: u16::MAX.into() };
        let length = u16::try_from(name.len()).map_err(too_long)?;
        let mut message = BytesMut::with_capacity(3 + name.len() + payload.len());
        message.put_u8(APPLICATION);
        message.put_u16(length);
        message.put_slice(name.as_bytes());
        message.put_slice(payload);
        self.inner.ask(node, message.freeze(), timeout).await
    }

    /// Asks every other member for a dump.
    pub async fn dump(&self, suffix: &str) -> Outcomes {
        self.command(|_| Command::Dump { suffix: suffix.to_owned() }).await
    }

    /// Asks every other member to shut down. To be called before this node does.
    pub async fn shutdown_others(&self) -> Outcomes {
        self.command(|_| Command::Shutdown).await
    }

    /// Has every member, this one included, check what it has of every other, and offer its registers to Redis again. Repeats are
    /// harmless, from several nodes at once too; allowed in any state.
    ///
    /// [`Reset::Blank`] removes what this node has heard of by now: what clients subscribe to from now on stays.
    pub async fn reset(&self, reset: Reset) -> Outcomes {
        let heard = self.inner.read(|engine| {
            engine.state().view().map(|owner| (owner.node, owner.version)).collect::<BTreeMap<_, _>>()
        });
        let command = |node: &NodeId| match reset {
            Reset::Verify => Command::Verify,
            Reset::Blank => Command::Blank { until: heard.get(node).copied() },
        };
        let own = carry_out(&self.inner, command(self.node_id()));
        let (own, mut outcomes) = tokio::join!(own, self.command(command));
        outcomes.insert(self.node_id().clone(), own);
        outcomes
    }

    async fn command(&self, command: impl Fn(&NodeId) -> Command) -> Outcomes {
        let message = |node: &NodeId| command(node).encode();
        let answers = self.ask_all(self.members(), message, COMMAND_DEADLINE).await;
        answers.into_iter().map(|(node, answer)| (node, outcome_of(answer))).collect()
    }

    /// Asks each of these members, all at once, and waits for all outcomes.
    pub(super) async fn ask_all(
        &self,
        members: Vec<NodeId>,
        message: impl Fn(&NodeId) -> Bytes,
        deadline: Duration,
    ) -> Vec<(NodeId, Result<Bytes, RequestFailure>)> {
        let asks = members.into_iter().map(|node| {
            let (inner, message) = (Arc::clone(&self.inner), message(&node));
            let ask = tokio::spawn(async move {
                let answer = inner.ask(&node, message, deadline).await;
                (node, answer)
            });
            tokio_util::task::AbortOnDropHandle::new(ask)
        });
        let mut answers = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            answers.extend(ask.await);
        }
        answers
    }
}

fn outcome_of(answer: Result<Bytes, RequestFailure>) -> CommandOutcome {
    match answer {
        Ok(_) => CommandOutcome::Done,
        Err(RequestFailure::Request(RequestError::Failed { text, .. })) => CommandOutcome::Refused(text),
        Err(failure) => CommandOutcome::Unreachable(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back_as_they_went() {
        for command in [
            Command::Dump { suffix: "x".into() },
            Command::Shutdown,
            Command::Verify,
            Command::Blank { until: None },
        ] {
            assert_eq!(Request::decode(command.encode()), Some(Request::Command(command)));
        }
    }

    #[test]
    fn requests_are_those_of_the_document() {
        let mut chapter = crate::protocol_md::Chapter::of("Requests of the engine");
        for (name, command) in [
            ("Dump", Command::Dump { suffix: "x".into() }),
            ("Shutdown", Command::Shutdown),
            ("Verify", Command::Verify),
            ("Blank", Command::Blank { until: None }),
            ("Blank until", Command::Blank { until: Some(300) }),
        ] {
            let bytes = chapter.take(name);
            assert_eq!(command.encode(), bytes, "{name}");
            assert_eq!(Request::decode(bytes.into()), Some(Request::Command(command)), "{name}");
        }
        assert_eq!(Request::decode(chapter.take("Call back").into()), Some(Request::CallBack));
        let application = Request::Application { name: "mine".into(), payload: Bytes::from_static(b"{}") };
        assert_eq!(Request::decode(chapter.take("Application").into()), Some(application));
        for (name, request) in [("Wall clock", Request::WallClock), ("View", Request::View)] {
            assert_eq!(Request::decode(chapter.take(name).into()), Some(request), "{name}");
        }
        chapter.assert_empty();
    }

    #[test]
    fn what_is_no_request_is_not_understood() {
        for bytes in [&[][..], &[9], &[1, 0], &[1, 0, 5, b'a'], &[2, 0xff], &[5, 1]] {
            assert_eq!(Request::decode(Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
