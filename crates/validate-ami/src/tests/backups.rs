//! What AWS Backup is asked, and what its answers mean for an image.

use aws_sdk_backup::error::ErrorMetadata;
use aws_sdk_backup::operation::list_backup_jobs::{ListBackupJobsError, ListBackupJobsOutput};
use aws_sdk_backup::operation::list_recovery_points_by_backup_vault::ListRecoveryPointsByBackupVaultOutput;
use aws_sdk_backup::operation::list_recovery_points_by_resource::ListRecoveryPointsByResourceOutput;
use aws_sdk_backup::primitives::{DateTime, DateTimeFormat};
use aws_sdk_backup::types::{
    BackupJob, BackupJobState, CalculatedLifecycle, RecoveryPointByBackupVault,
    RecoveryPointByResource,
};
use contract::steps::{DecisionOutcome, Verdict};
use contract::target::{Promotion, Selection};
use contract::{ErrorName, Named};
use testkit::mocks::{Rule, mock};

use super::handle::Rules;
use super::{
    MID, NEW, OLD, candidate, decide_first, image, known, parameter_target, policy, selecting,
    target,
};
use crate::backups::{Job, Lifecycle};
use crate::checks::{CheckInput, Ec2State, verdicts};
use crate::decide::{CurrentValue, Evidence};
use crate::provenance::LaunchSources;

const VSS: &str = "Windows VSS Backup attempt failed";
const TAGS: &str = "We are unable to copy resource tags to your backup";

const INSTANCE: &str = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1";

/// The job of the newer image; the older one's is forgotten.
pub(super) fn jobs_say(message: Option<&'static str>) -> Rule {
    mock!(aws_sdk_backup::Client::list_backup_jobs)
        .match_requests(|request| {
            request.by_resource_arn() == Some(INSTANCE)
                && request.by_state() == Some(&BackupJobState::Completed)
        })
        .then_output(move || {
            let job = BackupJob::builder()
                .recovery_point_arn(format!("arn:aws:ec2:eu-west-1::image/{NEW}"))
                .message_category(if message.is_some() { "OTHER" } else { "SUCCESS" })
                .set_status_message(message.map(str::to_owned));
            // A copy in a logically air-gapped vault is no image.
            let copy = BackupJob::builder()
                .recovery_point_arn("arn:aws:backup:eu-west-1:111122223333:recovery-point:1a-2b");
            ListBackupJobsOutput::builder()
                .backup_jobs(job.build())
                .backup_jobs(copy.build())
                .build()
        })
}

/// Both images, in one vault.
pub(super) fn points() -> Rule {
    mock!(aws_sdk_backup::Client::list_recovery_points_by_resource)
        .match_requests(|request| request.resource_arn() == Some(INSTANCE))
        .then_output(|| {
            let point = |id| {
                RecoveryPointByResource::builder()
                    .recovery_point_arn(format!("arn:aws:ec2:eu-west-1::image/{id}"))
                    .backup_vault_name("nightly")
                    .build()
            };
            ListRecoveryPointsByResourceOutput::builder()
                .recovery_points(point(OLD))
                .recovery_points(point(NEW))
                .build()
        })
}

/// The vault deletes the older image on this day of 2026; the newer one never.
pub(super) fn vault_keeps(until: Option<&'static str>) -> Rule {
    mock!(aws_sdk_backup::Client::list_recovery_points_by_backup_vault)
        .match_requests(|request| {
            request.backup_vault_name() == Some("nightly")
                && request.by_resource_arn() == Some(INSTANCE)
        })
        .then_output(move || {
            let point = |id, end: Option<&str>| {
                let end = end.map(|end| DateTime::from_str(end, DateTimeFormat::DateTime).unwrap());
                let calculated = CalculatedLifecycle::builder().set_delete_at(end).build();
                RecoveryPointByBackupVault::builder()
                    .recovery_point_arn(format!("arn:aws:ec2:eu-west-1::image/{id}"))
                    .calculated_lifecycle(calculated)
                    .build()
            };
            ListRecoveryPointsByBackupVaultOutput::builder()
                .recovery_points(point(OLD, until))
                .recovery_points(point(NEW, None))
                .build()
        })
}

/// A call of AWS Backup's that is refused with this code.
fn refuses(code: &'static str) -> Rule {
    mock!(aws_sdk_backup::Client::list_backup_jobs).then_error(move || {
        let meta = ErrorMetadata::builder().code(code).message("no").build();
        ListBackupJobsError::generic(meta)
    })
}

fn of(verdicts: Vec<Verdict>, check: &str) -> Option<Verdict> {
    verdicts.into_iter().find(|verdict| verdict.check == check)
}

/// This check's verdict on the newest image.
fn verdict(check: &str, status_message: Option<&str>, known: &Ec2State) -> Option<Verdict> {
    let mut candidate = candidate(NEW);
    candidate.status_message = status_message.map(str::to_owned);
    let image = image(NEW).build();
    let policy = &policy("", "true");
    let input = CheckInput {
        candidate: &candidate,
        image: &image,
        in_use: None,
        groups: &[],
        known,
        policy,
    };
    of(verdicts(input), check)
}

#[test]
fn what_a_job_says_counts_against_its_image_if_it_is_harmful() {
    let none = "not known: AWS Backup has no job of it from the last 30 days";
    let said = |message, category| Some(Job::saying(message, category));
    for (job, event, actual, passed) in [
        (said(None, Some("SUCCESS")), None, "completed".to_owned(), true),
        (said(Some(" "), None), None, "completed".to_owned(), true),
        (said(Some(VSS), Some("OTHER")), None, format!("completed with issues: {VSS}"), false),
        (said(None, Some("PARTIAL_X")), None, "completed with issues: PARTIAL_X".to_owned(), false),
        (said(Some(TAGS), None), None, format!("completed, with a message: {TAGS}"), true),
        // AWS Backup's own word counts, not what an event said.
        (said(None, None), Some(VSS), "completed".to_owned(), true),
        (None, Some(VSS), format!("completed with issues: {VSS}"), false),
        (None, Some(TAGS), format!("completed, with a message: {TAGS}"), true),
        (None, Some(""), none.to_owned(), true),
        (None, None, none.to_owned(), true),
    ] {
        let mut known = known(vec![]);
        known.backups.jobs.clear();
        known.backups.jobs.extend(job.map(|job| (NEW.parse().unwrap(), job)));
        let verdict = verdict("backup", event, &known).unwrap();
        assert_eq!((verdict.actual, verdict.passed), (actual, passed));
    }
}

#[test]
fn an_image_has_to_last_from_now_on() {
    let at = |text| Lifecycle::At(DateTime::from_str(text, DateTimeFormat::DateTime).unwrap());
    for (lifecycle, actual, passed) in [
        (Lifecycle::Endless, "without end", true),
        (at("2026-11-06T00:00:00Z"), "until 2026-11-06T00:00:00Z", true),
        (at("2026-11-05T23:59:59Z"), "until 2026-11-05T23:59:59Z", false),
        (Lifecycle::AfterCopy, "until AWS Backup has copied it (DELETE_AFTER_COPY)", false),
    ] {
        let mut known = known(vec![]);
        known.backups.lifecycles.insert(NEW.parse().unwrap(), lifecycle);
        let verdict = verdict("lifetime", None, &known).unwrap();
        let expected = ("at least 48 hours".to_owned(), actual.to_owned(), passed);
        assert_eq!((verdict.expected, verdict.actual, verdict.passed), expected);
    }
    let mut known = known(vec![]);
    known.backups.lifecycles.clear();
    assert_eq!(verdict("lifetime", None, &known), None);
}

/// The newest image in place ends the day after; the others last.
fn decided(
    target: &Promotion,
    before: &str,
    disabled: &'static str,
) -> Result<DecisionOutcome, (ErrorName, String)> {
    let mut known = known([OLD, MID, NEW].map(|id| image(id).build()).into());
    let tomorrow = DateTime::from_str("2026-11-05T00:00:00Z", DateTimeFormat::DateTime).unwrap();
    known.backups.lifecycles.insert(MID.parse().unwrap(), Lifecycle::At(tomorrow));
    let sources = LaunchSources::default();
    let policy = policy(disabled, "true");
    let evidence = Evidence { known: &known, sources: &sources, policy: &policy };
    let in_place = CurrentValue { value: before.into(), via: None };
    let decided = decide_first(target, &in_place, evidence);
    decided.map(|it| it.outcome).map_err(|error| (error.name(), error.to_string()))
}

#[test]
fn an_image_in_place_that_ends_soon_fails_its_target_unless_it_is_replaced() {
    let of = |ids: &[&str]| target(ids.iter().map(|id| candidate(id)).collect());
    let ends = format!(
        "image {MID}, which is in place in ImageId, lasts until 2026-11-05T00:00:00Z, and nothing \
         replaces it: "
    );
    for (target, before, reason) in [
        (of(&[MID]), MID, "no image for ImageId passes validation: ami-"),
        (of(&[MID, OLD]), MID, &format!("{MID}: lifetime is until")),
        (of(&[OLD]), MID, "there is no newer image"),
        (of(&[]), MID, "no image for ImageId passes validation: there is none"),
    ] {
        let (name, message) = decided(&target, before, "").unwrap_err();
        assert_eq!(name, ErrorName::ImageExpiring, "{message}");
        let found = message.strip_prefix(&ends).unwrap_or_else(|| panic!("{message}"));
        assert!(found.starts_with(reason), "{found}");
    }
    for (target, before, disabled, outcome) in [
        (of(&[NEW, MID]), MID, "", DecisionOutcome::Promote),
        (of(&[MID]), MID, "lifetime", DecisionOutcome::Unchanged),
        (of(&[NEW]), NEW, "", DecisionOutcome::Unchanged),
        (selecting(Selection::Rollback, of(&[OLD])), MID, "", DecisionOutcome::Promote),
    ] {
        assert_eq!(decided(&target, before, disabled), Ok(outcome));
    }
}

#[tokio::test]
async fn a_harmful_message_rejects_the_image_and_another_is_reported() {
    let rules = Rules { jobs: jobs_say(Some(VSS)), ..Rules::new() };
    let error = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageRejected);
    assert!(error.to_string().contains(VSS), "{error}");

    let rules = Rules { jobs: jobs_say(Some(TAGS)), ..Rules::new() };
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    let verdict = of(decided.checks, "backup").unwrap();
    assert_eq!(verdict.actual, format!("completed, with a message: {TAGS}"));
}

#[tokio::test]
async fn the_vault_says_when_an_image_ends() {
    let soon = || vault_keeps(Some("2026-01-01T00:00:00Z"));
    let rules = Rules { vault: soon(), ..Rules::new() };
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    assert_eq!(of(decided.checks, "lifetime").unwrap().actual, "without end");

    let rules = Rules { vault: soon(), ..Rules::new() };
    let error = rules.run(parameter_target(vec![candidate(OLD)])).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::ImageExpiring);
    assert!(error.to_string().contains("lasts until 2026-01-01T00:00:00Z"), "{error}");
}

#[tokio::test]
async fn a_denial_is_reported_and_any_other_refusal_fails() {
    let rules = Rules { jobs: refuses("AccessDeniedException"), ..Rules::new() };
    let decided = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap();
    let verdict = of(decided.checks, "backup").unwrap();
    assert_eq!(verdict.actual, "not known: backup:ListBackupJobs is denied: no");
    assert!(verdict.passed);
    for (code, name) in [
        ("ThrottlingException", ErrorName::ServiceUnavailable),
        ("InvalidParameterValueException", ErrorName::UnexpectedAnswer),
    ] {
        let rules = Rules { jobs: refuses(code), ..Rules::new() };
        let error = rules.run(parameter_target(vec![candidate(NEW)])).await.unwrap_err();
        assert_eq!(error.name(), name, "{code}");
    }
}
