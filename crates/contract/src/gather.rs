//! Collects into maps and sets without sorting first.

/// For maps and sets with a handful of items. `collect` of a `BTreeMap` or a `BTreeSet` sorts its items
/// before it inserts them, with five kilobytes of code in the function for each type of item.
pub trait Gather: Iterator + Sized {
    /// Inserts one after the other.
    ///
    /// ```
    /// use std::collections::BTreeSet;
    ///
    /// use contract::Gather;
    ///
    /// let names: BTreeSet<_> = ["web", "api", "web"].into_iter().gather();
    /// assert_eq!(names, BTreeSet::from(["api", "web"]));
    /// ```
    fn gather<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Gather for I {}
