use super::*;

fn batch(lane: Lane, end: u64, messages: &[&[u8]]) -> Batch {
    let mut packed = Vec::new();
    for message in messages {
        packed.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        packed.extend_from_slice(message);
    }
    let count = u32::try_from(messages.len()).unwrap();
    Batch { lane, end, content: Content::Packed { packed: packed.into(), count } }
}

#[test]
fn small_batches_that_follow_each_other_become_one() {
    let mut all = batch(Lane::Events, 2, &[b"a", b"bc"]);
    all.join(batch(Lane::Events, 3, &[b""])).unwrap();
    all.join(batch(Lane::Events, 5, &[b"d", b"e"])).unwrap();
    assert_eq!((all.len(), all.end(), all.bytes()), (5, 5, 15));
    assert_eq!(all.iter().collect::<Vec<_>>(), [&b"a"[..], b"bc", b"", b"d", b"e"]);
    assert_eq!(all.into_messages().collect::<Vec<_>>(), [&b"a"[..], b"bc", b"", b"d", b"e"]);
}

#[test]
fn batches_that_do_not_follow_or_are_long_stay_apart() {
    let first = || batch(Lane::Events, 2, &[b"a", b"bc"]);
    let long = vec![0; JOINED];
    let whole = Batch { lane: Lane::Events, end: 3, content: Content::Whole(Bytes::from_static(b"x")) };
    for next in [
        batch(Lane::Notifications, 3, &[b"x"]),
        batch(Lane::Events, 4, &[b"x"]),
        batch(Lane::Events, 2, &[b"x"]),
        batch(Lane::Events, 3, &[&long]),
        whole.clone(),
    ] {
        let mut held = first();
        assert_eq!(held.join(next.clone()), Err(next));
        assert_eq!(held, first());
    }
    let mut held = whole.clone();
    assert!(held.join(batch(Lane::Events, 4, &[b"x"])).is_err());
    assert_eq!(held, whole);
}
