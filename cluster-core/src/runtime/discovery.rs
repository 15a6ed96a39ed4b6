//! The tasks that ask the providers, and what is shown of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_transport::proto::{Address, Instant};
use cluster_transport::tls::Tls;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inner::Inner;
use crate::backoff::{Backoff, jittered};
use crate::config::Config;
use crate::discovery::{Announcement, Dns, Fingerprint, Found, Provider, RedisDirectory, Seeds, Standing};
use crate::engine::members::Reason;
use crate::store::Store;

/// The first pause after a question that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a provider may take over a good-bye.
const WITHDRAW_DEADLINE: Duration = Duration::from_secs(1);
/// By how much a pause is shortened at random, at most.
const JITTER_PERCENT: u32 = 10;

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Its name.
    pub provider: String,
    /// Whether it answered when it was asked last; none before it was asked.
    pub answers: Option<bool>,
    /// For how long that has been so, in milliseconds.
    pub since_ms: u64,
    /// What it said last that was no answer, ever.
    pub last_error: Option<String>,
    /// How many addresses it knew when it answered last.
    pub addresses: usize,
    /// How this node is entered with it, if it takes entries.
    pub lease: Option<String>,
    /// How many entries it holds with which no session can come about: another authority, filter seed or version.
    pub foreign: usize,
}

/// The providers of a member, and the tasks that ask them.
#[derive(Debug, Default)]
pub(super) struct Providers {
    states: Mutex<Vec<State>>,
    tasks: TaskTracker,
    leaving: CancellationToken,
}

#[derive(Debug)]
struct State {
    name: String,
    answers: Option<bool>,
    since: Instant,
    last_error: Option<String>,
    last: Found,
}

/// What is the same in all announcements of a member.
pub(super) struct Identity {
    addresses: Arc<[Address]>,
    tls: Option<Tls>,
}

impl Identity {
    pub(super) fn new(addresses: &[Address], tls: Option<Tls>) -> Self {
        Self { addresses: addresses.into(), tls }
    }

    /// As it is now: lives, standings and certificates change.
    fn announcement(&self, inner: &Inner) -> Announcement {
        let (incarnation, superseded) = inner.read(|engine| {
            let reasons = engine.members().reasons();
            let superseded = reasons.iter().any(|reason| matches!(reason, Reason::Superseded { .. }));
            (engine.incarnation(), superseded)
        });
        let authorities = self.tls.as_ref().map(|tls| tls.identity().authorities()).unwrap_or_default();
        Announcement {
            node: inner.node().clone(),
            incarnation,
            addresses: Arc::clone(&self.addresses),
            fingerprint: Fingerprint::new(inner.cluster_name(), authorities, &inner.config().filter_seed()),
            standing: if superseded { Standing::Superseded } else { Standing::Active },
        }
    }
}

/// The providers that a configuration names.
pub(super) fn configured(config: &Config, store: Option<&Store>) -> Vec<Arc<dyn Provider>> {
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    if !config.seeds().is_empty() {
        providers.push(Arc::new(Seeds::new(config.seeds())));
    }
    if !config.dns().is_empty() {
        providers.push(Arc::new(Dns::new(config.dns())));
    }
    if let Some(store) = store {
        providers.push(Arc::new(RedisDirectory::new(store.clone())));
    }
    providers
}

impl Providers {
    /// Asks a provider until the member ends, in a task that [`leave`](Self::leave) waits for.
    pub(super) fn ask(
        inner: &Arc<Inner>,
        provider: Arc<dyn Provider>,
        identity: Arc<Identity>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let inner = Arc::clone(inner);
        let (number, name) = inner.providers.enter(provider.name(), inner.now());
        let tracker = inner.providers.tasks.clone();
        tracker.track_future(async move { Asking { inner, provider, identity, number, name }.run().await })
    }

    /// Has the providers take back what they were told of this member. At most a second.
    pub(super) async fn leave(&self) {
        self.leaving.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) fn status(&self, now: Instant) -> Vec<ProviderStatus> {
        let states = self.states();
        states.iter().map(|state| state.status(now)).collect()
    }

    /// What keeps those from answering that do not answer, each with its provider.
    pub(super) fn problems(&self) -> Vec<String> {
        let states = self.states();
        let silent = states.iter().filter(|state| state.answers == Some(false));
        silent.filter_map(|state| Some(format!("{}: {}", state.name, state.last_error.as_ref()?))).collect()
    }

    fn states(&self) -> std::sync::MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number and the name that it is known by: no two providers share one.
    fn enter(&self, name: &str, now: Instant) -> (usize, String) {
        let mut states = self.states();
        let number = states.len();
        let taken = states.iter().any(|state| state.name == name);
        let name = if taken { format!("{name} {}", number + 1) } else { name.to_owned() };
        states.push(State {
            name: name.clone(),
            answers: None,
            since: now,
            last_error: None,
            last: Found::default(),
        });
        (number, name)
    }
}

impl State {
    /// Takes an answer; whether it says something that the last one did not.
    fn take(&mut self, answer: &Result<Found, String>, now: Instant) -> bool {
        let error = match answer {
            Ok(found) => found.problem.as_ref(),
            Err(error) => Some(error),
        };
        let news =
            error.is_some() && (self.last_error.as_ref() != error || self.answers != Some(answer.is_ok()));
        let recovered = self.answers == Some(false) && answer.is_ok();
        if self.answers != Some(answer.is_ok()) {
            (self.answers, self.since) = (Some(answer.is_ok()), now);
        }
        if let Some(error) = error {
            self.last_error = Some(error.clone());
        }
        match answer {
            Ok(found) => self.last = found.clone(),
            // It is not known whether this node is still entered.
            Err(_) => self.last.lease = None,
        }
        news || recovered
    }

    fn status(&self, now: Instant) -> ProviderStatus {
        ProviderStatus {
            provider: self.name.clone(),
            answers: self.answers,
            since_ms: u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX),
            last_error: self.last_error.clone(),
            addresses: self.last.addresses.len(),
            lease: self.last.lease.map(|lease| lease.to_string()),
            foreign: self.last.foreign,
        }
    }
}

/// One provider, asked again and again.
struct Asking {
    inner: Arc<Inner>,
    provider: Arc<dyn Provider>,
    identity: Arc<Identity>,
    number: usize,
    name: String,
}

impl Asking {
    async fn run(self) {
        let interval = self.inner.config().join_attempt_interval();
        let mut backoff = Backoff::new(FIRST_PAUSE);
        let (stop, leaving) = (self.inner.stop().clone(), self.inner.providers.leaving.clone());
        let asking = async {
            loop {
                let pause = match self.once().await {
                    Outcome::Complete => {
                        backoff.reset();
                        jittered(self.provider.pause(), JITTER_PERCENT)
                    }
                    Outcome::Partial => backoff.after_failure(self.provider.pause()),
                    Outcome::None => backoff.after_failure(interval),
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = leaving.cancelled() => {}
            () = asking => {}
        }
        let own = self.identity.announcement(&self.inner);
        // What is left behind ends by itself.
        let _ = tokio::time::timeout(WITHDRAW_DEADLINE, self.provider.withdraw(&own)).await;
    }

    /// Asks once and passes the answer on.
    async fn once(&self) -> Outcome {
        let (inner, name) = (&self.inner, self.name.as_str());
        let own = self.identity.announcement(inner);
        let deadline = inner.config().discover_timeout();
        let answer = tokio::time::timeout(deadline, self.provider.look(&own)).await;
        let answer = answer.map_err(|_| format!("no answer within {deadline:?}"));
        let answer = answer.and_then(|answer| answer.map_err(|error| error.to_string()));
        let news = {
            let mut states = inner.providers.states();
            states.get_mut(self.number).is_some_and(|state| state.take(&answer, inner.now()))
        };
        if news {
            match &answer {
                Err(why) => tracing::warn!(provider = name, "cannot say who is there: {why}"),
                Ok(Found { problem: Some(why), .. }) => tracing::warn!(provider = name, "{why}"),
                Ok(found) => {
                    tracing::info!(provider = name, "answers again: {} addresses", found.addresses.len())
                }
            }
        }
        inner.with_engine(|engine, now| {
            let addresses = answer.as_ref().map(|found| &*found.addresses).map_err(String::as_str);
            engine.handle_discovered(now, name, addresses);
        });
        match answer {
            Ok(Found { problem: None, .. }) => Outcome::Complete,
            Ok(_) => Outcome::Partial,
            Err(_) => Outcome::None,
        }
    }
}

/// How a question was answered.
enum Outcome {
    Complete,
    /// With a problem beside it.
    Partial,
    None,
}
