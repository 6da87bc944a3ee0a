"""Readers and writers of whole documents; pure."""
