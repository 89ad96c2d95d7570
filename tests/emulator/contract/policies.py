"""Owns the policies that tests give a role, and the update of a stack that is made with them."""

import secrets

from scenario import image, keyed, settled

STACK = "arn:aws:cloudformation:us-east-1:*:stack/web*/*"
CALL_UPDATE = {"Effect": "Allow", "Action": ["cloudformation:UpdateStack", "cloudformation:GetTemplateSummary"],
               "Resource": STACK}
#: What the update handlers of a launch template and of a group need, as their registry schemas have it.
ACT = [{"Effect": "Allow", "Action": ["ec2:CreateLaunchTemplateVersion", "ec2:CreateTags", "ec2:DeleteTags",
                                      "ec2:RunInstances", "autoscaling:UpdateAutoScalingGroup"], "Resource": "*"},
       {"Effect": "Allow", "Action": ["autoscaling:Describe*", "ec2:Describe*", "ec2:Get*",
                                      "elasticloadbalancing:Describe*", "managed-fleets:Get*",
                                      "vpc-lattice:GetTargetGroup", "vpc-lattice:ListTargets"], "Resource": "*"}]


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def but(action):
    """What an update needs, without this action."""
    return [allow([a for a in s["Action"] if a != action]) for s in ACT]


def updated(step, aws, **kwargs):
    step.cfn.update_stack(StackName="web", UsePreviousTemplate=True, Parameters=keyed(
        {"ImageId": image(aws, f"new-{secrets.token_hex(4)}"), "Secret": None}), **kwargs)
    return settled(aws, "web")["StackStatus"]
