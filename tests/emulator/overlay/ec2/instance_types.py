"""Owns DescribeInstanceTypes: what an instance type can boot.

AWS facts:
* SupportedArchitectures, SupportedVirtualizationTypes, SupportedBootModes (API_InstanceTypeInfo). Xen types have legacy
  BIOS only, x86 Nitro types UEFI as well, Graviton types UEFI only (EC2 user guide, "Requirements for UEFI boot mode",
  "Determine the supported boot modes of an instance type").
* Unknown types: "The following supplied instance types do not exist: [i8ge.xlarge]"
  (scylladb/scylla-cluster-tests#12419).
Unlike AWS:
* All other members are MiniStack's, and rough. Types that are not in the module's list do not exist.
"""

import re

from ministack.services import ec2

from overlay import patching
from overlay.ec2.images_describe import glob
from overlay.wire import ApiError, ec2_action, page

_XEN = {"hypervisor": "xen", "architectures": ["x86_64"], "virtualization": ["hvm"], "boot": ["legacy-bios"]}
_OLD = {**_XEN, "architectures": ["i386", "x86_64"], "virtualization": ["hvm", "paravirtual"]}
_SMALL = {**_XEN, "architectures": ["i386", "x86_64"]}
_NITRO = {**_XEN, "hypervisor": "nitro", "boot": ["legacy-bios", "uefi"]}
_GRAVITON = {**_NITRO, "architectures": ["arm64"], "boot": ["uefi"]}

_BURSTABLE = "nano micro small medium large xlarge 2xlarge"
_GENERAL = "large xlarge 2xlarge 4xlarge 8xlarge"
_TYPES = {f"{family}.{size}": kind for kind, families, sizes in (
    (_OLD, "m3", "medium large xlarge"), (_SMALL, "t2", "nano micro small medium"),
    (_XEN, "t2", "large xlarge 2xlarge"), (_XEN, "m4 c4 r4", _GENERAL),
    (_NITRO, "t3 t3a", _BURSTABLE), (_NITRO, "m5 m5a c5 r5 m6i c6i r6i m7i c7i r7i", _GENERAL),
    (_GRAVITON, "t4g", _BURSTABLE), (_GRAVITON, "m6g c6g r6g m7g c7g r7g m8g", f"medium {_GENERAL}"),
) for family in families.split() for size in sizes.split()}

_FILTERS = {"instance-type": lambda name, _: [name], "hypervisor": lambda _, kind: [kind["hypervisor"]],
            "processor-info.supported-architecture": lambda _, kind: kind["architectures"],
            "supported-virtualization-type": lambda _, kind: kind["virtualization"],
            "supported-boot-mode": lambda _, kind: kind["boot"]}


def _chosen(p):
    asked = ec2._parse_member_list(p, "InstanceType")
    missing = [name for name in asked if name not in _TYPES]
    if missing:
        raise ApiError("InvalidInstanceType",
                       f"The following supplied instance types do not exist: [{', '.join(missing)}]")
    filters = ec2._parse_filters(p)
    unknown = next((name for name in filters if name not in _FILTERS), None)
    if unknown:
        raise ApiError("InvalidParameterValue", f"The filter '{unknown}' is invalid")
    return [name for name in _TYPES if name in (asked or _TYPES) and all(
        any(glob(value, patterns) for value in _FILTERS[key](name, _TYPES[name]))
        for key, patterns in filters.items())]


def _list(tag, values):
    return f"<{tag}>" + "".join(f"<item>{value}</item>" for value in values) + f"</{tag}>"


def _item(original, name):
    """MiniStack's description of a type, with what it gets wrong put right."""
    kind = _TYPES[name]
    text = original({"InstanceType.1": [name]})[2].decode()
    text = text[text.index("<instanceTypeSet>") + len("<instanceTypeSet>"):text.index("</instanceTypeSet>")]
    for tag, values in (("supportedArchitectures", kind["architectures"]),
                        ("supportedVirtualizationTypes", kind["virtualization"])):
        text = re.sub(f"<{tag}>.*?</{tag}>", _list(tag, values), text, flags=re.DOTALL)
    return text.replace("<hypervisor>xen</hypervisor>",
                        f"<hypervisor>{kind['hypervisor']}</hypervisor>{_list('supportedBootModes', kind['boot'])}")


def _describe(original):
    def handle(p):
        shown, token = page(_chosen(p), p, 100)
        return ec2._xml(200, "DescribeInstanceTypesResponse",
                        "<instanceTypeSet>" + "".join(_item(original, name) for name in shown) + "</instanceTypeSet>"
                        + (f"<nextToken>{token}</nextToken>" if token else ""))
    return ec2_action(handle)


def install():
    patching.entry(ec2._ACTION_MAP, "DescribeInstanceTypes", _describe, where="ec2._ACTION_MAP")
