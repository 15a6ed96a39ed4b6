//! What a member writes to its log, line by line.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::GIVE_UP;

/// The lines of one member, without time and target. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Logs {
    text: watch::Sender<String>,
    /// Addresses that are known by a name.
    names: Arc<Mutex<Vec<(String, String)>>>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { text: watch::Sender::new(String::new()), names: Arc::default() }
    }
}

impl Logs {
    /// Writes what the current thread logs at `INFO` and above into this log.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::INFO)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(self.clone())
            .finish()
    }

    /// Shows an address, which differs from run to run, as this name.
    pub fn name(&self, address: impl ToString, name: &str) {
        self.names.lock().unwrap().push((address.to_string(), name.to_owned()));
    }

    /// The warnings and errors so far, addresses by their names and ports that have none as `*`.
    pub fn complaints(&self) -> Vec<String> {
        self.lines(|line| line.starts_with("WARN") || line.starts_with("ERROR"))
    }

    /// The lines so far that fit, shown in the same way.
    pub fn lines(&self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let text = self.text.borrow();
        text.lines().map(str::trim_start).filter(|line| fits(line)).map(|line| self.by_name(line)).collect()
    }

    /// Waits until a line contains these words.
    pub async fn contain(&self, words: &str) {
        let mut text = self.text.subscribe();
        let found = text.wait_for(|text| text.lines().any(|line| line.contains(words)));
        if tokio::time::timeout(GIVE_UP, found).await.is_err() {
            panic!("no line with {words:?} in:\n{}", *self.text.borrow());
        }
    }

    fn by_name(&self, line: &str) -> String {
        let names = self.names.lock().unwrap();
        let named = names.iter().fold(line.to_owned(), |line, (address, name)| line.replace(address, name));
        without_ports(&named)
    }
}

/// Ports of the other end of accepted connections are the system's choice.
fn without_ports(line: &str) -> String {
    let mut parts = line.split("127.0.0.1:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("127.0.0.1:*");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let words = String::from_utf8_lossy(bytes);
        self.text.send_modify(|text| text.push_str(&words));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complaints_count_and_addresses_have_names() {
        let logs = Logs::default();
        logs.name("tcp://127.0.0.1:7511", "tcp://a");
        tracing::subscriber::with_default(logs.subscriber(), || {
            tracing::info!("joined");
            tracing::warn!(remote = "127.0.0.1:40001", "came for tcp://127.0.0.1:7511");
        });
        assert_eq!(logs.complaints(), ["WARN came for tcp://a remote=\"127.0.0.1:*\""]);
    }
}
