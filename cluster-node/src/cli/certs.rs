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
    #[arg(long, value_name = "a,b,c", value_delimiter = ',', required = true)]
    nodes: Vec<NodeId>,
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
}

pub(super) fn make(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { out, nodes, cluster, ca, force } = arguments;
    let overwrite = if *force { Overwrite::Replace } else { Overwrite::Refuse };
    if let Some((_, twice)) =
        nodes.iter().enumerate().find(|(at, node)| nodes.iter().take(*at).any(|before| before == *node))
    {
        return Err(Failure::Usage(format!("the node {twice} is named twice")));
    }
    let (authority, includes) = match ca {
        Some(path) => (Authority::load(cluster, path)?, Includes::Certificate),
        None => (Authority::new(cluster)?, Includes::Key),
    };
    let issued: Vec<_> = nodes.iter().map(|node| authority.issue(node)).collect::<Result<_, _>>()?;
    let saved = authority.save_with(out, overwrite, includes, &issued)?;
    say(format_args!("authority of {cluster}: {}", out.join("ca.pem").display()));
    for (node, files) in nodes.iter().zip(saved) {
        say(format_args!("{node}: {} and {}", files.certificate.display(), files.key.display()));
    }
    Ok(())
}
