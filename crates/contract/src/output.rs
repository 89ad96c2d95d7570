//! How large the output of each step may be. A Lambda may return 6 MB, but Step Functions passes on
//! 256 KiB from state to state, counts what is assigned to variables like that, and an output travels
//! with others: a step's own limit leaves room for these. A larger output would end the execution
//! with `States.DataLimitExceeded`, and its report would be lost; so the shell around every step
//! refuses it as [`ErrorName::TargetTooLarge`](crate::ErrorName::TargetTooLarge).

use crate::report::Summary;
use crate::steps::{
    DriftReport, Guarded, Listed, PlanReport, Promoted, RefreshReport, Reported, Resolved,
    StackProgress, StackUpdate, Validated, Verified,
};

const KIB: usize = 1024;

/// What a step returns.
pub trait StepOutput {
    /// The maximum length as JSON, in bytes.
    const MAX_BYTES: usize;
}

macro_rules! limits {
    ($($output:ident: $kib:literal KiB,)+) => {
        $(impl StepOutput for $output { const MAX_BYTES: usize = $kib * KIB; })+
    };
}

limits! {
    Resolved: 240 KiB,
    Validated: 44 KiB,
    PlanReport: 12 KiB,
    Promoted: 8 KiB,
    StackUpdate: 2 KiB,
    StackProgress: 1 KiB,
    DriftReport: 23 KiB,
    Verified: 14 KiB,
    RefreshReport: 8 KiB,
    Guarded: 4 KiB,
    Reported: 240 KiB,
    Listed: 200 KiB,
    Summary: 10 KiB,
}

/// How long the report of a reconcile may be as JSON, in bytes: it goes through the state machine
/// beside the pages of the next round.
pub const MAX_RECONCILE_REPORT_BYTES: usize = 128 * KIB;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::{MAX_STATE_BYTES, MAX_TARGETS};

    /// Names of fields, braces, and everything that has a fixed length.
    const AROUND: usize = 2 * KIB;
    /// An error's cause: at most 2,000 characters and how many there were, of four bytes each.
    const FAILURE: usize = 8 * KIB + KIB / 4;

    /// A round of a reconcile has 300 targets in pages of 25.
    const PAGES: usize = 12;

    /// `RecordTarget`'s output for each target, which together are the Map's output and Report's input.
    #[test]
    fn what_is_collected_about_all_targets_fits() {
        let record = Validated::MAX_BYTES
            + PlanReport::MAX_BYTES
            + Promoted::MAX_BYTES
            + DriftReport::MAX_BYTES
            + Verified::MAX_BYTES
            + RefreshReport::MAX_BYTES
            + 2 * FAILURE
            + AROUND;
        let all = record * MAX_TARGETS as usize;
        assert!(all <= MAX_STATE_BYTES, "{all} bytes");
    }

    /// Each is assigned, passed on, or the payload of a task.
    #[test]
    fn what_travels_with_an_output_fits() {
        for (what, bytes) in [
            ("ResolveTags: Output; the payload of ValidateAmi", Resolved::MAX_BYTES),
            // The forward plan, and its parts.
            ("ValidateAmi: Assign", 2 * Validated::MAX_BYTES),
            ("PlanUpdate, UpdateStack, WaitStackComplete: payload", Validated::MAX_BYTES),
            ("PromoteSsm: payload", Validated::MAX_BYTES.max(Promoted::MAX_BYTES)),
            // The drift now, and that before the promotion.
            ("DetectDrift: payload", Validated::MAX_BYTES + 2 * DriftReport::MAX_BYTES),
            ("VerifyGroups: payload", Validated::MAX_BYTES),
            ("GuardImages: payload", Validated::MAX_BYTES + Verified::MAX_BYTES),
            ("Report: Output", Reported::MAX_BYTES),
            ("ListTargets: Output", Listed::MAX_BYTES),
            ("CollectResults of all pages: Output", PAGES * Summary::MAX_BYTES),
            (
                "Report of a reconcile: payload",
                MAX_RECONCILE_REPORT_BYTES + PAGES * Summary::MAX_BYTES,
            ),
        ] {
            assert!(bytes + AROUND <= MAX_STATE_BYTES, "{what}: {bytes} bytes");
        }
    }

    /// 10 MiB for all variables of an execution (developer guide, "Passing data between states with
    /// variables").
    #[test]
    fn all_variables_fit() {
        let of_a_target = Resolved::MAX_BYTES
            + 2 * Validated::MAX_BYTES
            + PlanReport::MAX_BYTES
            + Promoted::MAX_BYTES
            + 2 * DriftReport::MAX_BYTES
            + Verified::MAX_BYTES
            + RefreshReport::MAX_BYTES
            + 2 * FAILURE;
        assert!(Resolved::MAX_BYTES + of_a_target * MAX_TARGETS as usize <= 10 * 1024 * KIB);
    }
}
