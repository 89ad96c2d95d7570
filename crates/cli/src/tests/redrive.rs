//! Tests of `driftless redrive`.

mod calls;
mod dead_letter;
mod show;
