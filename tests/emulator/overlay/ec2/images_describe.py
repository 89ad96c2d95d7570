"""Owns DescribeImages: selection, filters, paging, and the form of the answer.

AWS facts (API_DescribeImages):
* A filter with several values matches any of them, `*` and `?` are wildcards, several filters must all match. An
  unknown filter is refused.
* Disabled images are left out unless `IncludeDisabled`. Deprecated ones are left out for everybody but the owner.
* `MaxResults` excludes `ImageId.N`.
Unlike AWS:
* A deregistered image is gone at once; AWS shows it "for a short interval".
Unsure:
* Whether a disabled image named by id is left out (done here) or refused.
"""

import datetime
import itertools
from fnmatch import fnmatchcase
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id
from ministack.services import ec2

from overlay import patching
from overlay.ec2 import image_protection, images
from overlay.wire import ApiError, ec2_action, page

_SIMPLE = {
    "image-id": "ImageId", "name": "Name", "description": "Description", "state": "State",
    "architecture": "Architecture", "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType", "virtualization-type": "VirtualizationType",
    "owner-id": "OwnerId", "owner-alias": "ImageOwnerAlias", "creation-date": "CreationDate",
    "source-instance-id": "SourceInstanceId", "source-image-id": "SourceImageId",
    "source-image-region": "SourceImageRegion", "boot-mode": "BootMode",
    "platform": "Platform", "manifest-location": "ImageLocation",
}


def glob(value, patterns):
    """EC2's filter match: any of the patterns, with `*` and `?`."""
    # fnmatch gives `[` a meaning that EC2 does not. Most patterns are plain values, and images are many.
    return any(value == p or (("*" in p or "?" in p) and fnmatchcase(value, p.replace("[", "[[]"))) for p in patterns)


def match_tags(resource_id, name, patterns):
    """Whether a `tag:K`, `tag-key` or `tag-value` filter matches; None if it is another one."""
    tags = ec2._tags.get(resource_id, [])
    if name.startswith("tag:"):
        return any(t["Key"] == name[4:] and glob(t.get("Value", ""), patterns) for t in tags)
    if name == "tag-key":
        return any(glob(t["Key"], patterns) for t in tags)
    if name == "tag-value":
        return any(glob(t.get("Value", ""), patterns) for t in tags)
    return None


def _match(image, name, patterns):
    if name in _SIMPLE:
        value = image.get(_SIMPLE[name]) or ""
        return value != "" and glob(value, patterns)
    tagged = match_tags(image["ImageId"], name, patterns)
    if tagged is not None:
        return tagged
    if name == "is-public":
        return ("true" if images.is_public(image) else "false") in patterns
    if name == "image-type":
        return "machine" in patterns
    if name == "hypervisor":
        return "xen" in patterns
    if name == "block-device-mapping.snapshot-id":
        return any(glob((m.get("Ebs") or {}).get("SnapshotId", ""), patterns)
                   for m in image.get("BlockDeviceMappings") or [])
    raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _owned(image, owners):
    account = get_account_id()
    return any(o == image["OwnerId"] or (o == "self" and image["OwnerId"] == account)
               or (o and o == image.get("ImageOwnerAlias")) for o in owners)


def _deprecated(image):
    when = image.get("DeprecationTime")
    if not when:
        return False
    at = datetime.datetime.fromisoformat(when.replace("Z", "+00:00"))
    return at <= datetime.datetime.now(datetime.timezone.utc)


def _element(tag, value):
    return f"<{tag}>{escape(str(value))}</{tag}>" if value not in (None, "") else ""


def _mappings(image):
    items = ""
    for mapping in image.get("BlockDeviceMappings") or []:
        ebs = mapping.get("Ebs") or {}
        items += (f"<item><deviceName>{escape(mapping['DeviceName'])}</deviceName><ebs>"
                  + _element("snapshotId", ebs.get("SnapshotId"))
                  + _element("volumeSize", ebs.get("VolumeSize", "8"))
                  + _element("volumeType", ebs.get("VolumeType", "gp3"))
                  + _element("deleteOnTermination", ebs.get("DeleteOnTermination", "true"))
                  + _element("encrypted", ebs.get("Encrypted", "false"))
                  + "</ebs></item>")
    return f"<blockDeviceMapping>{items}</blockDeviceMapping>" if items else ""


def _image_xml(image):
    tags = "".join(
        f"<item><key>{escape(t['Key'])}</key><value>{escape(t.get('Value', ''))}</value></item>"
        for t in ec2._tags.get(image["ImageId"], []))
    reason = image.get("StateReason")
    if reason:
        reason = (f"<stateReason><code>{escape(reason.get('Code', ''))}</code>"
                  f"<message>{escape(reason.get('Message', ''))}</message></stateReason>")
    location = image.get("ImageLocation") or f"{image['OwnerId']}/{image['Name']}"
    return ("<item>"
            + _element("imageId", image["ImageId"]) + _element("imageLocation", location)
            + _element("imageState", image["State"]) + _element("imageOwnerId", image["OwnerId"])
            + _element("imageOwnerAlias", image.get("ImageOwnerAlias"))
            + _element("creationDate", image["CreationDate"])
            + _element("isPublic", "true" if images.is_public(image) else "false")
            + _element("architecture", image["Architecture"]) + _element("imageType", "machine")
            + _element("name", image["Name"]) + _element("description", image.get("Description"))
            + _element("platform", image.get("Platform"))
            + _element("platformDetails", "Windows" if image.get("Platform") else "Linux/UNIX")
            + _element("rootDeviceType", image["RootDeviceType"])
            + _element("rootDeviceName", image["RootDeviceName"]) + _mappings(image)
            + _element("virtualizationType", image["VirtualizationType"])
            + _element("hypervisor", "xen") + _element("bootMode", image.get("BootMode"))
            + _element("deprecationTime", image.get("DeprecationTime"))
            + _element("sourceInstanceId", image.get("SourceInstanceId"))
            + _element("sourceImageId", image.get("SourceImageId"))
            + _element("sourceImageRegion", image.get("SourceImageRegion"))
            + _element("imageAllowed", image.get("ImageAllowed"))
            + _element("deregistrationProtection", image_protection.status(image))
            + (reason or "") + (f"<tagSet>{tags}</tagSet>" if tags else "") + "</item>")


def _describe_images(p):
    ids = ec2._parse_member_list(p, "ImageId")
    owners = ec2._parse_member_list(p, "Owner")
    executable_by = ec2._parse_member_list(p, "ExecutableBy")
    filters = ec2._parse_filters(p)
    if ids and ec2._p(p, "MaxResults"):
        raise ApiError("InvalidParameterCombination",
                       "The parameter imageIdsSet cannot be used with the parameter maxResults")
    for image_id in ids:
        images.check_id(image_id)
    everything = {i: images.seen(i) for i in ids} if ids else images.visible()
    missing = [i for i in ids if everything[i] is None]
    if missing:
        raise images.not_found(*missing)
    with_disabled = ec2._p(p, "IncludeDisabled").lower() == "true"
    with_deprecated = ec2._p(p, "IncludeDeprecated").lower() == "true"
    account = get_account_id()
    # An unknown filter is refused whatever the others say.
    for image in itertools.islice(everything.values(), 1):
        for name, patterns in filters.items():
            _match(image, name, patterns)
    found = []
    for image in everything.values():
        if not all(_match(image, name, patterns) for name, patterns in filters.items()):
            continue
        if image["State"] == "disabled" and not with_disabled:
            continue
        if image["OwnerId"] != account and not with_deprecated and _deprecated(image):
            continue
        if owners and not _owned(image, owners):
            continue
        if executable_by and not ec2._image_executable_by_matches(
                {"LaunchPermissions": image.get("LaunchPermissions"),
                 "IsPublic": "true" if images.is_public(image) else "false"}, executable_by):
            continue
        found.append(image)
    shown, token = page(found, p, 0)
    return ec2._xml(200, "DescribeImagesResponse",
                    "<imagesSet>" + "".join(_image_xml(i) for i in shown) + "</imagesSet>"
                    + _element("nextToken", token))


def install():
    patching.requires(ec2, "_parse_filters", "_image_executable_by_matches")
    patching.entry(ec2._ACTION_MAP, "DescribeImages", lambda _: ec2_action(_describe_images),
                   where="ec2._ACTION_MAP")
