//! The reports of real runs, in sentences.

use contract::report::Report;

use crate::promotion;

fn example(name: &str) -> String {
    let path = format!("{}/../../tests/fixtures/reports/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let report: Report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    promotion(&report)
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for part in expected {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_plan_says_what_would_change() {
    let text = example("planned");
    says(&text, &["Planned\n", " would get ami-", " (was ami-", "\n  it would change "]);
    says(&text, &["(AWS::AutoScaling::AutoScalingGroup), and perhaps replace it"]);
}

#[test]
fn a_promotion_says_what_proves_it() {
    let text = example("promoted");
    says(&text, &["Promoted\n", " has ami-", "\n  group ", " boots ami-", " is IN_SYNC ("]);
}

#[test]
fn a_failure_says_what_it_means() {
    let text = example("refused");
    says(&text, &["Failed\n", " failed: TargetNotPermitted in ValidateAmi: "]);
    says(&text, &["\n  What it means: The image was not taken from an instance of a group"]);
    let text = example("rolled-back");
    says(&text, &[" was rolled back to ami-", ": LaunchImageMismatch in VerifyGroups: "]);
}
