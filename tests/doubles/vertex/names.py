"""Resource names: a caller may write the project's id or its number, the service answers with the number."""

import re
from dataclasses import dataclass

from .errors import foreign_project, invalid

_LOCATION = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_RESOURCE = re.compile(r"projects/([^/]+)/locations/([^/]+)/(\w+)/([^/@]+)(?:@([^/@]+))?")


@dataclass(frozen=True)
class Names:
    """The names of one project in one region.

    Attributes:
        project: The project's id.
        number: The project's number.
        location: The region that this service serves; it knows nothing of others.
    """

    project: str
    number: str
    location: str

    @property
    def parent(self) -> str:
        """The location's name, as answers have it."""
        return f"projects/{self.number}/locations/{self.location}"

    def full(self, collection: str, key: str) -> str:
        """Returns the name of a resource, as answers have it."""
        return f"{self.parent}/{collection}/{key}"

    def check_parent(self, text: str, field: str = "parent") -> None:
        """Refuses what is no name of this location."""
        if (match := _LOCATION.fullmatch(text)) is None:
            raise invalid(field, f"Invalid resource name '{text}'; expected projects/{{project}}/locations/{{location}}.")
        self._check(match, field)

    def key(self, text: str, collection: str, field: str = "name") -> tuple[str, str]:
        """Returns the last segment of a resource's name, and the version that it names or an empty text."""
        match = _RESOURCE.fullmatch(text)
        if match is None or match[3] != collection or (match[5] and collection != "models"):
            raise invalid(field, f"Invalid resource name '{text}'; expected {self.parent}/{collection}/{{{collection[:-1]}}}.")
        self._check(match, field)
        return match[4], match[5] or ""

    def _check(self, match: re.Match[str], field: str) -> None:
        if match[1] not in (self.project, self.number):
            raise foreign_project(match[1])
        if match[2] != self.location:
            raise invalid(field, f"The provided location ID doesn't match the endpoint. The valid location ID is `{self.location}`.")
