"""emg-gateway: nerve-conduction results from the EMG cart to the hospital."""

__version__ = "0.1.0"
