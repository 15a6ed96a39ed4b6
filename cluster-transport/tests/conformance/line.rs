//! A line between a dialler and the network that can be cut, whatever carries the links.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use cluster_transport::endpoint::{Connecting, Connector};
use cluster_transport::link::{Link, LinkReader, LinkWriter};
use cluster_transport::proto::Address;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Cuts the links that were dialled through it, at the dialler's end. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Line {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The links that stand until the next cut.
    standing: CancellationToken,
    /// Halves of links that were cut at one end only: as long as they are here, the peer sees nothing.
    kept: Option<Vec<Box<dyn Send>>>,
}

impl Line {
    /// The links that stand break, and both ends find out.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut self.state.lock().unwrap().standing).cancel();
    }

    /// The links that stand break at the dialler's end. The other end hears nothing any more, and is not told.
    pub(crate) fn cut_at_one_end(&self) {
        self.state.lock().unwrap().kept.get_or_insert_default();
        self.cut();
    }

    /// The connector with the line before it.
    pub(crate) fn over(&self, connector: Arc<dyn Connector>) -> impl Connector + use<> {
        Cuttable { line: self.clone(), connector }
    }

    fn through(&self, link: Link) -> Link {
        let standing = self.state.lock().unwrap().standing.clone();
        Link {
            reader: Box::new(Half::new(self, &standing, link.reader)),
            writer: Box::new(Half::new(self, &standing, link.writer)),
            ..link
        }
    }
}

struct Cuttable {
    line: Line,
    connector: Arc<dyn Connector>,
}

impl Connector for Cuttable {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
        deadline: tokio::time::Instant,
        reached: &'a (dyn Fn() + Send + Sync),
    ) -> Connecting<'a> {
        Box::pin(async move {
            let link = self.connector.connect(address, deadline, reached).await?;
            Ok(self.line.through(link))
        })
    }
}

/// Half of a link on a line.
struct Half<T: Send + 'static> {
    line: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    half: Option<T>,
}

impl<T: Send + 'static> Half<T> {
    fn new(line: &Line, standing: &CancellationToken, half: T) -> Self {
        let cut = Box::pin(standing.clone().cancelled_owned());
        Self { line: line.clone(), cut, half: Some(half) }
    }

    /// The half, as long as the line stands.
    fn standing(&mut self, cx: &mut Context<'_>) -> io::Result<&mut T> {
        let cut = self.cut.as_mut().poll(cx).is_ready();
        self.half.as_mut().filter(|_| !cut).ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl<T: Send + 'static> Drop for Half<T> {
    fn drop(&mut self) {
        if let (Some(kept), Some(half)) = (&mut self.line.state.lock().unwrap().kept, self.half.take()) {
            kept.push(Box::new(half));
        }
    }
}

impl AsyncRead for Half<LinkReader> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.standing(cx)?).poll_read(cx, buf)
    }
}

impl AsyncWrite for Half<LinkWriter> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.standing(cx)?).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.standing(cx)?).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.standing(cx)?).poll_shutdown(cx)
    }
}
