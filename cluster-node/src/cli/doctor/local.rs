//! What this machine and the files on it say.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use cluster_core::config::{Config, Security};
use cluster_transport::binding::Interface;
use cluster_transport::proto::Address;

use super::super::plan::{self, Plan};
use super::finding::Finding;

/// A certificate that ends within so many days is worth a word.
const EXPIRES_SOON: i64 = 30;
/// Fewer open files than this do not last for a node with clients.
const FEW_FILES: u64 = 4_096;

pub(super) async fn findings(config: &Config, plan: &Plan) -> Vec<Finding> {
    let start = "see what `run --check-config` shows of it; this node does not start so";
    let mut findings: Vec<Finding> =
        plan.problems.iter().map(|problem| Finding::problem(problem.clone(), start)).collect();
    findings.extend(plan.notes.iter().map(|note| Finding::fine(note.clone())));
    findings.extend(certificate(config));
    findings.extend(unspecified(plan));
    findings.extend(open_files(std::fs::read_to_string("/proc/self/limits").ok().as_deref()));
    findings.extend(only_myself(config, plan).await);
    findings
}

fn certificate(config: &Config) -> Option<Finding> {
    let Security::Tls(files) = config.security() else { return None };
    // One that cannot be loaded is a problem of the plan.
    let tls = plan::tls(config).ok()?;
    let begins = tls.identity().not_before() <= SystemTime::now();
    Some(validity(&files.certificate().display().to_string(), tls.days_to_expiry(SystemTime::now()), begins))
}

fn validity(file: &str, days: i64, has_begun: bool) -> Finding {
    let renew = "replace it and its key; a running node takes new files without a restart";
    match days {
        ..=0 => Finding::problem(format!("the certificate {file} has expired"), renew),
        _ if !has_begun => Finding::problem(
            format!("the certificate {file} is not valid yet"),
            "set this machine's clock right, or wait",
        ),
        1..EXPIRES_SOON => Finding::warning(format!("the certificate {file} expires in {days} days"), renew),
        _ => Finding::fine(format!("the certificate {file} fits its key and is valid for {days} days")),
    }
}

fn unspecified(plan: &Plan) -> Option<Finding> {
    let place = plan.listening.iter().find(|place| {
        !place.advertised.is_empty() && place.addresses.iter().any(|at| at.ip().is_unspecified())
    })?;
    Some(Finding::warning(
        format!(
            "{} listens on every interface, and other members are told {}",
            place.binding,
            place.advertised.join(", ")
        ),
        "if they reach this node elsewhere, set plugins.cluster.advertise",
    ))
}

/// From the text of /proc/self/limits, where there is one.
fn open_files(limits: Option<&str>) -> Option<Finding> {
    let line = limits?.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(if soft < FEW_FILES {
        Finding::warning(
            format!("this process may have {soft} open files, and each client and member takes one"),
            "raise the limit before the start, with `ulimit -n 65536` or LimitNOFILE= of the service",
        )
    } else {
        Finding::fine(format!("this process may have {soft} open files"))
    })
}

/// Whether this node is all that it looks for.
async fn only_myself(config: &Config, plan: &Plan) -> Option<Finding> {
    let seeds = config.seeds();
    if seeds.is_empty() || !config.dns().is_empty() || config.redis().is_some() {
        return None;
    }
    let own = own_sockets(plan);
    for seed in seeds.iter() {
        if !is_own(seed, &own).await {
            return None;
        }
    }
    let named: Vec<String> = seeds.iter().map(Address::to_string).collect();
    Some(Finding::warning(
        format!("all that plugins.cluster.seeds names is this node itself ({})", named.join(", ")),
        "name at least one other node",
    ))
}

fn own_sockets(plan: &Plan) -> Vec<SocketAddr> {
    let interfaces: Vec<IpAddr> = Interface::all().unwrap_or_default().iter().map(Interface::ip).collect();
    let places = plan.listening.iter().flat_map(|place| &place.addresses);
    places
        .flat_map(|at| match at.ip().is_unspecified() {
            true => interfaces.iter().map(|ip| SocketAddr::new(*ip, at.port())).collect(),
            false => vec![*at],
        })
        .collect()
}

async fn is_own(seed: &Address, own: &[SocketAddr]) -> bool {
    match tokio::net::lookup_host((seed.host(), seed.port())).await {
        Ok(found) => found.into_iter().all(|at| own.contains(&at)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_certificate_near_its_end_is_a_warning_and_one_beyond_it_a_problem() {
        let severity = |days, begun| validity("a.pem", days, begun).severity;
        assert_eq!(
            [-3, 0, 1, 29, 30].map(|days| severity(days, true)),
            [Severity::Problem, Severity::Problem, Severity::Warning, Severity::Warning, Severity::Fine,]
        );
        assert_eq!(severity(300, false), Severity::Problem);
        assert!(
            validity("a.pem", 7, true)
                .to_string()
                .starts_with("warning  the certificate a.pem expires in 7 days. Remedy: ")
        );
    }

    #[test]
    fn a_low_limit_of_open_files_is_a_warning_and_no_limits_are_none() {
        let text = |soft: &str| {
            format!("Max processes  1 1 processes\nMax open files            {soft}   524288  files\n")
        };
        let severity = |soft: &str| open_files(Some(&text(soft))).map(|finding| finding.severity);
        assert_eq!(severity("1024"), Some(Severity::Warning));
        assert_eq!(severity("65536"), Some(Severity::Fine));
        assert_eq!((severity("unlimited"), open_files(None)), (None, None));
    }
}
