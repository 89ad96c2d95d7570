"""Owns transforms: the permission that a template with one needs, and what UsePreviousTemplate takes.

AWS facts:
* A request with a template that has a transform needs `cloudformation:CreateChangeSet` on the transform,
  `arn:aws:cloudformation:REGION:aws:transform/NAME`. CloudFormation checks it after it has accepted the call
  (aws/serverless-application-model#179, #186; aws-cloudformation-templates#358). AWS's own are "macros hosted by
  CloudFormation"; an account's macro has the account in the place of `aws` (user guide, "Transform reference").
* `UsePreviousTemplate` takes the *processed* template. AWS::LanguageExtensions has resolved the parameters in it, so
  new values do not reach it: "provide the template instead of using UsePreviousTemplate to ensure new parameter values
  and Systems Manager parameter updates are applied correctly" (API_UpdateStack, API_CreateChangeSet;
  cfn-language-discussion#146: "didn't contain changes").
Unlike AWS:
* An account's macro is authorized and not run: the template stays as it is.
Unsure:
* Whether the name of an account's macro has the account before it, too (`ACCOUNT::NAME`; not here).
* This holds for every `Ref` to a parameter and not for loops alone.
* UpdateStack is refused with "No updates are to be performed.".
* A stack operation whose transform is denied rolls back.
"""

import contextvars
import functools
import pickle

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine, handlers
from ministack.services.cloudformation.helpers import _p, _resolve_template

from overlay import patching
from overlay.cloudformation import stack_parameters
from overlay.iam import permissions

LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
_TEMPLATES_KEPT = 64

#: The transforms of the template that the request being served has brought along.
GIVEN: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("overlay_given_transforms", default=())


def _parsed_once(original):
    """The same few templates come many times, and reading YAML is slow; each reader gets a copy of its own."""
    read = functools.lru_cache(maxsize=_TEMPLATES_KEPT)(lambda body: pickle.dumps(original(body)))
    return lambda body: pickle.loads(read(body))


def _embedded(node):
    """The names of the macros that parts of a template call."""
    if isinstance(node, list):
        return [name for each in node for name in _embedded(each)]
    if not isinstance(node, dict):
        return []
    called = node.get("Fn::Transform")
    own = [called["Name"]] if isinstance(called, dict) and "Name" in called else []
    return own + [name for each in node.values() for name in _embedded(each)]


def _declared(body):
    try:
        template = engine._parse_template(body)
        return tuple(dict.fromkeys([*engine.declared_transforms(template), *_embedded(template)]))
    except Exception:
        # What is wrong with the template is the handler's to say.
        return ()


def _arn(name):
    owner, name = ("aws", name.removeprefix("AWS::")) if name.startswith("AWS::") else (get_account_id(), name)
    return f"arn:aws:cloudformation:{get_region()}:{owner}:transform/{name}"


def _noted(original):
    def handle(params):
        previous = _p(params, "UsePreviousTemplate").lower() == "true"
        stack = handlers._resolve_stack(_p(params, "StackName")) or {}
        given = () if previous else _declared(_resolve_template(params)[0] or "")
        frozen = previous and LANGUAGE_EXTENSIONS in _declared(stack.get("_template_body") or "")
        tokens = GIVEN.set(given), stack_parameters.FROZEN.set(frozen)
        try:
            return original(params)
        finally:
            GIVEN.reset(tokens[0])
            stack_parameters.FROZEN.reset(tokens[1])
    return handle


def _denied(original):
    def rejected(template, values):
        # Expanding is the caller's, not the service role's.
        role = permissions.ROLE.set("")
        try:
            for name in GIVEN.get():
                arn = _arn(str(name))
                if not permissions.allowed("cloudformation:CreateChangeSet", arn):
                    return permissions.denial(permissions.caller(), "cloudformation:CreateChangeSet", arn)
        finally:
            permissions.ROLE.reset(role)
        return original(template, values)
    return rejected


def install():
    patching.requires(engine, "declared_transforms")
    parse = _parsed_once(engine._parse_template) if hasattr(engine, "_parse_template") else None
    for module in (engine, handlers, changesets):
        patching.attribute(module, "_parse_template", lambda _: parse)
    patching.attribute(stack_parameters, "rejected", _denied)
    for action in ("CreateStack", "UpdateStack", "CreateChangeSet"):
        patching.entry(handlers._ACTION_HANDLERS, action, _noted, where="cloudformation.handlers._ACTION_HANDLERS")
