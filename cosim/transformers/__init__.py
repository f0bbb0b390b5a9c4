"""What turns rates into spikes and spikes into rates; one file each."""
