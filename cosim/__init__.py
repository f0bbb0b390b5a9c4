"""Co-simulate The Virtual Brain with NetPyNE/NEURON."""
