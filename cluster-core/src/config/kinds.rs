//! How the value of a setting is read from JSON, shown as JSON, and what fits.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cluster_transport::binding::Binding;
use serde_json::Value;

use super::values::{AdminToken, Plaintext};

/// Why a JSON value cannot be the value of a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not what [`Kind::expected`] says.
    Unexpected,
    /// It is a text of the right kind, but this is wrong with it.
    Because(String),
}

/// What values a setting takes, all of them of the type `T`.
pub(super) trait Kind<T> {
    /// Whether values must not be shown.
    const SECRET: bool = false;

    /// What fits, to stand behind "expected".
    fn expected(&self) -> String;
    /// The value that a file gives.
    fn read(&self, given: &Value) -> Result<T, Unfit>;
    /// The value as a file would give it, secrets masked.
    fn show(&self, value: &T) -> Value;
    /// Whether a value that a program gave is in range.
    fn fits(&self, _value: &T) -> bool {
        true
    }
}

/// A number that a file gives as a whole one: of things, of bytes, or of milliseconds.
pub(super) trait Quantity: Sized {
    const UNIT: &'static str = "";

    fn from_file(number: u64) -> Option<Self>;
    fn in_file(&self) -> u64;
}

macro_rules! plain_quantity {
    ($($type:ty),*) => {$(
        impl Quantity for $type {
            fn from_file(number: u64) -> Option<Self> {
                number.try_into().ok()
            }

            fn in_file(&self) -> u64 {
                u64::try_from(*self).unwrap_or(u64::MAX)
            }
        }
    )*};
}

plain_quantity!(u16, u32, u64, usize);

impl Quantity for NonZeroUsize {
    fn from_file(number: u64) -> Option<Self> {
        Self::new(number.try_into().ok()?)
    }

    fn in_file(&self) -> u64 {
        self.get().in_file()
    }
}

impl Quantity for Duration {
    const UNIT: &'static str = " of milliseconds";

    fn from_file(number: u64) -> Option<Self> {
        Some(Self::from_millis(number))
    }

    fn in_file(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A quantity in this range, in the unit of the file.
pub(super) struct Amount(pub(super) RangeInclusive<u64>);

impl<T: Quantity> Kind<T> for Amount {
    fn expected(&self) -> String {
        format!("a whole number{} from {} to {}", T::UNIT, self.0.start(), self.0.end())
    }

    fn read(&self, given: &Value) -> Result<T, Unfit> {
        let number = given.as_u64().filter(|number| self.0.contains(number));
        number.and_then(T::from_file).ok_or(Unfit::Unexpected)
    }

    fn show(&self, value: &T) -> Value {
        value.in_file().into()
    }

    fn fits(&self, value: &T) -> bool {
        self.0.contains(&value.in_file())
    }
}

/// A text that is parsed; the field says what it is.
pub(super) struct Parsed(pub(super) &'static str);

impl<T> Kind<T> for Parsed
where
    T: FromStr<Err: fmt::Display> + fmt::Display,
{
    fn expected(&self) -> String {
        self.0.to_owned()
    }

    fn read(&self, given: &Value) -> Result<T, Unfit> {
        parse(given, str::parse)
    }

    fn show(&self, value: &T) -> Value {
        value.to_string().into()
    }
}

/// A binding that has this port if it names none.
pub(super) struct BindingOnPort(pub(super) u16);

impl Kind<Binding> for BindingOnPort {
    fn expected(&self) -> String {
        "a text such as tcp://[_site_:ipv4]:7511".to_owned()
    }

    fn read(&self, given: &Value) -> Result<Binding, Unfit> {
        parse(given, |text| Binding::parse(text, self.0))
    }

    fn show(&self, value: &Binding) -> Value {
        value.to_string().into()
    }
}

/// The path of a file; a relative one counts from the directory that the process was started in.
pub(super) struct FilePath;

impl Kind<PathBuf> for FilePath {
    fn expected(&self) -> String {
        "the path of a file".to_owned()
    }

    fn read(&self, given: &Value) -> Result<PathBuf, Unfit> {
        let text = given.as_str().filter(|text| !text.is_empty());
        text.map(PathBuf::from).ok_or(Unfit::Unexpected)
    }

    fn show(&self, value: &PathBuf) -> Value {
        value.display().to_string().into()
    }
}

/// The secret of the administrative routes.
pub(super) struct Token;

impl Kind<AdminToken> for Token {
    const SECRET: bool = true;

    fn expected(&self) -> String {
        "a text".to_owned()
    }

    fn read(&self, given: &Value) -> Result<AdminToken, Unfit> {
        parse(given, str::parse)
    }

    fn show(&self, _value: &AdminToken) -> Value {
        "***".into()
    }
}

/// `true` where plaintext may leave the machine.
pub(super) struct PlaintextFlag;

impl Kind<Plaintext> for PlaintextFlag {
    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn read(&self, given: &Value) -> Result<Plaintext, Unfit> {
        match given {
            Value::Bool(true) => Ok(Plaintext::DangerousAnywhere),
            Value::Bool(false) => Ok(Plaintext::LoopbackOnly),
            _ => Err(Unfit::Unexpected),
        }
    }

    fn show(&self, value: &Plaintext) -> Value {
        (*value == Plaintext::DangerousAnywhere).into()
    }
}

/// `null` where there is none.
pub(super) struct OrNull<K>(pub(super) K);

impl<T, K: Kind<T>> Kind<Option<T>> for OrNull<K> {
    const SECRET: bool = K::SECRET;

    fn expected(&self) -> String {
        format!("{}, or null", self.0.expected())
    }

    fn read(&self, given: &Value) -> Result<Option<T>, Unfit> {
        if given.is_null() { Ok(None) } else { self.0.read(given).map(Some) }
    }

    fn show(&self, value: &Option<T>) -> Value {
        value.as_ref().map_or(Value::Null, |value| self.0.show(value))
    }

    fn fits(&self, value: &Option<T>) -> bool {
        value.as_ref().is_none_or(|value| self.0.fits(value))
    }
}

/// A list; one element may stand without its brackets.
pub(super) struct List<K>(pub(super) K);

impl<T, K: Kind<T>> Kind<Arc<[T]>> for List<K> {
    const SECRET: bool = K::SECRET;

    fn expected(&self) -> String {
        format!("{}, or a list of such", self.0.expected())
    }

    fn read(&self, given: &Value) -> Result<Arc<[T]>, Unfit> {
        match given {
            Value::Array(elements) => elements.iter().map(|element| self.0.read(element)).collect(),
            one => Ok([self.0.read(one)?].into()),
        }
    }

    fn show(&self, value: &Arc<[T]>) -> Value {
        value.iter().map(|element| self.0.show(element)).collect()
    }

    fn fits(&self, value: &Arc<[T]>) -> bool {
        value.iter().all(|element| self.0.fits(element))
    }
}

fn parse<T, E: fmt::Display>(given: &Value, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Unfit> {
    let text = given.as_str().ok_or(Unfit::Unexpected)?;
    parse(text).map_err(|error| Unfit::Because(error.to_string()))
}
