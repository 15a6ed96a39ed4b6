//! Numbered notifications between two members, to show that trouble elsewhere costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::Member;
use crate::member::room;

/// How many notifications may be on their way: enough to keep the link busy, far from what is shed.
const IN_FLIGHT: u64 = 64;
/// How many are sent at least.
const AT_LEAST: u64 = 500;

/// A stream of numbered notifications from one member to another, for as long as it is not finished.
#[derive(Debug)]
pub struct Traffic {
    finish: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: crate::Recorder,
}

impl Traffic {
    /// Begins. The receiver gets a subscriber in this room, which is to be used for nothing else.
    pub async fn start(from: &Member, to: &Member, number: u8) -> Self {
        let room = room(number);
        to.subscribe(u64::MAX, &room).await;
        let (cluster, receiver) = (from.cluster.clone(), to.recorder.clone());
        let finish = Arc::new(AtomicBool::new(false));
        let (finished, arrived) = (Arc::clone(&finish), receiver.clone());
        let sender = tokio::spawn(async move {
            let mut sent = 0_u64;
            while sent < AT_LEAST || !finished.load(Ordering::Relaxed) {
                arrived.documents_are(sent.saturating_sub(IN_FLIGHT)).await;
                let notified = cluster.notify_document(&[room.id()], &sent.to_be_bytes());
                assert!(notified.nodes >= 1 && notified.shed == 0, "{notified:?}");
                sent += 1;
            }
            sent
        });
        Self { finish, sender, receiver }
    }

    /// Ends, and asserts that every number has arrived, once and in order.
    pub async fn finish(self) {
        self.finish.store(true, Ordering::Relaxed);
        let sent = self.sender.await.unwrap();
        self.receiver.documents_are(sent).await;
        let expected: Vec<Vec<u8>> = (0..sent).map(|number| number.to_be_bytes().to_vec()).collect();
        assert_eq!(self.receiver.documents(), expected);
    }
}
