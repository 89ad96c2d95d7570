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
    pub fn first(rows: Vec<T>) -> Self {
        Self { rows, more: 0 }.shortened()
    }

    /// The first rows of these.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        self.more += self.rows.len().saturating_sub(Self::MAX);
        self.rows.truncate(Self::MAX);
        self
    }
}

impl<T: Serialize> Rows<T> {
    /// As many of the first rows as fit into this many bytes of JSON.
    #[must_use]
    pub fn within(mut self, bytes: usize) -> Self {
        let mut total = 0;
        let fits = |row: &&T| {
            total = usize::saturating_add(total, length(row));
            total <= bytes
        };
        let kept = self.rows.iter().take_while(fits).count();
        self.more += self.rows.len() - kept;
        self.rows.truncate(kept);
        self
    }

    /// The length of the rows as JSON, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(length).fold(0, usize::saturating_add)
    }
}

/// With the comma after it. What cannot be written as JSON never fits.
fn length<T: Serialize>(row: &T) -> usize {
    serde_json::to_string(row).map_or(usize::MAX, |text| text.len() + 1)
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), more: 0 }
    }
}
