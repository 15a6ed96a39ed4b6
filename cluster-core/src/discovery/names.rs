//! Names that are looked up anew each time, and what is made of names that cannot be.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cluster_transport::proto::Address;
use cluster_transport::proto::address::Scheme;
use futures_util::future::join_all;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{DiscoveryError, Found};

/// How long one name may take: less than a question, so that one name does not cost the others their answer.
const NAME_DEADLINE: Duration = Duration::from_secs(2);
/// How resolvers say that they do not know now, and might later.
const LATER: [&str; 3] = ["emporary failure", "ry again", "imed out"];

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// It is known to have none.
    Nobody(String),
    /// It is not known whether it has any.
    Unknown(String),
}

/// What names meant when they could last be looked up: an address that is no more is only a hint that comes to nothing.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<BTreeMap<String, Vec<Address>>>,
}

impl Names {
    /// Looks all of them up at once, and unites what they mean.
    ///
    /// # Errors
    /// When it is not known of any of them what it means or meant.
    pub(super) async fn look_up<F>(
        &self,
        lookups: impl IntoIterator<Item = (String, F)>,
    ) -> Result<Found, DiscoveryError>
    where
        F: Future<Output = Result<Vec<Address>, Miss>>,
    {
        let lookups = lookups.into_iter().map(|(name, lookup)| async move {
            let late = |_| Err(Miss::Unknown(format!("no answer within {NAME_DEADLINE:?}")));
            (name, timeout(NAME_DEADLINE, lookup).await.unwrap_or_else(late))
        });
        self.unite(join_all(lookups).await)
    }

    fn unite(&self, outcomes: Vec<(String, Result<Vec<Address>, Miss>)>) -> Result<Found, DiscoveryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut problems) = (Found::default(), Vec::new());
        let mut ignorant = !outcomes.is_empty();
        for (name, outcome) in outcomes {
            let addresses = match outcome {
                Ok(addresses) => {
                    known.insert(name, addresses.clone());
                    Some(addresses)
                }
                Err(Miss::Nobody(why)) => {
                    problems.push(format!("{name} has no addresses: {why}"));
                    known.remove(&name);
                    Some(Vec::new())
                }
                Err(Miss::Unknown(why)) => {
                    problems.push(format!("{name} cannot be looked up: {why}"));
                    known.get(&name).cloned()
                }
            };
            ignorant &= addresses.is_none();
            found.addresses.extend(addresses.unwrap_or_default());
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        if ignorant {
            return Err(DiscoveryError(problem.unwrap_or_default()));
        }
        found.problem = problem;
        Ok(found)
    }
}

/// All addresses that the system's resolver knows for a host.
pub(super) async fn hosts(scheme: Scheme, host: &str, port: u16) -> Result<Vec<Address>, Miss> {
    match lookup_host((host, port)).await {
        Ok(found) => Ok(addresses(scheme, found.map(|found| (found.ip(), found.port())))),
        Err(error) => Err(miss(&error)),
    }
}

/// Each of them once.
pub(super) fn addresses(scheme: Scheme, found: impl Iterator<Item = (IpAddr, u16)>) -> Vec<Address> {
    let mut addresses: Vec<_> = found.map(|(ip, port)| Address::from_ip(scheme, ip, port)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The system's resolver tells the two apart in words alone.
fn miss(error: &io::Error) -> Miss {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned();
    if LATER.iter().any(|words| text.contains(words)) { Miss::Unknown(text) } else { Miss::Nobody(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        format!("tcp://10.0.0.1:{port}").parse().unwrap()
    }

    fn outcome(name: &str, outcome: Result<Vec<Address>, Miss>) -> (String, Result<Vec<Address>, Miss>) {
        (name.to_owned(), outcome)
    }

    fn unknown() -> Result<Vec<Address>, Miss> {
        Err(Miss::Unknown("later".to_owned()))
    }

    #[test]
    fn a_name_that_cannot_be_looked_up_means_what_it_meant() {
        let names = Names::default();
        let both = vec![outcome("a", Ok(vec![address(1)])), outcome("b", Ok(vec![address(2)]))];
        assert_eq!(names.unite(both).unwrap(), Found::new(vec![address(1), address(2)]));
        let found = names.unite(vec![outcome("a", unknown()), outcome("b", Ok(vec![address(3)]))]).unwrap();
        assert_eq!(found.addresses, [address(1), address(3)]);
        assert_eq!(found.problem.as_deref(), Some("a cannot be looked up: later"));
    }

    #[test]
    fn a_name_without_addresses_is_an_answer_and_forgotten() {
        let names = Names::default();
        names.unite(vec![outcome("a", Ok(vec![address(1)]))]).unwrap();
        let found = names.unite(vec![outcome("a", Err(Miss::Nobody("none".to_owned())))]).unwrap();
        assert_eq!(found.addresses, []);
        assert_eq!(found.problem.as_deref(), Some("a has no addresses: none"));
        assert!(names.unite(vec![outcome("a", unknown())]).is_err());
    }

    #[test]
    fn nothing_known_of_any_name_is_no_answer() {
        let names = Names::default();
        let error = names.unite(vec![outcome("a", unknown()), outcome("b", unknown())]).unwrap_err();
        assert_eq!(error.0, "a cannot be looked up: later; b cannot be looked up: later");
        assert!(names.unite(vec![outcome("a", unknown()), outcome("b", Ok(Vec::new()))]).is_ok());
    }

    #[test]
    fn what_resolvers_say_of_a_name_is_told_apart() {
        let miss =
            |text: &str| miss(&io::Error::other(format!("failed to lookup address information: {text}")));
        for text in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(miss(text), Miss::Unknown(text.to_owned()));
        }
        for text in ["Name or service not known", "Name does not resolve"] {
            assert_eq!(miss(text), Miss::Nobody(text.to_owned()));
        }
    }
}
