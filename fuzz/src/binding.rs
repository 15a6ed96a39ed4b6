//! Bindings and addresses: whatever is accepted has a text that means the same.

use cluster_transport::binding::Binding;
use cluster_transport::proto::Address;

use crate::memory;

/// The property.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    memory::bounded(data, || {
        match Binding::parse(text, 7511) {
            Ok(binding) => {
                let shown = binding.to_string();
                let again = Binding::parse(&shown, 1).expect("a binding's own text is one");
                assert_eq!(again, binding, "{shown}");
                assert_eq!((again.scheme(), again.port()), (binding.scheme(), binding.port()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match text.parse::<Address>() {
            Ok(address) => {
                assert_eq!(address.as_str().parse(), Ok(address.clone()), "{address}");
                assert!(!address.host().is_empty(), "{address}");
                if let Some(ip) = address.ip() {
                    let made = Address::from_ip(address.scheme(), ip, address.port());
                    assert_eq!(made.ip(), Some(ip), "{address}");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}
