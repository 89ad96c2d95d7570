"""Owns references to an instance profile in a template: Ref is its name, not its ARN.

AWS facts:
* Ref of an AWS::IAM::InstanceProfile is its name, Fn::GetAtt Arn its ARN (aws-resource-iam-instanceprofile, "Return
  values"). MiniStack makes both the ARN, so `IamInstanceProfile: {Name: !Ref Profile}` would mean a profile that does
  not exist.
"""

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from overlay import patching

_PROFILE = "AWS::IAM::InstanceProfile"


def _name(made):
    arn, attributes = made
    return arn.rsplit("/", 1)[-1], attributes


def _arn(name):
    return (iam._lookup_instance_profile(name=name) or {"Arn": name})["Arn"]


def install():
    patching.requires(iam, "_lookup_instance_profile")
    handlers = provisioners._RESOURCE_HANDLERS.get(_PROFILE)
    if handlers is None or not handlers.get("update_with_logical_id"):
        raise patching.PatchError(f"provisioners._RESOURCE_HANDLERS[{_PROFILE!r}] has changed its form")
    for key, make in (
            ("create", lambda original: lambda *args: _name(original(*args))),
            ("update", lambda original: lambda physical_id, *args, **kwargs: _name(
                original(_arn(physical_id), *args, **kwargs))),
            ("delete", lambda original: lambda physical_id, *args: original(_arn(physical_id), *args))):
        patching.entry(handlers, key, make, where=f"provisioners._RESOURCE_HANDLERS[{_PROFILE!r}]")
