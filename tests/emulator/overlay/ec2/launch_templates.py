"""Owns launch templates: the version that a specification means, and the image that a version boots.

AWS facts:
* `ImageId` may be `resolve:ssm:NAME`, `…:VERSION`, `…:LABEL`, or a parameter ARN. It is resolved at each launch
  (API_RequestLaunchTemplateData), never stored resolved.
* Naming or resolving such a parameter needs a permission (`iam.permissions` checks it).
* `ResolveAlias=true` shows the image id, else the literal (API_DescribeLaunchTemplateVersions).
* `LatestVersionNumber` only grows (cloudformation-coverage-roadmap#1912).
Unsure:
* The exact text for a parameter that does not exist.
"""

import re
from collections.abc import Callable
from typing import Any

from ministack.services import ec2, ssm

from overlay import patching
from overlay.wire import ApiError, ec2_action, page, refuse_reserved_tags, tag_specifications

_ALIAS = "resolve:ssm:"
#: Called with the data of a template whose parameter image is named or resolved; raises if it may not be.
on_parameter: list[Callable[[dict[str, Any]], None]] = []


def find(template_id="", name=""):
    if template_id:
        template = ec2._launch_templates.get(template_id)
        if template is None:
            if not re.match(r"^lt-[0-9a-f]{17}$", template_id):
                raise ApiError("InvalidLaunchTemplateId.Malformed",
                               f'Invalid id: "{template_id}" (expecting "lt-...")')
            raise ApiError("InvalidLaunchTemplateId.NotFound",
                           f"The specified launch template, with template ID {template_id}, does not exist.")
        return template
    for template in ec2._launch_templates.values():
        if template["LaunchTemplateName"] == name:
            return template
    raise ApiError("InvalidLaunchTemplateName.NotFoundException",
                   f"The specified launch template, with template name {name}, does not exist.")


def version(template, spec):
    """The version record that `$Latest`, `$Default` or a number means now."""
    spec = str(spec or "$Default")
    number = {"$Latest": template["LatestVersionNumber"],
              "$Default": template["DefaultVersionNumber"]}.get(spec, spec)
    for record in template["Versions"]:
        if str(record["VersionNumber"]) == str(number):
            return record
    raise ApiError("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version")


def is_alias(image_id):
    return image_id.startswith(_ALIAS)


def resolve_image(image_id):
    """The AMI id that `image_id` means at this moment."""
    if not is_alias(image_id):
        return image_id
    reference = image_id[len(_ALIAS):]
    name, selector = ssm._split_selector(reference)
    value = None
    if selector is None:
        value = ssm.resolve_parameter_value(name)
    else:
        key, _ = ssm._lookup_parameter(name, allow_arn_region=True, flexible_name=True)
        for record in ssm._parameter_history.get(key) or []:
            if str(record.get("Version")) == selector or selector in (record.get("Labels") or []):
                value = record.get("Value")
    if value is None:
        raise ApiError(
            "InvalidParameterValue",
            f"Invalid value '{image_id}' for imageId. The Systems Manager parameter "
            f"{reference} does not exist")
    return value


def _describe_versions(p):
    template_id, name = ec2._p(p, "LaunchTemplateId"), ec2._p(p, "LaunchTemplateName")
    wanted = ec2._parse_member_list(p, "LaunchTemplateVersion")
    if template_id or name:
        template = find(template_id, name)
        if wanted:
            records = [version(template, w) for w in wanted]
        else:
            records = sorted(template["Versions"], key=lambda v: -v["VersionNumber"])
    else:
        if not wanted or set(wanted) - {"$Latest", "$Default"}:
            raise ApiError("MissingParameter",
                           "The request must contain the parameter LaunchTemplateId or LaunchTemplateName")
        records = [version(t, w) for t in ec2._launch_templates.values() for w in wanted]
    low, high = ec2._p(p, "MinVersion"), ec2._p(p, "MaxVersion")
    records = [r for r in records if (not low or r["VersionNumber"] >= int(low))
               and (not high or r["VersionNumber"] <= int(high))]
    shown, token = page(records, p, 200)
    if ec2._p(p, "ResolveAlias").lower() == "true":
        shown = [_resolved(r) for r in shown]
    return ec2._xml(200, "DescribeLaunchTemplateVersionsResponse",
                    "<launchTemplateVersionSet>" + "".join(ec2._lt_version_xml(r) for r in shown)
                    + "</launchTemplateVersionSet>" + (f"<nextToken>{token}</nextToken>" if token else ""))


def _resolved(record):
    data = record.get("LaunchTemplateData") or {}
    if not is_alias(data.get("ImageId", "")):
        return record
    _check_parameter(data)
    return {**record, "LaunchTemplateData": {**data, "ImageId": resolve_image(data["ImageId"])}}


def _check_parameter(data):
    for check in on_parameter:
        check(data)


def _checked(original):
    """Creating a template or a version: reserved tags, a parameter image, and a source version by alias."""
    def handle(p):
        tag_specifications(p)
        data = ec2._parse_lt_data(p)
        refuse_reserved_tags(t["Key"] for s in data.get("TagSpecifications", []) for t in s["Tags"])
        _check_parameter(data)
        source = ec2._p(p, "SourceVersion")
        if source:
            template = find(ec2._p(p, "LaunchTemplateId"), ec2._p(p, "LaunchTemplateName"))
            p = {**p, "SourceVersion": [str(version(template, source)["VersionNumber"])]}
        return original(p)
    return ec2_action(handle)


def _describe_templates(original):
    def handle(p):
        for template_id in ec2._parse_member_list(p, "LaunchTemplateId"):
            find(template_id)
        for name in ec2._parse_member_list(p, "LaunchTemplateName"):
            find("", name)
        return original(p)
    return ec2_action(handle)


def install():
    patching.requires(ec2, "_launch_templates", "_lt_version_xml", "_parse_lt_data")
    patching.requires(ssm, "_split_selector", "_lookup_parameter", "_parameter_history",
                      "resolve_parameter_value")
    where, table = "ec2._ACTION_MAP", ec2._ACTION_MAP
    patching.entry(table, "DescribeLaunchTemplateVersions",
                   lambda _: ec2_action(_describe_versions), where=where)
    patching.entry(table, "DescribeLaunchTemplates", _describe_templates, where=where)
    patching.entry(table, "CreateLaunchTemplate", _checked, where=where)
    patching.entry(table, "CreateLaunchTemplateVersion", _checked, where=where)
