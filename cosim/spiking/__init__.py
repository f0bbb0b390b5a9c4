"""The spiking side: NetPyNE circuits in NEURON, on one or many ranks."""
