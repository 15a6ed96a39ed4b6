//! Reads the hexadecimal examples of docs/PROTOCOL.md: blocks fenced as `hex`, in which `Name:` begins an example, bytes are
//! pairs of digits, and `#` begins a comment.

use std::collections::BTreeMap;

/// The bytes of each example under a heading of the second level, by name.
pub(crate) fn examples(markdown: &str, heading: &str) -> BTreeMap<String, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let (mut chapter, mut is_hex, mut name) = ("", false, None::<String>);
    for line in markdown.lines() {
        match line.strip_prefix("```") {
            Some(fence) => (is_hex, name) = (fence == "hex", None),
            None if !is_hex => chapter = line.strip_prefix("## ").unwrap_or(chapter),
            None if chapter != heading => {}
            None => {
                let mut text = line.split('#').next().unwrap_or_default();
                if let Some((begun, rest)) = text.split_once(':') {
                    assert!(
                        examples.insert(begun.to_owned(), Vec::new()).is_none(),
                        "{begun} is there twice"
                    );
                    (name, text) = (Some(begun.to_owned()), rest);
                }
                let bytes = text.split_whitespace().map(|pair| {
                    assert_eq!(pair.len(), 2, "{pair} in: {line}");
                    u8::from_str_radix(pair, 16).expect(line)
                });
                let example = name.as_ref().and_then(|name| examples.get_mut(name));
                example.expect("an example begins with its name").extend(bytes);
            }
        }
    }
    assert!(!examples.is_empty(), "no examples under {heading}");
    examples
}
