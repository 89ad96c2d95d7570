//! Input and output of each Lambda, in the order of the workflow. The state machine's JSONata
//! reads and builds exactly these; unknown fields are refused so that neither side drifts.

use serde::{Deserialize, Serialize};

use crate::ErrorName;
use crate::ids::{ImageId, ParameterName};
use crate::placed::PlacedValue;
use crate::report::Report;
use crate::target::{Group, Promotion};

macro_rules! message {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[$attribute:meta])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$attribute])+ pub $field: $type,)+ }
    };
}

mod proof;
mod report;
mod writes;

pub use proof::*;
pub use report::*;
pub use writes::*;

// --- resolve-tags: any JSON in, because what starts the workflow has several forms -------------

/// What resolve-tags answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Resolved {
    /// These are meant, at least one.
    Targets {
        /// Each with its candidates.
        promotions: Vec<Promotion>,
    },
    /// Nothing is meant.
    Skipped {
        /// The report of the execution, which ends here.
        report: Report,
    },
}

// --- validate-ami ------------------------------------------------------------------------------

message! {
    /// What validate-ami takes.
    ValidateInput {
        /// The target with its candidates, and how it is promoted.
        promotion: Promotion,
    }
}

message! {
    /// What validate-ami answers: a decision for each image parameter of the target.
    Validated {
        /// In the order of the target's parameters; those that could be decided about, at least
        /// one.
        images: Vec<Decision>,
        /// The rest: one bad image must not keep the other groups of a template from theirs.
        refused: Vec<Refusal>,
        /// What puts the chosen images in place.
        forward: Plan,
        /// What puts back what is in place now. Absent where that is not an image, such as an
        /// operator's placeholder: then there is no way back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backward: Option<Plan>,
    }
}

message! {
    /// Everything that the steps after validate-ami need to put one set of images in place and to
    /// prove it. The state machine hands its parts to them as they are.
    Plan {
        /// The image parameters to change; none when nothing is to be promoted.
        changes: Vec<Change>,
        /// The SSM parameters to write, before the stack is updated where there is one.
        writes: Vec<ParameterWrite>,
        /// The stacks whose drift the proof covers.
        stacks: Vec<StackDrift>,
        /// The groups, with the image that each has to boot afterwards.
        groups: Vec<GroupLaunch>,
        /// By what further groups are found.
        proof: Proof,
        /// The same groups for an instance refresh.
        refresh: Vec<GroupRefresh>,
    }
}

message! {
    /// An image parameter for which no image can be promoted, beside others for which one can.
    Refusal {
        /// The template parameter's key.
        parameter: String,
        /// The name in the catalogue.
        name: ErrorName,
        /// What was found, for people.
        message: String,
    }
}

message! {
    /// What is to become of one image parameter.
    Decision {
        /// The SSM parameter's name, or the template parameter's key.
        parameter: String,
        /// The value in place when the decision was made. Any text: an operator may have begun
        /// with a placeholder. The write is made only if it is still there.
        before: PlacedValue,
        /// The image that is to be in place at the end.
        after: ImageId,
        /// What leads from the one to the other.
        outcome: DecisionOutcome,
        /// The verdicts on the image that was chosen.
        checks: Vec<Verdict>,
        /// Whether the image comes from a group that this parameter feeds.
        provenance: Provenance,
        /// The SSM parameter that the stack's parameter names, where it is of a type
        /// `AWS::SSM::Parameter::Value<…>`: that one is written, then the stack updated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Via>,
        /// Candidates that are newer than the chosen one, and why they were not chosen.
        rejected: Vec<Rejected>,
        /// The groups that boot from this parameter.
        groups: Vec<Group>,
    }
}

message! {
    /// The SSM parameter through which a stack's parameter gets its image.
    Via {
        /// Its name.
        parameter_name: ParameterName,
        /// Its value in place, which may be newer than what the stack took from it: the write is
        /// made only if this is still there.
        before: PlacedValue,
    }
}

/// What a [`Decision`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionOutcome {
    /// The newest image that passes is not in place: write it.
    Promote,
    /// It is in place already.
    Unchanged,
    /// The image in place is newer than every candidate that passes: it stays.
    Superseded,
}

message! {
    /// One check of one image.
    Verdict {
        /// The check's name.
        check: String,
        /// What had to be.
        expected: String,
        /// What was found.
        actual: String,
        /// Whether the two agree.
        passed: bool,
    }
}

message! {
    /// Whether an image comes from where it says it belongs.
    Provenance {
        /// The verdict.
        verdict: ProvenanceVerdict,
        /// What was found; absent when verified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

/// What a [`Provenance`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvenanceVerdict {
    /// The source instance's group is fed by this target.
    Verified,
    /// It cannot be told.
    Unverified,
    /// The source instance is elsewhere.
    Violated,
}

message! {
    /// An image that did not pass.
    Rejected {
        /// The image.
        image_id: ImageId,
        /// The checks that failed.
        failed: Vec<Verdict>,
    }
}
