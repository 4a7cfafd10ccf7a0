//! Text of SQL from values of strangers. PostgREST types a value by the column it meets; a quoted literal does the
//! same, where a parameter would have to be given its type.

/// A literal. A NUL byte, which PostgreSQL has no way to hold, is taken out by `has_nul` beforehand.
pub fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// For what the client sends raw; in JSON a NUL is an escape that PostgreSQL refuses by itself.
pub fn has_nul(value: &str) -> bool {
    value.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_quotes() {
        assert_eq!(quote("a'; drop table x; --"), "'a''; drop table x; --'");
        assert_eq!(quote(r"\'"), r"'\'''");
        assert_eq!(identifier(r#"a" b"#), r#""a"" b""#);
    }
}
