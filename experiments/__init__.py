"""One file per study; each is a frozen dataclass of options and a function ``run(options)``."""
