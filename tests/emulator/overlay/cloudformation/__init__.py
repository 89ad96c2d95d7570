"""CloudFormation: stack operations, change sets, drift, templates."""
