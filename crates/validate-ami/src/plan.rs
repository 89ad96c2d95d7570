//! Turns decisions into plans, with all that the next steps need to put the chosen images in place,
//! and to put back the values that are there now.

use std::collections::BTreeSet;

use contract::Gather;
use contract::ids::{ImageId, StackName};
use contract::placed::PlacedValue;
use contract::steps::{
    Change, Decision, DecisionOutcome, ExpectedLaunch, Guard, HeldImage, ParameterWrite, Plan,
    Proof, Scope, StackDrift,
};
use contract::target::Target;

/// The plan that puts the chosen images in place.
#[must_use]
pub(crate) fn forward(target: &Target, images: &[Decision]) -> Plan {
    let steps = images.iter().map(|decision| Step {
        decision,
        before: decision.before.clone(),
        via_before: decision.via.as_ref().map(|via| via.before.clone()),
        after: decision.after.clone(),
    });
    plan(target, &steps.collect::<Vec<_>>())
}

/// The plan that puts back what is in place now. `None` if one of these values is not an image ID:
/// Driftless only ever writes image IDs.
#[must_use]
pub(crate) fn backward(target: &Target, images: &[Decision]) -> Option<Plan> {
    let steps: Option<Vec<_>> = images.iter().map(step_back).collect();
    Some(plan(target, &steps?))
}

fn step_back(decision: &Decision) -> Option<Step<'_>> {
    let Decision { outcome, before, after, via, .. } = decision;
    if *outcome != DecisionOutcome::Promote {
        // It stays unchanged, and its groups must still boot it.
        return Some(Step {
            decision,
            before: before.clone(),
            via_before: None,
            after: after.clone(),
        });
    }
    // A stack's parameter that reads an SSM parameter gets back the SSM parameter's previous value.
    let replaced = via.as_ref().map_or(before, |via| &via.before);
    let chosen = PlacedValue::from(after.as_str());
    let via_before = via.as_ref().map(|_| chosen.clone());
    Some(Step { decision, before: chosen, via_before, after: replaced.image()? })
}

/// One image parameter's change from one value to another.
struct Step<'a> {
    decision: &'a Decision,
    before: PlacedValue,
    /// The same for the SSM parameter, if the stack's parameter reads one.
    via_before: Option<PlacedValue>,
    after: ImageId,
}

impl Step<'_> {
    fn is_change(&self) -> bool {
        self.decision.outcome == DecisionOutcome::Promote
    }

    fn change(&self) -> Change {
        Change {
            parameter: self.decision.parameter.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            via: self.decision.via.as_ref().map(|via| via.parameter_name.clone()),
        }
    }

    /// The SSM parameter to write: the target itself, or the one that the stack's parameter reads.
    fn write(&self, target: &Target) -> Option<ParameterWrite> {
        let (name, before) = match (&self.decision.via, target) {
            (Some(via), _) => {
                let before = self.via_before.as_ref().unwrap_or(&via.before);
                (via.parameter_name.clone(), before.clone())
            }
            (None, Target::Parameter { name, .. }) => (name.clone(), self.before.clone()),
            (None, Target::Stack { .. }) => return None,
        };
        Some(ParameterWrite::new(name, before, self.after.clone()))
    }

    fn held(&self) -> HeldImage {
        HeldImage {
            parameter: self.decision.parameter.clone(),
            image: self.after.clone(),
            replaced: self.is_change().then(|| self.before.image()).flatten(),
        }
    }

    fn launches(&self) -> impl Iterator<Item = ExpectedLaunch> {
        self.decision.groups.iter().map(|group| ExpectedLaunch {
            group_name: group.group_name.clone(),
            expected: self.after.clone(),
        })
    }
}

fn plan(target: &Target, steps: &[Step<'_>]) -> Plan {
    let changed = || steps.iter().filter(|step| step.is_change());
    let scope = match target {
        Target::Stack { name, .. } => Scope::Stack(name.clone()),
        Target::Parameter { name, .. } => Scope::Parameter(name.clone()),
    };
    Plan {
        changes: changed().map(Step::change).collect(),
        writes: changed().filter_map(|step| step.write(target)).collect(),
        stacks: stacks(target, steps).into_iter().map(StackDrift::of).collect(),
        proof: Proof {
            scope: scope.clone(),
            groups: steps.iter().flat_map(Step::launches).collect(),
            is_complete: matches!(target, Target::Parameter { readers: Some(_), .. }),
            before: changed().filter_map(|step| step.before.image()).gather(),
            after: steps.iter().map(|step| step.after.clone()).gather(),
        },
        guard: Guard { scope, images: steps.iter().map(Step::held).collect() },
    }
}

/// The stacks of the groups that boot from the target; for a stack, also itself. A stack's drift
/// says nothing about the resources of stacks nested in it.
fn stacks(target: &Target, steps: &[Step<'_>]) -> BTreeSet<StackName> {
    let groups = steps.iter().flat_map(|step| &step.decision.groups);
    let of_groups = groups.filter_map(|group| group.stack_name.clone());
    let itself = match target {
        Target::Stack { name, .. } => Some(name.clone()),
        Target::Parameter { .. } => None,
    };
    of_groups.chain(itself).gather()
}
