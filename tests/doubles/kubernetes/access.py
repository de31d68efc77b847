"""A namespace and an account there, with the rights that Terraform gives it."""

import time
from collections.abc import Sequence
from typing import Any

from ...apiserver.api import Api
from ...apiserver.role import Rule, rules, rules_from_outside

ACCOUNT = "penstock-pusher"
_WAIT_SECONDS = 30.0
_TOKEN_SECONDS = 86400  # a campaign takes longer than the default, an hour
# A verb and a kind's name in paths, such as `("get", "deployments")`.
Right = tuple[str, str]
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


class Access:
    """What the account may do.

    Attributes:
        token: The account's bearer token.
    """

    def __init__(self, admin: Api, namespace: str, account: str, role: str, rules: Sequence[Rule]) -> None:
        """Makes a namespace with the account in it.

        Args:
            admin: Who may do everything.
            namespace: The namespace.
            account: The account's name.
            role: The name of its Role.
            rules: The Role's rules.
        """
        self._admin, self._namespace, self._account, self._role, self._rules = admin, namespace, account, role, rules
        admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.token = add_account(admin, namespace, account)
        self._bind()
        self._await(self._rules[-1], allowed=True)

    def deny(self, *rights: Right) -> None:
        """Takes rights away, and gives those back that were taken before."""
        single = [rule | {"verbs": [verb]} for rule in self._rules for verb in rule["verbs"]]
        denied = [rule for rule in single if (rule["verbs"][0], rule["resources"][0]) in rights]
        changed = {"metadata": {"name": self._role}, "rules": [rule for rule in single if rule not in denied]}
        self._admin.call("PUT", f"{_RBAC}/{self._namespace}/roles/{self._role}", changed)
        for rule in denied:
            self._await(rule, allowed=False)

    def _bind(self) -> None:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self._role}
        subject = {"kind": "ServiceAccount", "name": self._account, "namespace": self._namespace}
        place = f"{_RBAC}/{self._namespace}"
        self._admin.call("POST", f"{place}/roles", {"metadata": {"name": role["name"]}, "rules": [*self._rules]})
        self._admin.call("POST", f"{place}/rolebindings", {"metadata": {"name": role["name"]}, "roleRef": role, "subjects": [subject]})

    def _await(self, rule: Rule, *, allowed: bool) -> None:
        """Waits until the API knows a rule, or knows that it is gone: it reads them some moments after they were written."""
        resource, _, part = rule["resources"][0].partition("/")
        attributes = {"namespace": self._namespace, "verb": rule["verbs"][0], "group": rule["apiGroups"][0]}
        attributes |= {"resource": resource, "subresource": part, "name": rule.get("resourceNames", [""])[0]}
        spec = {"user": f"system:serviceaccount:{self._namespace}:{self._account}", "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        deadline = time.monotonic() + _WAIT_SECONDS
        while self._admin.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"] != allowed:
            assert time.monotonic() < deadline, rule
            time.sleep(0.01)


def releasing(admin: Api, namespace: str, models: tuple[str, ...]) -> Access:
    """Makes a namespace with the account that releases models there, of these names."""
    return Access(admin, namespace, ACCOUNT, "penstock-release", [*rules(models), *rules_from_outside()])


def add_account(admin: Api, namespace: str, name: str) -> str:
    """Makes an account without rights; returns its bearer token."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    admin.call("POST", accounts, {"metadata": {"name": name}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": _TOKEN_SECONDS}}
    return admin.call("POST", f"{accounts}/{name}/token", asked)["status"]["token"]


def kubeconfig(url: str, token: str, namespace: str) -> dict[str, Any]:
    """Returns what a client needs to come in."""
    cluster = {"name": "double", "cluster": {"server": url}}
    user = {"name": "account", "user": {"token": token}}
    context = {"name": "double", "context": {"cluster": "double", "user": "account", "namespace": namespace}}
    lists = {"clusters": [cluster], "users": [user], "contexts": [context]}
    return {"apiVersion": "v1", "kind": "Config", "current-context": "double"} | lists
