//! The macro behind the table of settings: from one row a setting gets its field, its default, its getter, its builder
//! method, its key in the file and its line in the list of effective values, so that none of these can be forgotten.

use super::error::ConfigError;
use super::kinds::{Kind, Unfit};
use super::layers::Given;
use super::sources::Source;

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

impl<T: Clone> Sourced<T> {
    pub(super) fn value(&self) -> T {
        self.value.clone()
    }
}

/// A setting as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective<'a> {
    /// The key in the file, from its root.
    pub key: &'static str,
    /// The value as JSON; `"***"` for a secret.
    pub value: String,
    /// Where it came from.
    pub source: &'a Source,
}

/// Reads what a source gave for a setting.
pub(super) fn read<T, K: Kind<T>>(kind: &K, given: &Given) -> Result<Sourced<T>, ConfigError> {
    let value = kind.read(&given.value).or_else(|unfit| {
        // A text such as 123 looked like a number, but where a text is wanted it is one.
        let as_text = given.text.as_ref().map(|text| kind.read(&text.clone().into()));
        as_text.and_then(Result::ok).ok_or(unfit)
    });
    match value {
        Ok(value) => Ok(Sourced { value, source: given.source.clone() }),
        Err(Unfit::Because(problem)) => {
            Err(ConfigError::Invalid { key: given.key, given_by: given.source.clone(), problem })
        }
        Err(Unfit::Unexpected) => {
            let shown = if K::SECRET { "***".to_owned() } else { shorten(&given.value.to_string()) };
            Err(unfit(kind, given.key, shown, &given.source))
        }
    }
}

/// Refuses a value that a program gave if it is out of range.
pub(super) fn check<T, K: Kind<T>>(kind: &K, key: &'static str, set: &Sourced<T>) -> Result<(), ConfigError> {
    if kind.fits(&set.value) {
        return Ok(());
    }
    Err(unfit(kind, key, shorten(&kind.show(&set.value).to_string()), &set.source))
}

fn unfit<T, K: Kind<T>>(kind: &K, key: &str, given: String, given_by: &Source) -> ConfigError {
    ConfigError::Unfit { key: key.to_owned(), given, given_by: given_by.clone(), expected: kind.expected() }
}

/// As much of a value, or of a key that is none, as an error shows: in one line.
pub(super) fn shorten(text: &str) -> String {
    const MAX: usize = 100;
    let mut shown = String::new();
    for character in text.chars().take(MAX) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// One row a setting: docs, `public` or `derived`, name, type, default, key in the file, kind of its values.
///
/// A `public` one has a getter; from a `derived` one the configuration makes what it hands out.
macro_rules! settings {
    ($(
        $(#[$doc:meta])*
        $access:ident $name:ident: $type:ty = $default:expr, $key:literal, $kind:expr;
    )*) => {
        /// The value of every setting.
        #[derive(Clone, Debug)]
        pub(super) struct Settings {
            $(pub(super) $name: Sourced<$type>,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: Sourced { value: $default, source: Source::Default },)* }
            }
        }

        impl Settings {
            /// The keys in the file, from its root, in the order of the table.
            pub(super) const KEYS: &[&str] = &[$($key),*];

            /// Takes a value that a source gave.
            pub(super) fn take(&mut self, given: &Given) -> Result<(), ConfigError> {
                match given.key {
                    $($key => self.$name = table::read(&$kind, given)?,)*
                    _ => {}
                }
                Ok(())
            }

            /// Refuses what is out of range.
            pub(super) fn check(&self) -> Result<(), ConfigError> {
                $(table::check(&$kind, $key, &self.$name)?;)*
                Ok(())
            }

            /// All settings, in the order of the table.
            pub(super) fn effective(&self) -> impl Iterator<Item = Effective<'_>> {
                [$(Effective {
                    key: $key,
                    value: $kind.show(&self.$name.value).to_string(),
                    source: &self.$name.source,
                },)*]
                .into_iter()
            }
        }

        impl Config {
            $(table::getter! { $access $(#[$doc])* $name: $type })*
        }

        impl ConfigBuilder {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: impl Into<$type>) -> Self {
                self.settings.$name = Sourced { value: value.into(), source: Source::Program };
                self
            })*
        }
    };
}
pub(super) use settings;

macro_rules! getter {
    (public $(#[$doc:meta])* $name:ident: $type:ty) => {
        $(#[$doc])*
        pub fn $name(&self) -> $type {
            self.settings.$name.value()
        }
    };
    (derived $($rest:tt)*) => {};
}
pub(super) use getter;
