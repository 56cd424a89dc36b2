"""The commits of the hub's models that recipes of this package name, so that they mean the same weights on every day."""

_COMMITS = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": "12fd25f77366fa6b3b4b768ec3050bf629380bac",
    "Qwen/Qwen2.5-0.5B-Instruct": "7ae557604adf67be50417f59c2c2f167def9a775",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": "ad9f0ae0864d7fbcd1cd905e3c6c5b069cc8b562",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": "916b56a44061fd5cd7d6a8fb632557ed4f724f60",
}


def hub_revision(hub_id: str, revision: str | None = None) -> str:
    """Return the revision of a hub id to load: the one that a person gives, else the commit known here, else the newest.

    >>> hub_revision("someone/model"), hub_revision("HuggingFaceTB/SmolLM2-135M-Instruct", "main")
    ('main', 'main')
    """
    return revision or _COMMITS.get(hub_id, "main")
