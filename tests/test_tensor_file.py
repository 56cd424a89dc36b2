"""Files of tensors that are written one after the other: safetensors' own bytes, and never more than one gathered tensor."""

import gc
import weakref

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.core.tensor_file import GatheredTensors, write_tensors

TYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64]
TENSORS = st.builds(
    lambda shape, dtype: torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(TYPES),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), TENSORS, max_size=6))
def test_it_writes_the_bytes_of_safetensors(tmp_path_factory, tensors):
    """Also for names with quotes, letters beyond ASCII and control characters, for empty tensors and for single numbers."""
    path = tmp_path_factory.mktemp("tensors") / "file.safetensors"
    write_tensors(path, tensors)
    assert path.read_bytes() == safetensors.torch.save(tensors)


def test_it_writes_tensors_whose_numbers_are_not_in_a_row(tmp_path):
    tensors = {"turned": torch.arange(12.0).reshape(3, 4).T, "every other": torch.arange(10.0)[::2]}
    write_tensors(tmp_path / "file", tensors)
    assert (tmp_path / "file").read_bytes() == safetensors.torch.save({name: each.contiguous() for name, each in tensors.items()})


def test_it_gathers_one_tensor_after_the_other_and_keeps_none(tmp_path):
    alive, most = weakref.WeakSet(), []
    whole = {name: torch.full((4,), float(place)) for place, name in enumerate("cab")}

    def gather(name):
        gc.collect()
        most.append(len(alive))
        tensor = whole[name].clone()
        alive.add(tensor)
        return tensor

    tensors = GatheredTensors({name: torch.empty(4, device="meta") for name in whole}, gather)
    assert list(tensors) == ["c", "a", "b"] and len(tensors) == 3
    write_tensors(tmp_path / "file", tensors)
    assert (tmp_path / "file").read_bytes() == safetensors.torch.save(whole)
    assert len(most) == 3 and max(most) <= 1


def test_a_type_that_no_weight_has_is_refused_before_a_file_is_made(tmp_path):
    with pytest.raises(KeyError):
        write_tensors(tmp_path / "file", {"a": torch.zeros(2, dtype=torch.complex64)})
    assert not (tmp_path / "file").exists()
