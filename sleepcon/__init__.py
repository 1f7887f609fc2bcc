"""sleepcon: see, touch and test how a language model learns in its sleep."""
