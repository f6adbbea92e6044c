"""Every error that chatcli raises for a person to read.

    ChatcliError                 exit status 1
    ├── UsageError               exit status 2: an option or argument that can't be right
    │   └── SamplingError        a sampling setting out of range
    ├── CheckpointError          a model that can't be found, read or trusted
    │   ├── UnsupportedError     a well-formed model that nothing here can run
    │   └── WeightsError         weights missing, truncated, of the wrong shape or type
    ├── TokenizerError           no tokenizer, or one that can't be read
    ├── TemplateError            a chat template that fails, never ends, or explodes
    ├── ContextError             a prompt that doesn't fit in the context
    ├── DeviceError              a device that isn't there, or memory that isn't
    ├── OutputError              a file that can't be written: no space left, an I/O error
    │   └── StreamError          the same of stdout or stderr, so that nothing more can be said
    ├── LogitsError              a model whose logits are NaN or all -inf
    ├── PromptFileError          a prompt file with unknown keys or missing variables
    ├── ConfigError              a config file that can't be read, or a key that doesn't exist
    ├── StoreError               kept conversations that can't be read, written or found
    ├── TraceError               a trace of another version, cut short, or changed
    └── TrainingError            a corpus, recipe or run folder that can't be used

Each message is one line that names the thing, the value got and the remedy. Errors of
other libraries are turned into one of these where they cross into chatcli.
"""

from __future__ import annotations

__all__ = [
    "ChatcliError",
    "CheckpointError",
    "ConfigError",
    "ContextError",
    "DeviceError",
    "LogitsError",
    "OutputError",
    "PromptFileError",
    "SamplingError",
    "StoreError",
    "StreamError",
    "TemplateError",
    "TokenizerError",
    "TraceError",
    "TrainingError",
    "UnsupportedError",
    "UsageError",
    "WeightsError",
]


class ChatcliError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_status = 1


class UsageError(ChatcliError, ValueError):
    """An option or argument out of range, or two that contradict each other."""

    exit_status = 2


class SamplingError(UsageError):
    """A sampling setting out of range."""


class CheckpointError(ChatcliError):
    """A model that can't be found, read or trusted."""


class UnsupportedError(CheckpointError):
    """A well-formed model that no engine here can run yet."""


class WeightsError(CheckpointError):
    """Weights that are missing, truncated, of the wrong shape or of the wrong type."""


class TokenizerError(ChatcliError):
    """No tokenizer, or one that can't be read."""


class TemplateError(ChatcliError):
    """A chat template that fails, never ends, or explodes."""


class ContextError(ChatcliError):
    """A prompt that doesn't fit in the context in force."""


class DeviceError(ChatcliError):
    """A device that isn't there, or memory that isn't."""


class LogitsError(ChatcliError):
    """Logits from which nothing can be drawn: NaN, +inf, or all -inf."""


class OutputError(ChatcliError):
    """Output that can't be written: no space left, an input/output error."""


class StreamError(OutputError):
    """The program's own stdout or stderr can't be written: nothing more can be said there."""


class PromptFileError(ChatcliError):
    """A prompt file with unknown keys, missing variables, or that can't be read."""


class ConfigError(ChatcliError):
    """A config file that can't be read, an unknown key in it, or a value out of range."""

    exit_status = 2


class StoreError(ChatcliError):
    """Kept conversations that can't be read, written, or found."""


class TraceError(ChatcliError):
    """A trace of another version, cut short, changed, or none at all."""


class TrainingError(ChatcliError):
    """A corpus, recipe or run folder that can't be used."""
