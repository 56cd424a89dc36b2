"""The catalog of GPUs and the assumptions of a plan: read from gpus.toml, or from your own copy of it."""

import datetime
import tomllib
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import UsageError, reason
from ..core.refusals import explain_file
from ..core.toml_file import read_toml


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GPU(_Table):
    """One kind of GPU; gpus.toml explains each number."""

    name: str
    dollars_per_hour: float = Field(ge=0)
    memory_gb: float = Field(gt=0)
    bandwidth_gb_s: float = Field(gt=0)
    bfloat16_tflops: float = Field(gt=0)
    float32_tflops: float = Field(gt=0)
    bandwidth_efficiency: float = Field(gt=0, le=1)
    rate_efficiency: float = Field(gt=0, le=1)
    launch_ms: float = Field(ge=0)
    link_gb_s: float = Field(default=16, gt=0)
    measured: bool = False


class Assumptions(_Table):
    """What a plan needs and a recipe does not say; gpus.toml explains each number."""

    prompt_tokens: int = Field(ge=1)
    completion_share: float = Field(gt=0, le=1)
    reply_share: float = Field(gt=0, le=1)
    usable_memory: float = Field(gt=0, le=1)
    gpus_per_machine: int = Field(default=8, ge=1)
    network_gb_s: float = Field(default=12.5, gt=0)
    link_efficiency: float = Field(default=0.6, gt=0, le=1)


class GpuCatalog(_Table):
    """The content of gpus.toml."""

    date: datetime.date
    assumptions: Assumptions
    gpu: tuple[GPU, ...] = Field(min_length=1)


def load_gpu_catalog(file: Path | None = None) -> GpuCatalog:
    """Load the GPUs of `file`. Default: those of the package. Raises UsageError with one line that says what to change."""
    path = file or Path(str(files("outgrow.plan") / "gpus.toml"))
    try:
        text, values = read_toml(path)
        return GpuCatalog.model_validate(values)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise UsageError(explain_file(str(path), text, error, GpuCatalog)) from error
    except (OSError, ValueError) as error:  # ValueError: bytes that are not UTF-8, or a name that no file can have
        raise UsageError(f"{path}: cannot read this file: {reason(error)}") from error
