"""IAM: the permissions of a caller, of a service role and of a state machine's role.

`AUTH=true` enforces what follows. The modules of the services and of this package name the sources.

AWS facts:
* Every call needs its action on its resource; a Describe action needs it on `*`. A changed policy counts at once.
* A stack operation acts with the stack's service role, else with the caller's permissions. `aws:CalledVia` is set.
* A stack's launch template needs `ec2:CreateLaunchTemplate` or `ec2:CreateLaunchTemplateVersion` on the template, for
  an update `ec2:DescribeLaunchTemplates`, for its own TagSpecifications `ec2:CreateTags` on the template (in an update
  when they change).
* A stack's group needs `autoscaling:CreateAutoScalingGroup` or `UpdateAutoScalingGroup`, `DescribeAutoScalingGroups`
  and `DescribeScalingActivities`; for an update also `DescribeScheduledActions`; with the UpdatePolicy
  AutoScalingInstanceRefresh also `StartInstanceRefresh` and `DescribeInstanceRefreshes`.
* A stack's parameters need `ssm:GetParameters` if their type is an SSM type, `ec2:DescribeImages` if it is an image
  type.
* The caller needs `cloudformation:CreateChangeSet` on `arn:aws:cloudformation:REGION:aws:transform/NAME` for each
  transform of a template in the request.
* Giving a group its launch template, by a stack or a call, needs `ec2:RunInstances` on image, template, `instance/*`,
  `volume/*` and `network-interface/*`; `ec2:CreateTags` on `KIND/*` (`ec2:CreateAction` RunInstances) for each kind
  that the template tags; `iam:PassRole` on the role of its instance profile (`iam:PassedToService` ec2.amazonaws.com);
  and `ssm:GetParameters` for a `resolve:ssm:` image. Else: "You are not authorized to use launch template".
* Putting a `resolve:ssm:` image into a launch template (CreateLaunchTemplate, CreateLaunchTemplateVersion) or resolving
  it (ResolveAlias) needs `ssm:GetParameters`.
* Drift detection needs `DetectStackDrift`, `DetectStackResourceDrift`, `BatchDescribeTypeConfigurations`, and for the
  stack's resources `DescribeAutoScalingGroups`, `DescribeLaunchTemplates`, `ssm:GetParameters`.
* A rule's role needs `states:StartExecution`.
* A state machine's role needs `lambda:InvokeFunction` on the function as the task names it. For logs of any level but
  OFF it needs on `*` `logs:CreateLogDelivery`, `GetLogDelivery`, `UpdateLogDelivery`, `DeleteLogDelivery`,
  `ListLogDeliveries`, `PutResourcePolicy`, `DescribeResourcePolicies` and `DescribeLogGroups`.
Unlike AWS:
* A stack operation needs no permissions for other resource types, for deletions, and for what else a group's handler
  describes.
* Only a group's instance profile needs `iam:PassRole`; RunInstances, functions, rules, state machines and stacks do
  not.
* StartInstanceRefresh makes no dry run of the group's own launch template.
* A service may assume every role that it is given.
* The Tags of a PutParameter do not need `ssm:AddTagsToResource`.
"""
