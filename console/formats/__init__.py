"""How each language writes dates and times: one package a language, all with the same names."""
