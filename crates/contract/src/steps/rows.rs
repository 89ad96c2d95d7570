//! Lists of bounded length: a report has the first rows, and how many more there are. Step Functions
//! limits what travels between states to 256 KiB.

use serde::{Deserialize, Serialize};

/// The first rows of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many more there are.
    pub more: usize,
}

impl<T> Rows<T> {
    /// The maximum number of rows.
    pub const MAX: usize = 25;

    /// The first rows of a list.
    #[must_use]
    pub fn first(mut rows: Vec<T>) -> Self {
        let more = rows.len().saturating_sub(Self::MAX);
        rows.truncate(Self::MAX);
        Self { rows, more }
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), more: 0 }
    }
}
