//! Two sessions, from a push into a lane to the acknowledgement of what was handed over, without a link.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and its entry is made by a macro"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use cluster_transport::proto::body::Positions;
use cluster_transport::proto::frame::PREFIX;
use cluster_transport::proto::lanes::{LaneSettings, Payload, PeerLanes};
use cluster_transport::proto::session::{Session, SessionEvent, SessionStart};
use cluster_transport::proto::{Incarnation, Instant, Lane, SessionId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// How many messages are pushed before the link carries them.
const BATCH: u64 = 4_096;

struct End {
    session: Session,
    lanes: Arc<PeerLanes>,
}

impl End {
    fn new(peer: &str) -> Self {
        let settings = LaneSettings::default();
        let lanes = Arc::new(PeerLanes::new(&settings));
        let session = Session::new(SessionStart {
            session: SessionId(1),
            peer: peer.parse().unwrap(),
            incarnation: Incarnation { epoch: 1, nonce: 1 },
            version: 1,
            we_dialled: true,
            peer_windows: settings.windows,
            peer_positions: Positions::default(),
            lanes: Arc::clone(&lanes),
        });
        Self { session, lanes }
    }

    /// Carries everything that this end has to say to the other one, which takes it at once.
    fn carry_to(&mut self, other: &mut Self) -> u64 {
        let (mut out, mut messages) = (VecDeque::new(), 0);
        while {
            let more = self.session.poll_transmit(&mut out, 256 * 1024);
            messages += other.take(&mut out);
            more
        } {}
        messages
    }

    fn take(&mut self, out: &mut VecDeque<Bytes>) -> u64 {
        let mut read = BytesMut::with_capacity(512 * 1024);
        out.drain(..).for_each(|piece| read.extend_from_slice(&piece));
        let now = Instant::after_origin(std::time::Duration::ZERO);
        while let Some(length) = read.first_chunk::<PREFIX>().map(|length| u32::from_be_bytes(*length)) {
            read.advance(PREFIX);
            self.session.handle_frame(now, read.split_to(length as usize).freeze());
        }
        let mut messages = 0;
        while let Some(event) = self.session.poll_event() {
            if let SessionEvent::Batch(batch) = event {
                messages += batch.iter().count() as u64;
                self.lanes.done(batch.lane(), batch.end());
            }
        }
        messages
    }
}

fn publish(criterion: &mut Criterion) {
    for len in [100, 1024] {
        let (mut a, mut b) = (End::new("b"), End::new("a"));
        let message = vec![7; len];
        let mut group = criterion.benchmark_group("publish through a pair of sessions");
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function(format!("messages of {len} bytes"), |bencher| {
            bencher.iter(|| {
                for _ in 0..BATCH {
                    a.lanes.push(Lane::Notifications, Payload::Copied(&message)).unwrap();
                }
                let mut arrived = 0;
                while arrived < BATCH {
                    arrived += a.carry_to(&mut b);
                    b.carry_to(&mut a);
                }
            });
        });
    }
}

criterion_group!(benches, publish);
criterion_main!(benches);
