//! Every node holds the same registers, and its host knows the values that the node holds.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Violation;
use crate::engine::registers::{RegisterChange, RegisterEntry, RegisterKey};
use crate::sim::Sim;

/// What a host knows of registers: from its own writes, and from what it was told.
#[derive(Debug, Default)]
pub struct Registers(BTreeMap<RegisterKey, (u64, Option<Bytes>)>);

impl Registers {
    /// A change; an older one than is known changes nothing.
    pub fn observe(&mut self, change: RegisterChange) {
        let known = self.0.entry(change.key).or_default();
        if change.at > known.0 {
            *known = (change.at, change.value);
        }
    }

    /// The registers that have a value, as far as the host knows.
    pub fn values(&self) -> impl Iterator<Item = (&RegisterKey, &Bytes)> {
        self.0.iter().filter_map(|(key, (_, value))| Some((key, value.as_ref()?)))
    }
}

pub(super) fn check(sim: &Sim) -> Result<(), Violation> {
    let mut first: Option<(usize, Vec<&RegisterEntry>)> = None;
    for node in sim.running() {
        let registers = sim.engine(node).registers();
        let held: Vec<&RegisterEntry> = registers.entries(None).collect();
        let (other, expected) = first.get_or_insert_with(|| (node, held.clone()));
        if let Some(differs) = difference(expected, &held) {
            return Err(Violation::new(format!("n{other} and n{node} differ in the register {differs}")));
        }
        if !registers.list(None).eq(sim.host(node).registers().values()) {
            return Err(Violation::new(format!("the host of n{node} knows other registers than the node")));
        }
        if !registers.is_converged() || !registers.is_read() {
            return Err(Violation::new(format!("n{node} does not say that all registers are equal")));
        }
    }
    Ok(())
}

/// The key of the first difference.
fn difference(some: &[&RegisterEntry], others: &[&RegisterEntry]) -> Option<RegisterKey> {
    let key = |entry: &&RegisterEntry| entry.key().clone();
    let pairs = some.iter().zip(others).find(|(one, other)| one != other).map(|(one, _)| key(one));
    let extra = || some.get(others.len()).or_else(|| others.get(some.len())).map(key);
    pairs.or_else(extra)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::registers::Stamp;

    #[test]
    fn it_bites_on_a_missing_register_another_value_and_another_stamp() {
        let entry = |key: &str, counter, value| {
            let stamp = Stamp { counter, node: "n0".parse().unwrap() };
            RegisterEntry::new(key.parse().unwrap(), stamp, Some(Bytes::from_static(value))).unwrap()
        };
        let (a, b) = (entry("a", 1, b"x"), entry("b", 1, b"x"));
        assert_eq!(difference(&[&a, &b], &[&a, &b]), None);
        for wrong in [&[&a][..], &[&b], &[&a, &entry("b", 2, b"x")], &[&a, &entry("b", 1, b"y")]] {
            assert!(difference(&[&a, &b], wrong).is_some(), "{wrong:?}");
            assert!(difference(wrong, &[&a, &b]).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_keeps_the_newest_value() {
        let mut host = Registers::default();
        let change = |at, value: Option<&'static str>| RegisterChange {
            key: "k".parse().unwrap(),
            value: value.map(Bytes::from),
            at,
        };
        host.observe(change(2, Some("new")));
        host.observe(change(1, None));
        assert_eq!(host.values().next().unwrap().1, "new");
        host.observe(change(3, None));
        assert_eq!(host.values().count(), 0);
    }
}
