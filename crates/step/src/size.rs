//! Bounds lists by what they need as JSON.

use contract::steps::Rows;
use serde::Serialize;

/// The length as JSON, in bytes.
#[must_use]
pub fn json_bytes(value: &impl Serialize) -> usize {
    // What cannot be written as JSON never fits.
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// The first rows of a list that have at most this many bytes together, as JSON.
#[must_use]
pub fn rows_within<T: Serialize>(rows: Vec<T>, max_bytes: usize) -> Rows<T> {
    Rows::first(rows).within(max_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_that_fit_are_kept() {
        let rows = |count: usize| vec!["123456".to_owned(); count];
        let found = |count, bytes| {
            let found = rows_within(rows(count), bytes);
            (found.rows.len(), found.more)
        };
        // Eight bytes with quotes, and a comma.
        assert_eq!(found(3, 27), (3, 0));
        assert_eq!(found(3, 26), (2, 1));
        assert_eq!(found(3, 0), (0, 3));
        assert_eq!(found(30, 10_000), (25, 5));
        assert!(json_bytes(&rows(3)) <= 27 + 2);
    }
}
