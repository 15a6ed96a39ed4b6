//! Writes families of figures, each with its help.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Figures of one family, with their labels.
pub(super) type Samples<T> = Vec<(Vec<(&'static str, String)>, T)>;

pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

impl<'a> Writer<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: Samples<f64>,
    ) -> fmt::Result {
        let family = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        each(family, samples, |mut encoder, value| encoder.encode_gauge(&value))
    }

    /// The name is written with `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str, samples: Samples<u64>) -> fmt::Result {
        let family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        each(family, samples, |mut encoder, value| encoder.encode_counter::<NoLabelSet, _, u64>(&value, None))
    }
}

fn each<T>(
    mut family: MetricEncoder<'_>,
    samples: Samples<T>,
    write: impl Fn(MetricEncoder<'_>, T) -> fmt::Result,
) -> fmt::Result {
    samples
        .into_iter()
        .try_for_each(|(labels, value)| write(family.encode_family(&labels.as_slice())?, value))
}
