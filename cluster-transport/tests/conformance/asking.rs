//! Requests whose outcomes come to the handler.

use std::time::Duration;

use cluster_transport::proto::lanes::Payload;
use cluster_transport::proto::requests::{FailureCode, Outcome};

use crate::harness::{Carrier, GIVE_UP, Pair, Seen};

over_every_link!(
    each_outcome_comes_to_the_handler_with_its_token,
    a_request_that_was_cancelled_has_no_outcome,
    what_is_asked_while_the_link_ends_has_one_outcome,
);

async fn each_outcome_comes_to_the_handler_with_its_token(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    session.ask(Payload::Copied(b"ignore me"), Duration::from_millis(50), 900).unwrap();
    for token in 0..500 {
        let question: &[u8] = if token % 5 == 0 { b"refuse me" } else { b"echo me" };
        session.ask(Payload::Copied(question), GIVE_UP, token).unwrap();
    }
    let mut outcomes = outcomes(&pair, 501).await;
    outcomes.sort_by_key(|(token, _)| *token);
    let refused = Outcome::Failed { code: FailureCode::APPLICATION, text: "as you wish".to_owned() };
    for (token, (answered, outcome)) in (0..500).zip(&outcomes) {
        let expected = if token % 5 == 0 { refused.clone() } else { Outcome::Reply(b"echo me"[..].into()) };
        assert_eq!((*answered, outcome), (token, &expected));
    }
    assert_eq!(outcomes[500], (900, Outcome::DeadlinePassed));
}

async fn a_request_that_was_cancelled_has_no_outcome(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let id = session.ask(Payload::Copied(b"ignore me"), Duration::from_millis(50), 1).unwrap();
    assert!(session.cancel(id));
    assert!(!session.cancel(id), "it has ended already");
    pair.b.wait_for(|seen| matches!(seen, Seen::Cancelled).then_some(())).await;
    session.ask(Payload::Copied(b"ignore me"), Duration::from_millis(100), 2).unwrap();
    assert_eq!(
        outcomes(&pair, 1).await,
        [(2, Outcome::DeadlinePassed)],
        "the first one's deadline has passed too"
    );
}

async fn what_is_asked_while_the_link_ends_has_one_outcome(carrier: Carrier) {
    let pair = Pair::connect(carrier).await;
    let session = pair.a.session().await;
    let mut taken = Vec::new();
    for token in 0_u64.. {
        if token == 100 {
            pair.b.endpoint.abort();
        }
        match session.ask(Payload::Copied(b"ignore me"), GIVE_UP, token) {
            Ok(_) => taken.push(token),
            Err(_) if token > 100 => break,
            Err(error) => panic!("{token}: {error}"),
        }
        tokio::task::yield_now().await;
        if taken.len() == 1_000 {
            break;
        }
    }
    let mut outcomes = outcomes(&pair, taken.len()).await;
    outcomes.sort_by_key(|(token, _)| *token);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::LinkLost));
    assert_eq!(outcomes.into_iter().map(|(token, _)| token).collect::<Vec<_>>(), taken);
}

async fn outcomes(pair: &Pair, count: usize) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        let answered = |seen: &Seen| match seen {
            Seen::Answered(token, outcome) => Some((*token, outcome.clone())),
            _ => None,
        };
        outcomes.push(pair.a.wait_for(answered).await);
    }
    outcomes
}
