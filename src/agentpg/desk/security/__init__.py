"""Who gets in, how, and from where: what is set up, proved and watched."""
