"""
Every error that cronprobe raises, as one tree.

    Error                     a message a person can act on; never shown with a traceback
    ├── Unreadable            JSON that does not have the form it should have
    ├── ConfigError           a file or flag that is wrong (exit 2)
    ├── StartError            a process cannot start or go on (exit 1)
    └── RpcError              an error object of the protocol, with its code
        ├── InvalidParams     -32602
        ├── MethodNotFound    -32601
        ├── InternalFailure   -32603
        ├── TooManySubscriptions -32006   ├── ResponseTooBig -32008
        ├── CredentialMalformed 101   ├── PermissionDenied 102   ├── StoreFailed 103
        ├── AgentUnreachable    104   ├── NotFound         105   ├── InvalidInput 108
        └── OtherFailure        999

Add a class for a new state of affairs, not for a new place where an old one happens.
"""

from typing import ClassVar


class Error(Exception):
    """The root: whoever catches it may show ``str(error)`` to a person."""


class Unreadable(Error, ValueError):
    """JSON that was understood as text but not as what it should be."""


class ConfigError(Error):
    """
    A configuration file or flag that is wrong: nothing was started or changed.

    ``has_places``: each line of the message begins with its own place in a file.
    """

    has_places: ClassVar[bool] = False


class StartError(Error):
    """A process cannot start, or cannot go on."""


class RpcError(Error):
    """
    An error object on the wire.

    ``data`` is emitted as a JSON string; ``None`` leaves the member out.
    """

    code: ClassVar[int]
    prefix: ClassVar[str] = ""

    def __init__(self, text: str, *, data: str | None = None) -> None:
        self.message = self.prefix + text
        self.data = data
        super().__init__(self.message)


class InvalidParams(RpcError):
    """The parameters could not be decoded; ``data`` says why."""

    code = -32602

    def __init__(self, why: str) -> None:
        super().__init__("Invalid params", data=why)


class MethodNotFound(RpcError):
    """No method has this name."""

    code = -32601

    def __init__(self) -> None:
        super().__init__("Method not found")


class InternalFailure(RpcError):
    """A bug of ours, or a method that this transport cannot carry."""

    code = -32603

    def __init__(self) -> None:
        super().__init__("Internal error")


class TooManySubscriptions(RpcError):
    """The connection has as many subscriptions as it may."""

    code = -32006

    def __init__(self, most: int) -> None:
        super().__init__("Too many subscriptions on the connection", data=f"Exceeded max limit of {most}")


class ResponseTooBig(RpcError):
    """The answer would exceed the limit, in bytes; ask for less."""

    code = -32008

    def __init__(self, limit_bytes: int) -> None:
        super().__init__("Response is too big", data=f"Exceeded max limit of {limit_bytes}")


class CredentialMalformed(RpcError):
    """The credential string has neither of the two forms."""

    code = 101
    prefix = "Parse error: "


class PermissionDenied(RpcError):
    """Unknown credentials, or credentials without the needed permission."""

    code = 102
    prefix = "Permission denied: "


class StoreFailed(RpcError):
    """The store refused or is out of reach; nothing was acknowledged."""

    code = 103
    prefix = "Database error: "


class AgentUnreachable(RpcError):
    """The agent has no open session."""

    code = 104
    prefix = "Unable to connect agent: "


class NotFound(RpcError):
    """What the call names does not exist."""

    code = 105
    prefix = "Not found in database: "


class InvalidInput(RpcError):
    """The parameters are well-formed and still make no sense."""

    code = 108
    prefix = "Invalid input: "


class OtherFailure(RpcError):
    """A failure without a code of its own, such as a wait that ran out."""

    code = 999
    prefix = "Other error: "
