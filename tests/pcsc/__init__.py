"""The reader through the real PC/SC stack: pcscd, vpcd, pyscard in its process."""
