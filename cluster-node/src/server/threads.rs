//! Threads for the clients alone.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// As many threads as there are cores, on which nothing but clients is served.
///
/// However many clients have something to do, the tasks of the cluster wait behind none of them: the system shares the cores among
/// the threads of both. Dropping this ends what runs on them.
#[derive(Debug)]
pub struct ClientThreads(Option<Runtime>);

impl ClientThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().thread_name("clients").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does something on these threads; what it binds and spawns stays there.
    ///
    /// # Errors
    /// When it panics.
    pub async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let done = match &self.0 {
            Some(runtime) => runtime.spawn(task),
            // Only a value that is being dropped has none.
            None => tokio::spawn(task),
        };
        Ok(done.await?)
    }
}

impl Drop for ClientThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
