"""All services: how the server starts, what is patched, when things happen, the wire.

The local AWS is MiniStack, patched before it starts so that it behaves as AWS does where a promotion of a machine image
depends on it.

MiniStack has no plug-in API. It has module-level tables (API action → handler, resource type → provisioner, resource
type → drift reader), and the modules of this package replace entries of these tables. All of them do so through
`patching`, which refuses to start when something it replaces no longer exists: a patch that silently patches nothing
makes every test above it meaningless.

The overlay models AWS. It knows nothing of the product that is tested on it.

Unlike AWS:
* CloudFormation, EC2 and Auto Scaling put no events on EventBridge.
* No CloudWatch metrics: alarms deploy and never fire. AWS::CloudWatch::CompositeAlarm is missing.
* No eventual consistency: a policy or a tag counts at once.
"""

#: The release whose internals the patches were written against. Bump it together
#: with requirements.in, then run the contract tests (see README.md).
MINISTACK_VERSION = "1.5.33"
