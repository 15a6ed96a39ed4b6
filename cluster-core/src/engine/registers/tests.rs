//! Copies that hear of each other without a network between them.

use std::collections::BTreeMap;

use rand::SeedableRng as _;

use super::message::{Offer, Pull, Standing};
use super::*;
use crate::engine::wire::{Bounded, PeerFault, encode, split};

const BEAT: Duration = Duration::from_millis(500);
const WAIT: Duration = Duration::from_secs(10);

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn key(text: &str) -> RegisterKey {
    text.parse().unwrap()
}

fn at(ms: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(ms)
}

fn registers(name: &str) -> Registers {
    let mut registers = unread(name, StoreUse::Absent);
    registers.handle_surroundings(at(0), true);
    registers
}

fn unread(name: &str, store: StoreUse) -> Registers {
    Registers::new(node(name), BEAT, WAIT, store, ChaCha8Rng::seed_from_u64(1))
}

fn entry(text: &str, counter: u64, value: &'static str) -> RegisterEntry {
    let stamp = Stamp { counter, node: node("z") };
    RegisterEntry::new(key(text), stamp, Some(Bytes::from_static(value.as_bytes()))).unwrap()
}

fn offer(entries: impl IntoIterator<Item = RegisterEntry>, complete: Option<Standing>) -> Bytes {
    encode(OFFER, &Offer { complete, entries: Bounded::take_from(entries) })
}

fn control(registers: &mut Registers, now: Instant, from: &str, message: &[u8]) -> Result<(), PeerFault> {
    let (kind, body) = split(message).unwrap();
    registers.handle_control(now, &node(from), kind, body)
}

fn drain(registers: &mut Registers) -> Vec<(String, u8)> {
    let messages = std::iter::from_fn(|| registers.poll_control());
    messages.map(|(to, message)| (to.to_string(), message[0])).collect()
}

fn changes(registers: &mut Registers) -> Vec<(String, Option<Bytes>)> {
    let changes = std::iter::from_fn(|| registers.poll_change());
    changes.map(|change| (change.key.to_string(), change.value)).collect()
}

/// Carries everything between two copies until neither has anything to say.
fn exchange(now: Instant, a: &mut Registers, b: &mut Registers) {
    loop {
        let silent = carry(now, a, b) & carry(now, b, a);
        if silent {
            return;
        }
    }
}

fn carry(now: Instant, from: &mut Registers, to: &mut Registers) -> bool {
    let sender = from.me.clone();
    let mut silent = true;
    while let Some((_, message)) = from.poll_control() {
        silent = false;
        control(to, now, sender.as_str(), &message).unwrap();
    }
    while let Some(message) = from.poll_offer(&to.me.clone(), MAX_MESSAGE) {
        silent = false;
        to.handle_offer(now, &sender, &message[1..]).unwrap();
    }
    silent
}

const MAX_MESSAGE: usize = 60 * 1024;

#[test]
fn the_counter_is_one_more_than_what_was_seen_and_a_default_writes_0() {
    let mut a = registers("a");
    assert_eq!(a.set_default(at(0), key("k"), "d".into()), Ok(Written::Now { at: 1 }));
    assert_eq!(a.set_default(at(0), key("k"), "e".into()), Ok(Written::Kept));
    assert_eq!(a.set(at(0), key("k"), "f".into()), Ok(Written::Now { at: 2 }));
    a.take(at(0), entry("k", 7, "from afar"));
    assert_eq!(a.set(at(0), key("k"), "g".into()), Ok(Written::Now { at: 4 }));
    assert_eq!(a.remove(at(0), key("k")), Ok(Written::Now { at: 5 }));
    assert_eq!(a.remove(at(0), key("k")), Ok(Written::Kept));
    assert_eq!(a.set_default(at(0), key("k"), "h".into()), Ok(Written::Kept), "a removal is no gap to fill");
    let counters: Vec<u64> = a.entries(None).map(|entry| entry.stamp().counter).collect();
    assert_eq!((counters, a.get(&key("k"))), (vec![9], None));
}

#[test]
fn a_host_is_told_of_others_and_of_its_own_held_writes_each_once_with_the_newest_value() {
    let mut a = unread("a", StoreUse::Configured);
    assert_eq!(a.set_default(at(0), key("mine"), "m".into()), Ok(Written::Held));
    assert_eq!(a.set_default(at(0), key("taken"), "m".into()), Ok(Written::Held));
    assert_eq!(a.get(&key("mine")), None);
    a.handle_surroundings(at(0), true);
    assert_eq!((a.is_read(), a.awaited()), (false, Some(Awaited::Store)));
    a.handle_stored(at(1), [entry("taken", 0, "old")]);
    a.handle_surroundings(at(1), true);
    assert!(a.is_read());
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    assert_eq!(changes(&mut a), [("taken".into(), text("old")), ("mine".into(), text("m"))]);
    a.take(at(2), entry("taken", 1, "newer"));
    a.take(at(2), entry("other", 1, "x"));
    a.take(at(2), entry("taken", 2, "newest"));
    a.take(at(2), entry("other", 0, "old"));
    assert_eq!(changes(&mut a), [("other".into(), text("x")), ("taken".into(), text("newest"))]);
    a.take(at(3), entry("other", 3, "soon replaced"));
    a.set(at(3), key("other"), "own".into()).unwrap();
    assert_eq!(changes(&mut a), [], "a host knows what it wrote itself");
}

#[test]
fn there_is_a_bound_in_keys_and_in_bytes_and_a_clear_error() {
    let mut a = registers("a");
    for n in 0..MAX_KEYS {
        a.set(at(0), key(&format!("k{n:05}")), Bytes::new()).unwrap();
    }
    assert_eq!(a.set(at(0), key("one-more"), Bytes::new()), Err(RegisterError::TooMany));
    assert_eq!(a.set_default(at(0), key("one-more"), Bytes::new()), Err(RegisterError::TooMany));
    assert_eq!(
        RegisterError::TooMany.to_string(),
        "there are 10000 registers already, removed ones included: put several values into one"
    );
    assert!(a.set(at(0), key("k00000"), "x".into()).is_ok(), "those that are there may change");
    let long = vec![0; MAX_VALUE + 1];
    assert_eq!(
        a.set(at(0), key("k00000"), long.into()),
        Err(RegisterError::ValueTooLong { got: MAX_VALUE + 1 })
    );
    changes(&mut a);
    a.take(at(0), entry("a-lower-key", 1, "x"));
    let told = changes(&mut a);
    assert_eq!(told, [("a-lower-key".into(), Some("x".into())), ("k09999".into(), None)]);
    assert_eq!((a.len(), a.counters().keys_given_way), (MAX_KEYS, 1));
}

#[test]
fn a_full_table_crosses_in_messages_that_fit() {
    let mut a = registers("a");
    for n in 0..MAX_KEYS {
        a.set(at(0), key(&format!("k{n}")), Bytes::from_static(b"some value")).unwrap();
    }
    let mut b = unread("b", StoreUse::Absent);
    a.handle_session_up(at(0), &node("b"));
    b.handle_session_up(at(0), &node("a"));
    b.handle_surroundings(at(0), true);
    assert!(!b.is_read());
    exchange(at(1), &mut a, &mut b);
    assert!(b.is_read() && a.digest() == b.digest());
    assert_eq!((a.counters().offered, b.counters().pulls), (10_000, 1));
    a.handle_timeout(at(501));
    b.handle_timeout(at(501));
    exchange(at(501), &mut a, &mut b);
    assert!(a.is_converged() && b.is_converged());
    assert_eq!((a.poll_timeout(), b.poll_timeout()), (None, None), "and then there is nothing to do");
}

#[test]
fn one_peer_is_asked_at_a_time_and_another_when_it_does_not_answer() {
    let mut a = unread("a", StoreUse::Absent);
    let standing = |digest| encode(STANDING, &Standing { digest, read: true });
    for peer in ["b", "c"] {
        a.handle_session_up(at(0), &node(peer));
        control(&mut a, at(0), peer, &standing(7)).unwrap();
    }
    assert_eq!(drain(&mut a), [("b".into(), STANDING), ("c".into(), STANDING), ("b".into(), PULL)]);
    let given_up = a.poll_timeout().unwrap();
    for ms in (0..2_000).step_by(500) {
        a.handle_timeout(at(ms));
        assert_eq!(drain(&mut a), [], "{ms}");
    }
    assert!(given_up <= at(2_000));
    let mut asked = BTreeMap::new();
    for ms in (2_000..40_000).step_by(100) {
        a.handle_timeout(at(ms));
        for (to, kind) in drain(&mut a) {
            *asked.entry((to, kind)).or_insert(0) += 1;
        }
    }
    assert!(asked.contains_key(&("c".into(), PULL)), "{asked:?}");
    assert!(asked.values().sum::<u32>() < 25, "{asked:?}");
    assert_eq!(a.awaited(), None, "after ten seconds they hold nobody back");
    a.handle_offer(
        at(40_000),
        &node("c"),
        &offer([entry("k", 1, "v")], Some(Standing { digest: 7, read: true }))[1..],
    )
    .unwrap();
    assert!(a.is_read());
}

#[test]
fn an_unread_peer_is_read_as_well_but_does_not_speak_for_the_cluster() {
    let mut a = unread("a", StoreUse::Absent);
    a.set_default(at(0), key("k"), "mine".into()).unwrap();
    for peer in ["b", "c"] {
        a.handle_session_up(at(0), &node(peer));
    }
    control(&mut a, at(0), "b", &encode(STANDING, &Standing { digest: 0, read: false })).unwrap();
    a.handle_surroundings(at(0), true);
    assert_eq!((a.is_read(), a.awaited()), (false, Some(Awaited::Members)), "c has said nothing yet");
    control(&mut a, at(1), "c", &encode(STANDING, &Standing { digest: 5, read: true })).unwrap();
    let known = [entry("k", 0, "theirs")];
    a.handle_offer(at(2), &node("c"), &offer(known, Some(Standing { digest: 5, read: true }))[1..]).unwrap();
    assert_eq!(a.get(&key("k")), Some(&Bytes::from_static(b"theirs")));
    assert!(a.is_read());
}

#[test]
fn who_turns_out_to_hold_more_is_waited_for_no_longer_than_from_its_session_on() {
    let mut a = unread("a", StoreUse::Absent);
    let standing = |digest, read| encode(STANDING, &Standing { digest, read });
    a.handle_session_up(at(0), &node("b"));
    a.handle_session_up(at(5_000), &node("c"));
    control(&mut a, at(5_000), "c", &standing(0, false)).unwrap();
    a.handle_timeout(at(10_000));
    assert_eq!(a.awaited(), None, "b has had its time, and c holds the same as this node");
    control(&mut a, at(10_000), "c", &standing(7, true)).unwrap();
    assert_eq!(a.awaited(), Some(Awaited::Members));
    for ms in (10_000..=15_000).step_by(100) {
        a.handle_timeout(at(ms));
    }
    assert_eq!((a.is_read(), a.awaited()), (false, None));
}

#[test]
fn what_no_member_sends_is_a_fault() {
    let mut a = registers("a");
    a.handle_session_up(at(0), &node("b"));
    let short = encode(PULL, &Pull { buckets: Bounded::take_from([1, 2, 3]) });
    assert_eq!(control(&mut a, at(0), "b", &short), Err(PeerFault::Malformed { kind: PULL }));
    let stamp = Stamp { counter: MAX_COUNTER, node: node("z") };
    let highest = RegisterEntry::new(key("k"), stamp, None).unwrap();
    let mut message = offer([highest], None).to_vec();
    assert_eq!(a.handle_offer(at(0), &node("b"), &message[1..]), Ok(()));
    assert_eq!(a.set(at(0), key("k"), "x".into()), Err(RegisterError::Exhausted));
    // One more, in the lowest bits of the counter.
    let place = message.iter().position(|byte| *byte == b'k').unwrap() + 1;
    message[place] |= 1;
    assert_eq!(a.handle_offer(at(0), &node("b"), &message[1..]), Err(PeerFault::Malformed { kind: OFFER }));
    for end in 1..message.len() {
        assert!(a.handle_offer(at(0), &node("b"), &message[1..end]).is_err());
    }
}
