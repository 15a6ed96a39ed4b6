//! Tells a service manager how this process is, by the datagrams of `sd_notify(3)`. Without one nothing is sent.

use std::os::unix::net::UnixDatagram;

/// The service manager's socket, if there is one.
#[derive(Debug)]
pub(super) struct Notifier(Option<(UnixDatagram, String)>);

impl Notifier {
    /// The one that the environment names.
    pub(super) fn from_environment() -> Self {
        let path = std::env::var("NOTIFY_SOCKET").ok().filter(|path| !path.is_empty());
        path.map_or(Self(None), Self::to)
    }

    fn to(path: String) -> Self {
        Self(UnixDatagram::unbound().ok().map(|socket| (socket, path)))
    }

    /// This node serves clients.
    pub(super) fn ready(&self) {
        self.send("READY=1\nSTATUS=ready");
    }

    /// This node stops.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=draining");
    }

    /// A service manager that cannot be told is no reason to stop.
    fn send(&self, words: &str) {
        let Some((socket, path)) = &self.0 else { return };
        let sent = match path.strip_prefix('@') {
            Some(name) => abstract_address(name).and_then(|to| socket.send_to_addr(words.as_bytes(), &to)),
            None => socket.send_to(words.as_bytes(), path),
        };
        if let Err(error) = sent {
            tracing::warn!("the service manager at {path} cannot be told: {error}");
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> std::io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> std::io::Result<std::os::unix::net::SocketAddr> {
    Err(std::io::Error::other("there are no abstract sockets here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_when_a_node_is_ready_and_when_it_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.to_str().unwrap().to_owned());
        let heard = || {
            let mut words = [0; 64];
            let length = manager.recv(&mut words).unwrap();
            String::from_utf8(words[..length].to_vec()).unwrap()
        };
        notifier.ready();
        assert_eq!(heard(), "READY=1\nSTATUS=ready");
        notifier.stopping();
        assert_eq!(heard(), "STOPPING=1\nSTATUS=draining");
    }

    #[test]
    fn without_one_or_with_one_that_is_gone_nothing_happens() {
        Notifier(None).ready();
        Notifier::to("/nowhere/notify".to_owned()).ready();
    }
}
