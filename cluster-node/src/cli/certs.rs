//! `certs`: a development authority and certificates for nodes.

use std::path::PathBuf;

use cluster_core::config::DEFAULT_CLUSTER_NAME;
use cluster_transport::certs::{Authority, Overwrite};
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
    /// Sign with the ca.pem and ca-key.pem in this folder, in place of a new authority
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

pub(super) fn make(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { out, nodes, cluster, ca, force } = arguments;
    let overwrite = if *force { Overwrite::Replace } else { Overwrite::Refuse };
    let authority = match ca {
        Some(folder) => Authority::load(cluster, folder)?,
        None => {
            let authority = Authority::new(cluster)?;
            authority.save(out, overwrite)?;
            say(format_args!("authority of {cluster}: {}", out.join("ca.pem").display()));
            authority
        }
    };
    for node in nodes {
        let files = authority.issue(node)?.save(out, overwrite)?;
        say(format_args!("{node}: {} and {}", files.certificate.display(), files.key.display()));
    }
    Ok(())
}
