//! Places for connections that have come and are no links yet: TLS is still being agreed on, or not a byte was sent.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::proto::endpoint::crowd::admits;

/// The door of an endpoint.
#[derive(Debug)]
pub(super) struct Doorway {
    places: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    doorway: Arc<Doorway>,
    host: IpAddr,
}

impl Doorway {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, taken: Mutex::default() })
    }

    /// A place for a connection of this host; if there is none, how many are taken, and how many of them by that host.
    pub(super) fn enter(self: &Arc<Self>, remote: IpAddr) -> Result<Place, (usize, usize)> {
        let host = host(remote);
        let mut taken = self.taken();
        let (all, of_host) = (taken.values().sum(), taken.get(&host).copied().unwrap_or_default());
        if !admits(all, of_host, self.places) {
            return Err((all, of_host));
        }
        *taken.entry(host).or_default() += 1;
        drop(taken);
        Ok(Place { doorway: Arc::clone(self), host })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.doorway.taken();
        if let Some(of_host) = taken.get_mut(&self.host) {
            *of_host -= 1;
            if *of_host == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

/// Who has one address of IPv6 has a whole network of them.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let door = Doorway::new(16);
        let enter = |host: &str| door.enter(host.parse().unwrap());
        let crowd: Vec<Place> = std::iter::from_fn(|| enter("10.0.0.1").ok()).collect();
        assert_eq!(crowd.len(), 8);
        assert_eq!(enter("10.0.0.1").unwrap_err(), (8, 8));
        let other = enter("10.0.0.2").unwrap();
        drop(crowd);
        enter("10.0.0.1").unwrap();
        drop(other);
        assert!(door.taken().is_empty());
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_host() {
        let host = |address: &str| super::host(address.parse().unwrap());
        assert_eq!(host("2001:db8::1"), host("2001:db8::ffff:1"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
    }
}
