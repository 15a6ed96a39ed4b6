//! Whether a client takes what is written to it, as its socket tells.
//!
//! All that goes to a client goes through a [`Watched`] stream: texts, and the pongs that its pings are answered with. The system tells
//! of room when about a third of its own buffer is free again, so a client takes something in steps of that size.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What is known of a client's taking.
#[derive(Debug, Default)]
pub(super) struct Taking {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Since when nothing of what is to be written has been taken.
    stuck: Option<Instant>,
    /// How often something was taken that had been stuck.
    times: u64,
}

impl Taking {
    /// Resolves when something has to be written that the client does not take just now. Cancel safe.
    pub(super) async fn sticks(&self) {
        self.once(|state| state.stuck).await;
    }

    /// Resolves when the client has next taken something that was stuck. Cancel safe.
    pub(super) async fn goes_on(&self) {
        let before = self.state().times;
        self.once(|state| (state.times != before).then_some(())).await;
    }

    /// Resolves when the client has taken nothing for so long, although there was something to take. Cancel safe.
    pub(super) async fn stalls(&self, span: Duration) {
        loop {
            let since = self.once(|state| state.stuck).await;
            sleep_until(since + span).await;
            if self.state().stuck == Some(since) {
                return;
            }
        }
    }

    async fn once<T>(&self, is: impl Fn(State) -> Option<T>) -> T {
        loop {
            // It hears of what changes from here on.
            let changed = self.changed.notified();
            let state = *self.state();
            match is(state) {
                Some(value) => return value,
                None => changed.await,
            }
        }
    }

    fn is_written(&self, written: bool) {
        let mut state = self.state();
        match (written, state.stuck) {
            (true, Some(_)) => *state = State { stuck: None, times: state.times.wrapping_add(1) },
            (false, None) => state.stuck = Some(Instant::now()),
            (true, None) | (false, Some(_)) => return,
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that notes whether what is written to it is taken.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    taking: Arc<Taking>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Taking>) {
        let taking = Arc::<Taking>::default();
        (Self { stream, taking: Arc::clone(&taking) }, taking)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.taking.is_written(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    const SPAN: Duration = Duration::from_secs(60);
    const NEARLY: Duration = Duration::from_secs(59);

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_in_time_does_not_stall_and_who_takes_none_does() {
        let (end, mut client) = duplex(1);
        let (mut stream, taking) = Watched::new(end);
        assert!(taking.sticks().now_or_never().is_none());
        let reads = async {
            for _ in 0..9 {
                sleep(NEARLY).await;
                client.read_u8().await.expect("a byte");
            }
            std::future::pending::<()>().await;
        };
        let began = Instant::now();
        tokio::select! {
            () = taking.stalls(SPAN) => {}
            () = reads => {}
            _ = stream.write_all(&[0; 100]) => panic!("not all was taken"),
        }
        assert_eq!(began.elapsed(), NEARLY * 9 + SPAN);
        assert!(taking.sticks().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_taken_all_may_take_nothing_for_as_long_as_there_is_nothing() {
        let (end, mut client) = duplex(1);
        let (mut stream, taking) = Watched::new(end);
        let mut bytes = [0; 9];
        let (written, read) = tokio::join!(stream.write_all(&[0; 9]), client.read_exact(&mut bytes));
        assert!(written.is_ok() && read.is_ok());
        assert!(tokio::time::timeout(SPAN * 10, taking.stalls(SPAN)).await.is_err());
    }
}
