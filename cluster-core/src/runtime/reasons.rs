//! Why a node is not ready, with what the engine does not know: why those outside the cluster that it waits for do not answer.

use super::inner::Inner;
use crate::engine::Engine;
use crate::engine::members::Reason;
use crate::engine::registers::Awaited;

/// A sentence for each reason; empty if the node is ready.
pub(super) fn of(inner: &Inner, engine: &Engine) -> Vec<String> {
    let told = |reason: &Reason| match problems(inner, reason) {
        problems if problems.is_empty() => reason.to_string(),
        problems => format!("{reason} ({})", problems.join("; ")),
    };
    engine.members().reasons().iter().map(told).collect()
}

fn problems(inner: &Inner, reason: &Reason) -> Vec<String> {
    match reason {
        Reason::Discovery => inner.providers.problems(),
        Reason::Registers { of: Awaited::Store } => {
            let keeper = inner.keeping.status().filter(|keeper| keeper.answers == Some(false));
            keeper.and_then(|keeper| keeper.last_error).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
