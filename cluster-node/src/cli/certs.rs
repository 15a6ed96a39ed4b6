//! `certs`: a development authority and certificates for nodes.

use std::path::PathBuf;

use cluster_core::config::DEFAULT_CLUSTER_NAME;
use cluster_transport::certs::{Authority, Includes, Overwrite};
use cluster_transport::proto::{ClusterName, NodeId};

use super::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder for the files; it is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The ids of the nodes that get a certificate
    #[arg(long, value_name = "a,b,c", value_delimiter = ',', required_unless_present = "shared")]
    nodes: Vec<NodeId>,
    /// Make one certificate that any node may show, where ids are not known beforehand: who has its key can be each of them
    #[arg(long)]
    shared: bool,
    /// The name of the cluster
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER_NAME)]
    cluster: ClusterName,
    /// Sign with an existing authority in place of a new one: the ca.pem and ca-key.pem in this folder, or a certificate
    /// NAME.pem with its key beside it in NAME-key.pem
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Do nothing if the certificates are there already
    #[arg(long, conflicts_with = "force")]
    keep: bool,
}

pub(super) fn make(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { out, nodes, shared, cluster, ca, force, keep } = arguments;
    let overwrite = if *force { Overwrite::Replace } else { Overwrite::Refuse };
    let all: Vec<&str> = names(nodes, *shared).collect();
    if let Some((_, twice)) =
        all.iter().enumerate().find(|(at, name)| all.iter().take(*at).any(|it| it == *name))
    {
        return Err(Failure::Usage(format!("the node {twice} is named twice")));
    }
    if *keep && all.iter().all(|name| out.join(format!("{name}.pem")).exists()) {
        say(format_args!("the certificates in {} are kept", out.display()));
        return Ok(());
    }
    let (authority, includes) = match ca {
        Some(path) => (Authority::load(cluster, path)?, Includes::Certificate),
        None => (Authority::new(cluster)?, Includes::Key),
    };
    let issued = nodes.iter().map(|node| authority.issue(node));
    let issued = issued.chain(shared.then(|| authority.issue_shared())).collect::<Result<Vec<_>, _>>()?;
    let saved = authority.save_with(out, overwrite, includes, &issued)?;
    say(format_args!("authority of {cluster}: {}", out.join("ca.pem").display()));
    for (name, files) in all.iter().zip(saved) {
        say(format_args!("{name}: {} and {}", files.certificate.display(), files.key.display()));
    }
    Ok(())
}

/// What the files of the certificates are named after.
fn names(nodes: &[NodeId], shared: bool) -> impl Iterator<Item = &str> {
    nodes.iter().map(NodeId::as_str).chain(shared.then_some("shared"))
}
