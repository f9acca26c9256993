"""What the parts are told: the environment's settings, completed by what the data folder keeps."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from chassis.settings import Settings
from standalone.data_directory import DataDirectory
from standalone.errors import Refusal

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Configuration:
    """Settings of every part, from one place."""

    common: Settings
    completed: dict[str, Any]

    @property
    def has_own_server(self) -> bool:
        """Whether STAVE_DATABASE_URL names a server, so that none is started here."""
        return "database_url" in self.common.model_fields_set

    def on(self, server_url: str) -> "Configuration":
        """The same on that server."""
        completed = self.completed | {"database_url": server_url}
        return Configuration(self.common.model_copy(update=completed), completed)

    def of(self, settings_class: type[S]) -> S:
        """A part's own settings. Raises Refusal naming what is wrong."""
        return read_settings(settings_class, **self.completed)


def configure(directory: DataDirectory) -> Configuration:
    """Read the environment, and let the data folder supply the key and the installation's id where it is silent."""
    given = read_settings(Settings)
    completed: dict[str, Any] = {}
    if given.secret_key_file is None and not given.secret_key.get_secret_value():
        completed["secret_key_file"] = directory.secret_key()
    if "installation_id" not in given.model_fields_set:
        completed["installation_id"] = directory.installation_id()
    return Configuration(read_settings(Settings, **completed), completed)


def read_settings(settings_class: type[S], **values: Any) -> S:
    """Settings from the environment and `.env`. Raises Refusal naming each variable that cannot be read."""
    try:
        settings = settings_class(**values)
        _ = settings.key if values else None
    except ValidationError as error:
        wrong = "; ".join(f"STAVE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise Refusal(f"The settings cannot be used: {wrong}.") from error
    except OSError as error:
        raise Refusal(f"STAVE_SECRET_KEY_FILE: {error.filename} cannot be read: {error.strerror}.") from error
    return settings
