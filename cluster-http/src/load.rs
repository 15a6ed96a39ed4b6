//! What a host says of its own load beside what the cluster knows: in health, status and metrics.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// A host that knows whether it has too much to do.
///
/// Asked at each health, status and scrape, from several tasks at once: an answer must not wait for anything.
pub trait HostLoad: fmt::Debug + Send + Sync + 'static {
    /// Why the host is overloaded just now, in words; empty if it is not. It serves clients all the same.
    fn overloaded(&self) -> Vec<String>;

    /// What the status shows beside that, by name. Default: nothing.
    fn details(&self) -> serde_json::Map<String, Value> {
        serde_json::Map::new()
    }

    /// What the metrics show beside `cluster_overloaded`. Default: nothing.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }
}

/// The load of a host, if it says anything of it.
pub(crate) type Loaded = Option<Arc<dyn HostLoad>>;

/// As the status shows it.
pub(crate) fn status(load: &Loaded) -> Value {
    let Some(load) = load else { return Value::Null };
    let mut shown = load.details();
    shown.insert("overloaded".to_owned(), json!(load.overloaded()));
    Value::Object(shown)
}

/// Why the host is overloaded just now.
pub(crate) fn overloaded(load: &Loaded) -> Vec<String> {
    load.as_ref().map(|load| load.overloaded()).unwrap_or_default()
}

/// A figure of a host for a monitoring system. Its name is shown behind `cluster_`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) samples: FigureSamples,
}

/// What a figure counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FigureSamples {
    Gauge(f64),
    /// By reason, if there are several.
    Counter(Vec<(Option<&'static str>, u64)>),
}

impl Figure {
    /// What goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, samples: FigureSamples::Gauge(value) }
    }

    /// What only grows. `_total` is added to its name.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, samples: FigureSamples::Counter(vec![(None, value)]) }
    }

    /// What only grows, by the label `reason`. Name all reasons from the start, those with 0 too: of a figure that appears with 1
    /// no monitoring system sees it grow.
    pub fn by_reason(
        name: &'static str,
        help: &'static str,
        reasons: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Self {
        let counts = reasons.into_iter().map(|(reason, times)| (Some(reason), times)).collect();
        Self { name, help, samples: FigureSamples::Counter(counts) }
    }
}
