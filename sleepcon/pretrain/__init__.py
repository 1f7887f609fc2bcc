"""The embedded base, from nothing: corpus generator, tokenizer, training, report.

Rebuild it with ``python -m sleepcon.pretrain`` (see ``docs/base.md``).
"""
