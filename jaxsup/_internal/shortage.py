"""Errors that say of too little memory: whoever made room may try again."""

# How runtimes and libraries of accelerators say it, beside MemoryError.
_SHORTAGES = ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "out of memory", "Out of memory")
# What a program of a kernel asks of a multiprocessor: it never fits, however much is free.
_OF_ITS_OWN = "Shared memory size limit exceeded"


def shortage_of(error: Exception) -> str | None:
    """What an error says of too little memory, in one line; None where it is another one."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return text or "MemoryError"
    if _OF_ITS_OWN in text:
        return None
    return text if any(word in text for word in _SHORTAGES) else None
