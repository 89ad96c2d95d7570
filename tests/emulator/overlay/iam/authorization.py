"""Owns the resource that a request is authorized on, and the text of a refusal.

AWS facts (Service Authorization Reference; the texts are recorded ones):
* The Describe actions of EC2 and Auto Scaling take no resource: a policy that names one does not allow them. The
  resource is `*`.
* DescribeStackDriftDetectionStatus takes no resource either (DhananjayThomble/URL-Shortener-App#507).
* DescribeStackResources by a physical id, and a change set named by its ARN alone, name no stack: the first is
  authorized on `*`, the second on the change set's stack (every change set action takes a stack).
* Images live at `arn:aws:ec2:REGION::image/ami-…`, without an account.
* An image's own tags are `aws:ResourceTag`, what CreateTags and DeleteTags name is `aws:TagKeys` (same reference).
* GetParameters is authorized on every parameter it names.
* ListRecoveryPointsByBackupVault is authorized on the vault; AWS Backup's other listings take no resource.
* Drift detection of a stack also needs DetectStackResourceDrift and BatchDescribeTypeConfigurations (CloudFormation
  user guide, "Detect drift").
"""

import json

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import autoscaling, ec2, tagging
from ministack.services.cloudformation import changesets, handlers
from ministack.services.cloudformation.helpers import _error, _p

from overlay import patching
from overlay.iam import permissions

#: Describe actions of EC2 that do take a resource.
_WITH_RESOURCE = frozenset({"DescribeInstanceAttribute", "DescribeImageAttribute", "DescribeVolumeAttribute",
                            "DescribeSnapshotAttribute"})


def _first(params, *names):
    for name in names:
        value = params.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if value:
            return value
    return ""


def _ec2(params, region, account):
    action = _first(params, "Action")
    if action.startswith("Describe") and action not in _WITH_RESOURCE:
        return "*"
    template = _first(params, "LaunchTemplateId")
    if template:
        return f"arn:aws:ec2:{region}:{account}:launch-template/{template}"
    image = _first(params, "ImageId")
    if image and action != "RunInstances":
        return f"arn:aws:ec2:{region}::image/{image}"
    tagged = _first(params, "ResourceId.1")
    if tagged.startswith("ami-"):
        return f"arn:aws:ec2:{region}::image/{tagged}"
    return None


def _autoscaling(params):
    if _first(params, "Action").startswith("Describe"):
        return "*"
    name = _first(params, "AutoScalingGroupName")
    group = autoscaling._asgs.get(name) if name else None
    return group["AutoScalingGroupARN"] if group else None


def _cloudformation(params):
    change_set = _first(params, "ChangeSetName")
    if not _first(params, "StackName") and change_set.startswith("arn:"):
        _, found = changesets._find_change_set(change_set)
        return (found or {}).get("StackId")
    return None


def _backup(path):
    parts = path.strip("/").split("/")
    if parts[0] == "backup-vaults" and parts[2:] == ["recovery-points"]:
        return f"arn:aws:backup:{get_region()}:{get_account_id()}:backup-vault:{parts[1]}"
    return None


def _ssm(headers, body, region, account):
    if headers.get("x-amz-target", "").rsplit(".", 1)[-1] not in ("GetParameters", "DeleteParameters"):
        return None
    try:
        names = json.loads(body).get("Names") or []
    except ValueError:
        return None
    arns = [permissions.parameter_arn(n, region, account) for n in names]
    # One request, one resource, in MiniStack: name the first that is denied, else the last.
    return next((a for a in arns if not permissions.allowed("ssm:GetParameters", a)), arns[-1] if arns else None)


def _resource(original):
    def extract(service, method, path, headers, body, query_params, region, account_id):
        found = None
        if service == "ec2":
            found = _ec2(query_params, region, account_id)
        elif service == "autoscaling":
            found = _autoscaling(query_params)
        elif service == "cloudformation":
            found = _cloudformation(query_params)
        elif service == "backup" and method == "GET":
            found = _backup(path)
        elif service == "ssm":
            found = _ssm(headers, body, region, account_id)
        return found or original(service, method, path, headers, body, query_params, region, account_id)
    return extract


def _denial(original):
    def respond(service, action, principal_arn, request_id, **kwargs):
        if (service in ("ec2", "cloudformation", "autoscaling") and not kwargs.get("error_code")
                and not kwargs.get("message")):
            message = permissions.denial(principal_arn, action, kwargs.get("resource_arn", "*"),
                                         kwargs.get("explicit_deny", False))
            if service == "ec2":
                message = f"You are not authorized to perform this operation. {message}"
            kwargs["message"] = message
        return original(service, action, principal_arn, request_id, **kwargs)
    return respond


def _tagged_images():
    """Every image's ARN, with its tags."""
    return [(f"arn:aws:ec2:{get_region()}::image/{image_id}", ec2._tags.get(image_id, [])) for image_id in ec2._images]


def _drift_needs(original):
    def detect(params):
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if stack:
            for action, resource in (("cloudformation:DetectStackResourceDrift", stack["StackId"]),
                                     ("cloudformation:BatchDescribeTypeConfigurations", "*")):
                if not permissions.allowed(action, resource):
                    return _error("AccessDenied", permissions.denial(permissions.caller(), action, resource), 403)
        return original(params)
    return detect


def install():
    patching.requires(app, "AUTH")
    patching.requires(changesets, "_find_change_set")
    patching.requires(ec2, "_images", "_tags")
    patching.attribute(iam_actions, "extract_resource_arn", _resource)
    patching.new_entry(tagging._RESOURCE_TAG_COLLECTORS, "ec2", _tagged_images,
                       where="tagging._RESOURCE_TAG_COLLECTORS")
    patching.attribute(iam_actions, "access_denied_response", _denial)
    patching.entry(handlers._ACTION_HANDLERS, "DetectStackDrift", _drift_needs,
                   where="cloudformation.handlers._ACTION_HANDLERS")
