//! The kinds of value that only configuration has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use cluster_transport::proto::{Address, ClusterName};
use sha2::{Digest, Sha256};

/// A text that is not a value of its setting. It never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(super) &'static str);

/// The seed that room ids are derived with; all nodes of a cluster need the same one.
///
/// 64 hexadecimal digits are the 32 bytes themselves; any other text is hashed with SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterSeed([u8; 32]);

impl FilterSeed {
    /// The seed of a cluster that is given none: the SHA-256 of `filter seed of cluster ` and the cluster's name.
    ///
    /// It is equal on all nodes without being configured, and known to anyone who knows the name.
    pub fn of_cluster(name: &ClusterName) -> Self {
        Self::hash_of(&format!("filter seed of cluster {name}"))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn hash_of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut seed = [0; 32];
        if text.len() != 2 * seed.len() {
            return None;
        }
        for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |b: &u8| char::from(*b).to_digit(16);
            let value = digits.iter().try_fold(0, |value, b| Some(value * 16 + digit(b)?))?;
            *byte = u8::try_from(value).ok()?;
        }
        Some(Self(seed))
    }
}

impl From<[u8; 32]> for FilterSeed {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for FilterSeed {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError(
                "the seed is empty: give 64 hexadecimal digits, or any text to be hashed",
            ));
        }
        Ok(Self::from_hex(text).unwrap_or_else(|| Self::hash_of(text)))
    }
}

impl fmt::Display for FilterSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FilterSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The secret that the administrative routes ask for. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(Arc<str>);

impl AdminToken {
    /// The longest token, in bytes.
    pub const MAX: usize = 512;

    /// The secret itself, to be compared in constant time.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for AdminToken {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ValueError("a token is 1 to 512 visible ASCII characters, without spaces"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

/// The address or host name on which the node serves its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost(Arc<str>);

impl ServerHost {
    /// The host as text, IPv6 without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IpAddr> for ServerHost {
    fn from(ip: IpAddr) -> Self {
        Self(ip.to_string().into())
    }
}

impl FromStr for ServerHost {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(ip.into());
        }
        let address: Result<Address, _> = format!("tcp://{text}:1").parse();
        address
            .map(|address| Self(address.host().into()))
            .map_err(|_| ValueError("the host is neither a name nor an IP address"))
    }
}

impl fmt::Display for ServerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a node without TLS may listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// On loopback addresses alone.
    #[default]
    LoopbackOnly,
    /// On any address: whoever reaches it can read and forge everything in the cluster.
    DangerousAnywhere,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* } else $problem:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as it stands in a file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                let known = Self::ALL.iter().find(|known| known.as_str() == text);
                known.copied().ok_or(ValueError($problem))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a node does while it sees fewer members than `minimumNodes`.
    OnMinority {
        /// Not ready; its own clients are still served from what it knows.
        ServeLocal = "serveLocal",
        /// Not ready; its own clients are not served either.
        Stop = "stop",
    } else "the choices are serveLocal and stop"
}

words! {
    /// A command that another member may give to this node.
    AcceptedCommand {
        /// Write a diagnostic dump.
        Dump = "dump",
        /// Stop the process.
        Shutdown = "shutdown",
        /// Forget all that was recorded so far, then verify.
        Blank = "blank",
        /// Compare the state of all owners again, and repair it.
        Verify = "verify",
    } else "the choices are dump, shutdown, blank and verify"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_64_hexadecimal_digits_or_the_hash_of_a_text() {
        let seed = |text: &str| text.parse::<FilterSeed>().unwrap();
        let digits = "00ff".repeat(16);
        assert_eq!(seed(&digits).to_string(), digits);
        assert_eq!(seed(&digits.to_uppercase()).as_bytes()[..4], [0, 255, 0, 255]);
        let hash_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(seed("abc").to_string(), hash_of_abc);
        assert_eq!(seed(hash_of_abc), seed("abc"));
        assert_ne!(seed(&format!("{}zz", "00".repeat(31))), seed(&"00".repeat(32)));
        assert!("".parse::<FilterSeed>().is_err());
    }

    #[test]
    fn clusters_of_different_names_have_different_default_seeds() {
        let seed = |name: &str| FilterSeed::of_cluster(&name.parse().unwrap()).to_string();
        assert_eq!(seed("kuzzle"), "08d7559d3b81a3c0812bc1c2e4f126097b926832ea4f9e7b6c680f574910a760");
        assert_ne!(seed("kuzzle"), seed("other"));
    }

    #[test]
    fn a_token_must_travel_in_a_header_and_shows_itself_nowhere() {
        let token: AdminToken = "s3cret".parse().unwrap();
        assert_eq!((token.expose(), format!("{token:?}")), ("s3cret", "AdminToken(***)".to_owned()));
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(513)] {
            let error = bad.parse::<AdminToken>().unwrap_err().to_string();
            assert_eq!(error, "a token is 1 to 512 visible ASCII characters, without spaces");
        }
    }

    #[test]
    fn a_server_host_is_a_name_or_an_ip_address() {
        for (given, shown) in [("Localhost", "localhost"), ("0.0.0.0", "0.0.0.0"), ("0::1", "::1")] {
            assert_eq!(given.parse::<ServerHost>().map(|host| host.to_string()).as_deref(), Ok(shown));
        }
        assert!("a b".parse::<ServerHost>().is_err());
        assert!("a:1".parse::<ServerHost>().is_err());
    }
}
