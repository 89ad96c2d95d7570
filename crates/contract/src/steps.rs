//! The input and output of each Lambda, in the order of the workflow. The state machine's JSONata
//! reads and builds exactly these; unknown fields are rejected, so that neither side can change
//! alone.

use serde::{Deserialize, Serialize};

use crate::ErrorName;
use crate::ids::{ImageId, ParameterName};
use crate::placed::PlacedValue;
use crate::target::{Group, Promotion};

// A message with a flattened phase is written out below: serde cannot reject unknown fields beside
// `flatten`, so the phase does, which gets every field that the message does not have.
macro_rules! message {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[$attribute:meta])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$attribute])+ pub $field: $type,)+ }
    };
}

mod guard;
mod proof;
mod reconcile;
mod report;
mod rows;
mod writes;

pub use guard::*;
pub use proof::*;
pub use reconcile::*;
pub use report::*;
pub use rows::*;
pub use writes::*;

// --- resolve-tags: any JSON in, because what starts the workflow has several forms -------------

/// The output of resolve-tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Resolved {
    /// The input has targets, at least one.
    Targets {
        /// Each with its candidates.
        promotions: Vec<Promotion>,
    },
    /// The input has no targets.
    Skipped {
        /// Why, for people.
        reason: String,
    },
}

// --- validate-ami ------------------------------------------------------------------------------

message! {
    /// The input of validate-ami.
    ValidateInput {
        /// The target with its candidates, and how it is promoted.
        promotion: Promotion,
    }
}

message! {
    /// The output of validate-ami: a decision for each image parameter of the target.
    Validated {
        /// The decisions, in the order of the target's parameters; at least one.
        images: Vec<Decision>,
        /// The parameters without a decision: one bad image must not block the other groups of a
        /// template.
        refused: Vec<Refusal>,
        /// The plan that puts the chosen images in place.
        forward: Plan,
        /// The plan that puts back what is in place now. Absent if that is not an image, such as an
        /// operator's placeholder: then no rollback is possible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backward: Option<Plan>,
    }
}

message! {
    /// Everything that the steps after validate-ami need to put one set of images in place and to
    /// prove it. The state machine hands its parts to them as they are.
    Plan {
        /// The image parameters to change; empty when there is nothing to promote.
        changes: Vec<Change>,
        /// The SSM parameters to write; for a stack, before its update.
        writes: Vec<ParameterWrite>,
        /// The stacks whose drift the proof covers.
        stacks: Vec<StackDrift>,
        /// What the groups must boot afterwards.
        proof: Proof,
        /// The images to protect once that is proved.
        guard: Guard,
    }
}

message! {
    /// An image parameter for which no image can be promoted, although one can for others.
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
    /// The decision about one image parameter.
    Decision {
        /// The SSM parameter's name, or the template parameter's key.
        parameter: String,
        /// The value in place when the decision was made. It may be any text, for example an
        /// operator's placeholder. The write is made only if it is still in place.
        before: PlacedValue,
        /// The image that must be in place at the end.
        after: ImageId,
        /// What to do.
        outcome: DecisionOutcome,
        /// The verdicts on the chosen image; none if the target has so many image parameters that
        /// these would not fit.
        checks: Vec<Verdict>,
        /// Whether the image comes from a group that this parameter feeds.
        provenance: Provenance,
        /// The SSM parameter that the stack's parameter names, if that has a type
        /// `AWS::SSM::Parameter::Value<…>`: first the SSM parameter is written, then the stack is
        /// updated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Via>,
        /// Candidates that are newer than the chosen one, and why they were not chosen.
        rejected: Rows<Rejected>,
        /// The groups that boot from this parameter.
        groups: Vec<Group>,
    }
}

message! {
    /// The SSM parameter through which a stack's parameter gets its image.
    Via {
        /// Its name.
        parameter_name: ParameterName,
        /// Its value in place, which may be newer than the one that the stack has: the write is
        /// made only if it is still in place.
        before: PlacedValue,
    }
}

/// The action of a [`Decision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionOutcome {
    /// The newest image that passes is not in place: write it.
    Promote,
    /// It is already in place.
    Unchanged,
    /// The image in place is newer than every candidate that passes: it stays.
    Superseded,
}

message! {
    /// One check of one image.
    Verdict {
        /// The check's name.
        check: String,
        /// The expected value.
        expected: String,
        /// The actual value.
        actual: String,
        /// Whether the image passes.
        passed: bool,
    }
}

message! {
    /// Whether an image comes from a group that the target feeds.
    Provenance {
        /// The verdict.
        verdict: ProvenanceVerdict,
        /// The reason; absent when verified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

/// The verdict of a [`Provenance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvenanceVerdict {
    /// The target feeds the source instance's group.
    Verified,
    /// It cannot be verified.
    Unverified,
    /// The source instance is not in a group that the target feeds.
    Violated,
}

message! {
    /// An image that did not pass validation.
    Rejected {
        /// The image.
        image_id: ImageId,
        /// The checks that failed.
        failed: Vec<Verdict>,
    }
}
