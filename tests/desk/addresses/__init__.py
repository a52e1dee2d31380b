"""Who gets in from where: real servers, real files, real certificates."""
