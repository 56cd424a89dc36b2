"""generation_config.json: every end token in it ends an answer, nothing else in it moves a measurement, and what is saved makes
transformers' generate() draw from the distribution that was measured."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from helpers.runs import SMALL
from helpers.slow_engine import SlowEngine
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.engines import ChatRequest, GenerationRequest, LocalModel, NativeEngine, sync, vllm
from outgrow.policy import Policy, Sampling, load_policy
from outgrow.policy.distribution import distribution
from outgrow.policy.export import export
from outgrow.policy.micro import make_tokenizer
from outgrow.runs.folder import RunFolder
from outgrow.runs.models import evaluation_sampling
from outgrow.train.loop import train
from outgrow.train.watcher import SilentWatcher

# Settings that change what is drawn, as a model's own file may hold them.
OWN = {
    "do_sample": True, "temperature": 0.3, "top_k": 3, "top_p": 0.5, "min_p": 0.2, "typical_p": 0.4, "epsilon_cutoff": 0.1,
    "repetition_penalty": 1.9, "no_repeat_ngram_size": 1, "suppress_tokens": [20, 21], "max_new_tokens": 2,
}  # fmt: skip
FREE = Sampling(max_tokens=40)


def with_file(policy, folder, **settings):
    """The policy as it is loaded from a folder whose generation_config.json holds these settings."""
    policy.save(folder)
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return load_policy(str(folder))


def drawn(policy, engine=None, n=48, sampling=FREE):
    engine = engine or NativeEngine()
    sync(engine, policy)
    return engine.generate(GenerationRequest([policy.prompt_ids("3+4=?")], n, sampling, [0]))[0]


@pytest.mark.parametrize("engine", [NativeEngine, SlowEngine])
def test_every_end_token_of_the_list_ends_an_answer(untrained, tmp_path, engine):
    tokenizer = untrained.tokenizer
    seven, end = tokenizer.convert_tokens_to_ids("7"), tokenizer.eos_token_id
    policy = with_file(untrained, tmp_path, eos_token_id=[seven, end])
    assert (policy.end_id, policy.end_ids) == (end, (end, seven)), "the tokenizer's own is what is learned from"
    rollouts = drawn(policy, engine())
    for rollout in rollouts:
        ids = rollout.completion_ids
        assert not {end, seven} & set(ids[:-1])
        assert rollout.finished == (ids[-1] in (end, seven))
        written = ids[:-1] if rollout.finished else ids
        assert rollout.text == tokenizer.decode(written, skip_special_tokens=True), "an end token is not part of the text"
    assert {rollout.completion_ids[-1] for rollout in rollouts if rollout.finished} == {end, seven}


def test_greedy_answers_end_where_transformers_ends_them(untrained, tmp_path):
    """For several end tokens, each one that a greedy answer holds."""
    [free] = drawn(untrained, n=1, sampling=Sampling(temperature=0, max_tokens=30))
    ends = list(dict.fromkeys(free.completion_ids))[1:6]
    assert len(ends) == 5
    for token in ends:
        policy = with_file(untrained, tmp_path / str(token), eos_token_id=[untrained.end_id, token])
        [ours] = drawn(policy, n=1, sampling=Sampling(temperature=0, max_tokens=30))
        prompt = torch.tensor([ours.prompt_ids])
        theirs = AutoModelForCausalLM.from_pretrained(tmp_path / str(token)).generate(prompt, max_new_tokens=30)
        assert ours.completion_ids == theirs[0, prompt.shape[1] :].tolist()
        assert ours.finished and ours.completion_ids[-1] == token


def test_a_local_model_ends_and_is_known_by_its_end_tokens(untrained, tmp_path):
    seven = untrained.tokenizer.convert_tokens_to_ids("7")
    models = []
    for name, ends in (("one", [untrained.end_id]), ("two", [untrained.end_id, seven])):
        policy, engine = with_file(untrained, tmp_path / name, eos_token_id=ends), NativeEngine()
        sync(engine, policy)
        models.append(LocalModel(policy, engine))
    one, two = models
    assert one.identity != two.identity, "cached answers of the one are not the other's"
    answers = two.answer(ChatRequest([two.conversation("3+4=?")], 48, FREE, [0]))[0]
    assert all("7" not in answer.text for answer in answers)
    assert {answer.finished for answer in answers} == {True, False}


def test_vllm_is_told_every_end_token_and_reads_none_itself(untrained, tmp_path, monkeypatch):
    policy = with_file(untrained, tmp_path, eos_token_id=[2, 20, 30])
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=lambda **settings: settings))
    settings = vllm._settings(policy.spec(), FREE, 0)
    assert (settings["stop_token_ids"], settings["ignore_eos"]) == ([2, 20, 30], True)
    for token, finished in ((20, True), (21, False)):
        completion = SimpleNamespace(
            token_ids=[21, token], logprobs=[{21: SimpleNamespace(logprob=-1)}, {token: SimpleNamespace(logprob=-1)}]
        )
        output = SimpleNamespace(outputs=[completion], prompt_token_ids=[1])
        assert vllm._rollout(policy.spec(), output, 0).finished == finished


def test_a_default_of_the_models_class_is_no_end_token(untrained):
    """Without the file, transformers takes eos_token_id from config.json, which is 2 for every Llama that says nothing."""
    tokenizer = make_tokenizer()
    tokenizer.eos_token = "</think>"
    kinds = {"another special token": 2, "a character": tokenizer.convert_tokens_to_ids("7"), "nothing": None, "outside": 900}
    found = {}
    for kind, token in kinds.items():
        config = LlamaConfig(**{**untrained.model.config.to_dict(), "eos_token_id": token})
        found[kind] = Policy(LlamaForCausalLM(config), tokenizer).end_ids
    end = tokenizer.eos_token_id
    assert found == {"another special token": (end, 2), "a character": (end,), "nothing": (end,), "outside": (end,)}
    config = LlamaConfig(**{**untrained.model.config.to_dict(), "eos_token_id": [end, kinds["a character"]]})
    assert Policy(LlamaForCausalLM(config), tokenizer).end_ids == (end, kinds["a character"]), "a list is no default"


@pytest.mark.parametrize(
    ("eos", "named", "told"),
    [
        (None, [20, 21], "no end token"),
        ("", None, "no end token"),
        ("</s>", [2], r"'</s>' is not among the model's 105 tokens"),
    ],
)
def test_a_tokenizer_without_an_end_is_told_in_one_line(untrained, tmp_path, eos, named, told):
    untrained.save(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": named}))
    file = tmp_path / "tokenizer_config.json"
    settings = {key: value for key, value in json.loads(file.read_text()).items() if key != "eos_token"}
    file.write_text(json.dumps(settings if eos is None else {**settings, "eos_token": eos}))
    with pytest.raises(UsageError, match=told) as error:
        load_policy(str(tmp_path))
    line = str(error.value)
    assert str(tmp_path) in line and "tokenizer_config.json" in line and "\n" not in line
    expected = untrained.tokenizer.convert_ids_to_tokens(named[0]) if named else "<|im_end|>"
    assert f'"eos_token": "{expected}"' in line
    file.write_text(json.dumps({**settings, "eos_token": expected}))  # as the line says
    if named:
        assert load_policy(str(tmp_path)).end_ids[0] == named[0]


def test_own_sampling_settings_of_a_model_move_no_measurement(untrained, tmp_path):
    plain = with_file(untrained, tmp_path / "plain", eos_token_id=[untrained.end_id])
    own = with_file(untrained, tmp_path / "own", eos_token_id=[untrained.end_id], **OWN)
    for sampling in (FREE, Sampling(temperature=0.7, top_p=0.9, max_tokens=20), Sampling(temperature=0, max_tokens=20)):
        for engine in (NativeEngine, SlowEngine):
            assert drawn(own, engine(), 8, sampling) == drawn(plain, engine(), 8, sampling)


SAMPLINGS = [
    Sampling(temperature=1.0),
    Sampling(temperature=0.6),
    Sampling(temperature=0.8, top_p=0.7),
    Sampling(temperature=1.3, top_k=5),
    Sampling(temperature=0.7, top_k=20, top_p=0.95),
    Sampling(temperature=0.0),
]


@torch.no_grad()
def assert_transformers_draws_as(folder, sampling, prompt):
    """Compare the scores that generate() draws from with our distribution of the same logits."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(0)
    kept = {"output_scores": True, "output_logits": True, "return_dict_in_generate": True}
    out = model.generate(torch.tensor([prompt]), max_new_tokens=12, **kept)
    assert len(out.scores) > 1
    for scores, logits, token in zip(out.scores, out.logits, out.sequences[0, len(prompt) :], strict=True):
        if sampling.temperature == 0:
            assert token == logits[0].argmax()
        else:
            torch.testing.assert_close(scores.softmax(-1), distribution(logits, sampling), rtol=0, atol=1e-5)
    assert model.generation_config.do_sample == (sampling.temperature > 0)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda s: f"T{s.temperature}-k{s.top_k}-p{s.top_p}")
def test_transformers_draws_from_what_was_measured(untrained, tmp_path, sampling):
    """Whatever the file of the base model said."""
    policy = with_file(untrained, tmp_path / "base", eos_token_id=[untrained.end_id, 30], **OWN)
    policy.declare_sampling(sampling)
    policy.save(tmp_path / "saved")
    assert_transformers_draws_as(tmp_path / "saved", sampling, policy.prompt_ids("3+4=?"))
    again = load_policy(str(tmp_path / "saved"))
    assert again.end_ids == policy.end_ids == (untrained.end_id, 30)
    export(again, tmp_path / "merged")
    assert_transformers_draws_as(tmp_path / "merged", sampling, policy.prompt_ids("3+4=?"))


def test_without_a_word_transformers_keeps_fifty_tokens(untrained, tmp_path):
    """What the file is for: the test above would not hold without it."""
    untrained.save(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    prompt = torch.tensor([untrained.prompt_ids("3+4=?")])
    out = model.generate(prompt, do_sample=True, max_new_tokens=2, output_scores=True, return_dict_in_generate=True)
    assert out.scores[0].isfinite().sum() == 50 < out.scores[0].numel()


@pytest.mark.parametrize("more", [[], ["policy.lora={rank=4}"]], ids=["whole", "adapter"])
def test_a_run_says_in_its_folder_what_it_was_measured_with(tmp_path, more, outgrow):
    how = ["learn.steps=1", "evaluate.every=0", "evaluate.temperature=0.8", "sampling.top_p=0.9"]
    recipe = load_recipe("micro", [*SMALL, *how, *more])
    train(recipe, tmp_path / "run", SilentWatcher())
    folder = RunFolder(tmp_path / "run").checkpoint(1) / "policy"
    said = GenerationConfig.from_pretrained(folder)
    assert (said.temperature, said.top_k, said.top_p, said.repetition_penalty, said.do_sample) == (0.8, 0, 0.9, 1.0, True)
    assert said.eos_token_id == [make_tokenizer().eos_token_id]
    assert said.max_new_tokens is None, "a server would take it as the limit of all its users"
    code, _, errors = outgrow("merge", tmp_path / "run", "--out", tmp_path / "merged")
    assert code == 0, errors
    policy = load_policy(str(tmp_path / "merged"))
    assert_transformers_draws_as(tmp_path / "merged", evaluation_sampling(recipe), policy.prompt_ids("3+4=?"))
    if more:  # the adapter's folder brings its own, wherever it is copied to
        assert load_policy(str(folder)).model.generation_config.temperature == 0.8
