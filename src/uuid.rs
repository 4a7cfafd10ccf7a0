//! UUIDs as numbers.

/// Reads the hyphenated form, in either case.
pub fn parse(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut id = 0u128;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            id = id << 4 | u128::from((*byte as char).to_digit(16)?);
        }
    }
    Some(id)
}

/// The canonical form: lower case with hyphens, as PostgreSQL prints it.
pub fn text(id: u128) -> String {
    let mut out = String::with_capacity(36);
    for i in 0..32 {
        if matches!(i, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        let digit = (id >> (124 - 4 * i)) as u32 & 15;
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
    out
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_survive_the_round_trip(id in any::<u128>()) {
            prop_assert_eq!(parse(&text(id)), Some(id));
            prop_assert_eq!(parse(&text(id).to_uppercase()), Some(id));
        }

        #[test]
        fn nothing_that_is_no_uuid_parses(text in "\\PC{0,40}") {
            prop_assume!(!text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
            prop_assert_eq!(parse(&text), None);
        }
    }
}
