//! Messages that others reply to, wherever they are.

/// Which of them the page has.
#[derive(Debug, Default)]
pub struct Quotes {
    /// The page was told of them.
    pub told: Vec<u64>,
    /// They are to be read.
    pub wanted: Vec<u64>,
}
