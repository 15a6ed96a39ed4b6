//! Whether others reach this node where it says that it can be dialled: a member tries, and tells.
//!
//! ```text
//! call back | 8 |
//! answer    | milliseconds since 1970: 8 | count: 1 | count x ( length: 2 | address | length: 2 | what was wrong, or nothing ) |
//! ```
//! A member tries the addresses of the asker's own Hello and no others, over TCP or as QUIC servers are asked for a sign of
//! life, each once, and a few at a time: it is of no use to whoever wants to know what else listens on its network.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cluster_transport::endpoint::SessionHandle;
use cluster_transport::link::reach;
use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::requests::{FailureCode, RequestId};
use cluster_transport::proto::{Address, NodeId};
use tokio::sync::Semaphore;

use super::Cluster;
use super::error::RequestFailure;
use super::inner::Inner;

/// The kind of the request.
pub(super) const CALL_BACK: u8 = 8;
/// How many askers are seen to at a time.
const AT_A_TIME: usize = 4;
/// How long an address may take; one for QUIC as long again, if UDP does not answer there.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the asker waits.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest text of what was wrong, in bytes.
const MAX_TEXT: usize = 300;

/// What a member found when it called this node back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalledBack {
    /// What its wall clock showed.
    pub clock: SystemTime,
    /// The addresses that this node advertises, as that member has them, and why each could not be reached; nothing if it could.
    pub addresses: Vec<(Address, Option<String>)>,
}

/// How many are seen to.
#[derive(Debug)]
pub(super) struct CallingBack(Arc<Semaphore>);

impl Default for CallingBack {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// Tries the asker's addresses, in a task of its own.
pub(super) fn call_back(inner: &Arc<Inner>, session: &Arc<SessionHandle>, id: RequestId) {
    let Ok(permit) = Arc::clone(&inner.calling_back.0).try_acquire_owned() else {
        session.fail(id, FailureCode::APPLICATION, "others are called back just now: ask again");
        return;
    };
    let addresses = inner.read(|engine| {
        let asker = engine.members().member(session.peer());
        asker.map(|member| member.addresses().to_vec()).unwrap_or_default()
    });
    let session = Arc::clone(session);
    tokio::spawn(async move {
        let tries: Vec<_> = addresses
            .into_iter()
            .map(|address| tokio::spawn(async move { (reach(&address, CONNECT).await, address) }))
            .collect();
        let mut found = Vec::new();
        for tried in tries {
            if let Ok((reached, address)) = tried.await {
                found.push((address, reached.err().map(|problem| problem.to_string())));
            }
        }
        session.reply(id, Payload::Shared(encode(SystemTime::now(), &found)));
        drop(permit);
    });
}

fn encode(clock: SystemTime, found: &[(Address, Option<String>)]) -> Bytes {
    let mut bytes = BytesMut::new();
    let since = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
    bytes.put_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    bytes.put_u8(u8::try_from(found.len()).unwrap_or(u8::MAX));
    for (address, problem) in found.iter().take(usize::from(u8::MAX)) {
        put_text(&mut bytes, &address.to_string());
        put_text(&mut bytes, problem.as_deref().unwrap_or_default());
    }
    bytes.freeze()
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    bytes.put_u16(u16::try_from(text.len()).unwrap_or(0));
    bytes.put_slice(text.as_bytes());
}

fn decode(mut bytes: Bytes) -> Option<CalledBack> {
    let clock = UNIX_EPOCH.checked_add(Duration::from_millis(bytes.try_get_u64().ok()?))?;
    let count = bytes.try_get_u8().ok()?;
    let mut addresses = Vec::new();
    for _ in 0..count {
        let address = take_text(&mut bytes)?.parse().ok()?;
        let problem = take_text(&mut bytes)?;
        addresses.push((address, Some(problem).filter(|problem| !problem.is_empty())));
    }
    bytes.is_empty().then_some(CalledBack { clock, addresses })
}

fn take_text(bytes: &mut Bytes) -> Option<String> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    if length > bytes.len() {
        return None;
    }
    String::from_utf8(bytes.split_to(length).into()).ok()
}

impl Cluster {
    /// Has a member try whether it reaches this node where this one says that it can be dialled, over TCP or UDP. At most 5 s.
    /// Cancel safe.
    ///
    /// # Errors
    /// When there is no session with the member, it is busy or too old for it, or does not answer.
    pub async fn call_back(&self, node: &NodeId) -> Result<CalledBack, RequestFailure> {
        let answer = self.inner.ask(node, Bytes::from_static(&[CALL_BACK]), ANSWER).await?;
        decode(answer).ok_or_else(|| RequestFailure::Nonsense { node: node.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_went_and_a_cut_one_is_nonsense() {
        let found = vec![
            ("tcp://10.0.0.1:7511".parse().unwrap(), None),
            ("tcp://host:1".parse().unwrap(), Some("é".repeat(200))),
        ];
        let clock = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
        let bytes = encode(clock, &found);
        let back = decode(bytes.clone()).unwrap();
        assert_eq!((back.clock, &back.addresses[0]), (clock, &found[0]));
        assert_eq!(back.addresses[1].1, Some("é".repeat(MAX_TEXT / 2)));
        for end in 0..bytes.len() {
            assert_eq!(decode(bytes.slice(..end)), None);
        }
    }
}
