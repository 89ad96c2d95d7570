//! The forms of input of resolve-tags: recognises and validates them.

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use contract::event::{
    BACKUP_JOB, BACKUP_SOURCE, BackupDetail, BackupEvent, EC2_SOURCE, IMAGE_STATE, ImageDetail,
    ImageEvent, ManualRun, RollbackRun, TargetNames, TargetRun,
};
use contract::ids::{ImageId, ParameterKey};
use contract::target::{Run, Selection};
use serde_json::Value;
use step::{InvalidInput, decode, truncated};
use tags::Destination;

/// Every form of input, for the message about an unknown one.
const FORMS: &str = concat!(
    r#"AWS Backup's or EC2's event, {"imageId": "ami-…"}, {"target": {"parameterName": "…"}}, "#,
    r#"{"target": {"stackName": "…"}}, {"rollback": {"parameterName": "…"}} or "#,
    r#"{"rollback": {"stackName": "…"}}"#
);
/// Where a run over every target is started.
const OF_RECONCILE: &str = "the state machine of the output ReconcileStateMachineArn promotes every \
                            target: start it with {} or {\"dryRun\": true}";

/// The fields of an input that name a target.
const TARGET: &str = "target";
const ROLLBACK: &str = "rollback";

/// The maximum length of an unknown word in a message.
const MAX_FOUND_CHARS: usize = 64;
/// The maximum length of AWS Backup's message that is kept with its image.
const MAX_STATUS_CHARS: usize = 1_000;

/// A request: what to promote or roll back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Promote to the targets that this image's tags name.
    Image(ImageId, Trigger),
    /// Promote the newest image of this target, or put an older one back.
    Named(NamedTarget, Run),
    /// Do nothing, for this reason.
    Skip(String),
}

/// What names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// AWS Backup: promote the newest image of each target.
    Backup {
        /// The instance that the image is a backup of.
        instance_id: Option<String>,
        /// The status message, if the job is "completed with issues".
        status_message: Option<String>,
    },
    /// EC2: the same. The image may not have its tags yet.
    Available {
        /// When the image became available.
        time: DateTime,
    },
    /// A person or a program: promote this image and no other.
    Manual(Run),
}

/// A target that the input names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedTarget {
    /// The input's field with the name: `target` or `rollback`.
    pub field: &'static str,
    /// The parameter or the stack.
    pub destination: Destination,
    /// The stack's parameter; all when absent.
    pub only: Option<ParameterKey>,
    /// All groups that boot from the parameter, if they have just been listed.
    pub groups: Option<Vec<String>>,
}

impl Trigger {
    /// How a manual run promotes its image; `None` for an event.
    #[must_use]
    pub(crate) const fn run(&self) -> Option<Run> {
        match self {
            Self::Manual(run) => Some(*run),
            Self::Backup { .. } | Self::Available { .. } => None,
        }
    }
}

/// Recognises the form of the input.
///
/// # Errors
/// The input has none of the known forms.
pub(crate) fn request(input: Value) -> Result<Request, InvalidInput> {
    let Some(fields) = input.as_object() else {
        return Err(InvalidInput::new("$", format!("expected {FORMS}; found {input}")));
    };
    let has = |field| fields.contains_key(field);
    if let Some(detail_type) = fields.get("detail-type") {
        // An event's other fields depend on this one, so it is checked before decoding.
        return match detail_type.as_str() {
            Some(IMAGE_STATE) => from_image_event(decode(input)?),
            Some(other) if other != BACKUP_JOB => {
                let other = truncated(other, MAX_FOUND_CHARS);
                Ok(Request::Skip(format!(
                    "{other:?} events are ignored; only {BACKUP_JOB:?} and {IMAGE_STATE:?} events are \
                     handled"
                )))
            }
            _ => from_event(decode(input)?),
        };
    }
    if has("imageId") {
        return Ok(from_manual(decode(input)?));
    }
    if has(TARGET) {
        return from_target(decode(input)?);
    }
    if has(ROLLBACK) {
        return from_rollback(decode(input)?);
    }
    if let Some(field) = ["reconcile", "dryRun"].into_iter().find(|field| has(field)) {
        let problem = format!("expected a target or an image beside it; {OF_RECONCILE}");
        return Err(InvalidInput::new(field, problem));
    }
    let found: Vec<_> = fields.keys().map(String::as_str).collect();
    let found = if found.is_empty() { "no field".to_owned() } else { found.join(", ") };
    Err(InvalidInput::new("$", format!("expected {FORMS}; found {found}")))
}

fn from_event(event: BackupEvent) -> Result<Request, InvalidInput> {
    sent_by(BACKUP_SOURCE, &event.source)?;
    if event.detail.state != "COMPLETED" {
        let state = truncated(event.detail.state, MAX_FOUND_CHARS);
        return Ok(Request::Skip(format!("the backup job is {state}, not COMPLETED")));
    }
    match event.detail.resource_type.as_deref() {
        Some("EC2") => {
            let Some(image_id) = image_in(&event.resources)? else {
                let found = truncated(event.resources.join(", "), MAX_FOUND_CHARS);
                return Ok(Request::Skip(format!("the recovery point {found} is no image")));
            };
            let BackupDetail { status_message, resource_arn, .. } = event.detail;
            let status_message = status_message.map(|text| truncated(text, MAX_STATUS_CHARS));
            let instance_id = resource_arn.as_deref().and_then(instance_in).map(str::to_owned);
            Ok(Request::Image(image_id, Trigger::Backup { instance_id, status_message }))
        }
        other => {
            let found = truncated(other.unwrap_or("missing"), MAX_FOUND_CHARS);
            Ok(Request::Skip(format!("the backup's resource type is {found}, not EC2")))
        }
    }
}

fn from_image_event(event: ImageEvent) -> Result<Request, InvalidInput> {
    sent_by(EC2_SOURCE, &event.source)?;
    let ImageDetail { image_id, state } = event.detail;
    if state != "available" {
        let state = truncated(state, MAX_FOUND_CHARS);
        return Ok(Request::Skip(format!("image {image_id} is {state}, not available")));
    }
    let time = DateTime::from_str(&event.time, DateTimeFormat::DateTime).map_err(|_| {
        InvalidInput::new("time", format!("expected ISO 8601, found {:?}", event.time))
    })?;
    Ok(Request::Image(image_id, Trigger::Available { time }))
}

fn sent_by(expected: &str, found: &str) -> Result<(), InvalidInput> {
    if found == expected {
        return Ok(());
    }
    Err(InvalidInput::new("source", format!("expected {expected:?}, found {found:?}")))
}

/// The instance that an ARN names: `arn:<partition>:ec2:<region>:<account>:instance/i-…`.
fn instance_in(arn: &str) -> Option<&str> {
    arn.rsplit_once(":instance/").map(|(_, id)| id).filter(|id| id.starts_with("i-"))
}

/// The first image among a backup event's recovery points. `None` if they are recovery points that
/// are no images, such as copies in a logically air-gapped vault.
fn image_in(resources: &[String]) -> Result<Option<ImageId>, InvalidInput> {
    let images = resources.iter().map(|arn| ImageId::from_arn(arn));
    match images.enumerate().find_map(|(index, image)| image.map(|image| (index, image))) {
        Some((_, Ok(image))) => Ok(Some(image)),
        Some((index, Err(malformed))) => {
            Err(InvalidInput::new(format!("resources[{index}]"), malformed.to_string()))
        }
        None if resources.iter().any(|arn| arn.contains(":recovery-point:")) => Ok(None),
        None => Err(InvalidInput::new(
            "resources",
            format!(
                "expected the ARN of an image (arn:aws:ec2:REGION::image/ami-…), found {resources:?}"
            ),
        )),
    }
}

fn from_manual(manual: ManualRun) -> Request {
    let ManualRun { image_id, allow_older, instance_refresh, dry_run } = manual;
    let selection = newest(allow_older);
    let run = Run { selection, dry_run, instance_refresh, ..Run::default() };
    Request::Image(image_id, Trigger::Manual(run))
}

fn newest(allow_older: bool) -> Selection {
    if allow_older { Selection::AllowOlder } else { Selection::Newest }
}

fn from_target(run: TargetRun) -> Result<Request, InvalidInput> {
    let TargetRun { target, allow_older, instance_refresh, dry_run, verify, groups, started_by: _ } =
        run;
    let run = Run { selection: newest(allow_older), dry_run, instance_refresh, verify };
    let named = named(TARGET, target)?;
    if let (Destination::Stack(_), Some(_)) = (&named.destination, &groups) {
        let problem = "expected only together with parameterName: a stack says which groups it has";
        return Err(InvalidInput::new("groups", problem));
    }
    Ok(Request::Named(NamedTarget { groups, ..named }, run))
}

fn from_rollback(run: RollbackRun) -> Result<Request, InvalidInput> {
    let RollbackRun { rollback, instance_refresh, dry_run } = run;
    let selection = Selection::Rollback;
    let run = Run { selection, dry_run, instance_refresh, ..Run::default() };
    Ok(Request::Named(named(ROLLBACK, rollback)?, run))
}

fn named(field: &'static str, names: TargetNames) -> Result<NamedTarget, InvalidInput> {
    let TargetNames { parameter_name, stack_name, parameter_key } = names;
    let wrong = |found| {
        let expected = "expected exactly one of parameterName and stackName";
        InvalidInput::new(field, format!("{expected}, found {found}"))
    };
    let destination = match (parameter_name, stack_name) {
        (Some(_), Some(_)) => return Err(wrong("both")),
        (None, None) => return Err(wrong("neither")),
        (Some(name), None) => Destination::Parameter(name),
        (None, Some(name)) => Destination::Stack(name),
    };
    if let (Destination::Parameter(_), Some(key)) = (&destination, &parameter_key) {
        let problem = format!("expected only together with stackName, found \"{key}\"");
        return Err(InvalidInput::new(format!("{field}.parameterKey"), problem));
    }
    Ok(NamedTarget { field, destination, only: parameter_key, groups: None })
}
