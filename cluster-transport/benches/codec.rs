//! What a segment of messages costs to write and to read, without a link.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and its entry is made by a macro"
)]

use std::hint::black_box;

use bytes::{BufMut, Bytes, BytesMut};
use cluster_transport::proto::Lane;
use cluster_transport::proto::frame::{Decoded, Frame, MAX_FRAME, PREFIX, Segment};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A full segment of messages of this length, as a frame without its prefix, and how many messages it has.
fn segment(len: u16) -> (Bytes, u32) {
    let each = 2 + usize::from(len);
    let count = u32::try_from((MAX_FRAME - 64) / each).unwrap();
    let mut packed = BytesMut::new();
    for _ in 0..count {
        packed.put_u16(len);
        packed.put_bytes(7, usize::from(len));
    }
    let segment = Segment { lane: Lane::Notifications, first: 0, count, packed: packed.freeze() };
    (Frame::Segment(segment).encode().slice(PREFIX..), count)
}

fn decode(criterion: &mut Criterion) {
    for len in [100, 1024] {
        let (frame, count) = segment(len);
        let mut group = criterion.benchmark_group("decode a segment");
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("messages of {len} bytes"), |bencher| {
            bencher.iter(|| match Frame::decode(frame.clone()) {
                Ok(Decoded::Known(Frame::Segment(segment))) => {
                    segment.messages().map(|message| message.len()).sum()
                }
                other => black_box(format!("{other:?}")).len(),
            });
        });
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
