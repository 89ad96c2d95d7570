"""Owns the deregistration protection of images.

AWS facts:
* A protected image cannot be deregistered before its protection is disabled (API_EnableImageDeregistrationProtection).
* Protection with a cool-down lasts 24 hours longer than until it is disabled (same page, WithCooldown).
* The calls and Image.DeregistrationProtection say `enabled-without-cooldown`, `enabled-with-cooldown` or `disabled`
  (examples of the AWS CLI for both calls; hashicorp/terraform-provider-aws#38639), and while the cool-down lasts
  `disabled after` and a time (ekristen/aws-nuke, resources/ec2-image.go). They can be repeated.
Unlike AWS:
* DeregisterImage deletes images of AWS Backup too. AWS answers AuthFailure, "This image is managed by AWS Backup and
  cannot be deleted via EC2 APIs" (AWS re:Post knowledge center, backup-delete-ami-error).
Unsure:
* That an image of AWS Backup can be protected: no page of AWS's says that it cannot.
* The code and the text of the refusal, and the form of the time after `disabled after`.
"""

import datetime

from ministack.services import ec2

from overlay.wire import ApiError, ec2_action

_DISABLED = "disabled"
_WITH_COOLDOWN = "enabled-with-cooldown"
_COOLING = "disabled after "
_COOLDOWN = datetime.timedelta(hours=24)


def status(image):
    """Image.DeregistrationProtection."""
    found = image.get("DeregistrationProtection") or _DISABLED
    if found.startswith(_COOLING) and datetime.datetime.fromisoformat(found.removeprefix(_COOLING)) <= _now():
        return _DISABLED
    return found


def refuse_deregistration(image):
    if status(image) != _DISABLED:
        raise ApiError("OperationNotPermitted",
                       f"Image {image['ImageId']} has deregistration protection: {status(image)}")


def _now():
    return datetime.datetime.now(datetime.timezone.utc)


def _answer(action, image, found):
    image["DeregistrationProtection"] = found
    return ec2._xml(200, f"{action}Response", f"<return>{found}</return>")


def enable(own):
    def handle(p):
        image = own(ec2._p(p, "ImageId"))
        with_cooldown = ec2._p(p, "WithCooldown").lower() == "true"
        return _answer("EnableImageDeregistrationProtection", image,
                       _WITH_COOLDOWN if with_cooldown else "enabled-without-cooldown")
    return ec2_action(handle)


def disable(own):
    def handle(p):
        image = own(ec2._p(p, "ImageId"))
        before = status(image)
        if before == _WITH_COOLDOWN:
            before = _COOLING + (_now() + _COOLDOWN).isoformat(timespec="seconds")
        return _answer("DisableImageDeregistrationProtection", image,
                       before if before.startswith(_COOLING) else _DISABLED)
    return ec2_action(handle)
