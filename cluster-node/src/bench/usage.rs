//! What a process costs.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Usage {
    /// Processor time of all its threads, in the kernel too, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that it ever had resident, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// What this process has used up to now.
    pub(super) fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Self::default() };
        let cpu = duration(usage.user_time()) + duration(usage.system_time());
        // Linux counts in KiB.
        let peak_bytes = u64::try_from(usage.max_rss()).unwrap_or_default() * 1024;
        Self { cpu_seconds: cpu.as_secs_f64(), peak_bytes }
    }

    /// What it has used since.
    pub(super) fn since(self, before: Self) -> Self {
        Self { cpu_seconds: self.cpu_seconds - before.cpu_seconds, ..self }
    }
}

/// The memory that this process has resident now, in bytes; 0 where the system does not say.
pub(super) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    1024 * kib.unwrap_or(0)
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_something() {
        let used = Usage::now();
        assert!(used.peak_bytes > 1 << 20, "{used:?}");
        assert!(resident() > 1 << 20);
        assert!(Usage::now().since(used).cpu_seconds >= 0.0);
    }
}
