"""What a release asks of a model registry."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Protocol

from penstock.components.protocol.errors import TaskError

from .lineage import Lineage


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        version: The version, as the registry counts.
        fingerprint: The SHA-256 of its bytes, as `protocol.fingerprint` gives it; empty where another client registered it.
        source: The URI or the path of the model artifact.
        tags: What is known about it.
        run_id: The run that made it; empty where none is known.
        registered: When it was registered, as seconds since 1970; None where the registry does not tell.
    """

    version: str
    fingerprint: str
    source: str
    tags: dict[str, str] = field(default_factory=dict)
    run_id: str = ""
    registered: float | None = None


class Registry(Protocol):
    """The versions and aliases of one registered model.

    A class that inherits from it implements the abstract methods, and may leave the others as they are. All raise TaskError
    where the registry cannot be asked or refuses.

    Attributes:
        uri: The registry's URI.
    """

    uri: str

    @abstractmethod
    def aliases(self) -> dict[str, str]:
        """Returns the version behind each alias; empty where the model is not registered."""

    @abstractmethod
    def version(self, version: str) -> RegisteredVersion | None:
        """Returns a version; None where it does not exist."""

    @abstractmethod
    def register(self, fingerprint: str, source: str, tags: dict[str, str], run_id: str = "") -> str:
        """Registers a model's bytes, or finds the version that they have, and gives it these tags.

        Args:
            fingerprint: The SHA-256 of the bytes.
            source: The URI of the model artifact.
            tags: What to know about it; long values are cut where the registry has a limit.
            run_id: The run that made it; empty for none.

        Returns:
            The version.
        """

    @abstractmethod
    def point(self, alias: str, version: str) -> None:
        """Makes an alias point to a version, and to no other."""

    @abstractmethod
    def tag(self, version: str, key: str, value: str) -> None:
        """Sets a tag of a version."""

    def resolve(self, alias: str) -> RegisteredVersion | None:
        """Returns the version behind an alias; None where the alias is not set.

        Raises:
            TaskError: The alias points to a version that is not there any more.
        """
        if (number := self.aliases().get(alias)) is None:
            return None
        if (version := self.version(number)) is None:
            raise TaskError(f"the alias {alias} at {self.uri} points to version {number}, which does not exist; move the alias")
        return version

    def promote(self, version: str, champion: str, previous: str) -> None:
        """Makes the champion's alias point to a version, and keeps the former one under another alias; may be called again.

        Args:
            version: The version that serves.
            champion: The alias of the version that serves.
            previous: The alias that the former one keeps.
        """
        former = self.aliases().get(champion)
        if former == version:
            return
        if former:  # first, so that the rollback point is never lost
            self.point(previous, former)
        self.point(champion, version)

    def lineage(self, version: str) -> Lineage:
        """Returns what made a version.

        Raises:
            TaskError: There is no such version.
        """
        if (found := self.version(version)) is None:
            raise TaskError(f"the registry at {self.uri} has no version {version}")
        return Lineage.from_tags(found.tags)
